#include "receiver/command.h"

#include <string.h>

#include "receiver/path.h"

enum argument_rule { ARGUMENT_OPTIONAL, ARGUMENT_NONE, ARGUMENT_REQUIRED };

struct verb_row {
    const char *name;
    enum argument_rule argument;
    enum reply without_argument; /* with ARGUMENT_REQUIRED */
    size_t line_max;             /* bytes, CRLF counted */
};

static const struct verb_row verbs[VERB_COUNT] = {
    [VERB_UNKNOWN] = {"", ARGUMENT_OPTIONAL, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_HELO] = {"HELO", ARGUMENT_REQUIRED, REPLY_BAD_HELO, COMMAND_LINE_MAX},
    [VERB_EHLO] = {"EHLO", ARGUMENT_REQUIRED, REPLY_BAD_HELO, COMMAND_LINE_MAX},
    [VERB_MAIL] = {"MAIL", ARGUMENT_REQUIRED, REPLY_MAIL_SYNTAX, COMMAND_LONG_LINE_MAX},
    [VERB_RCPT] = {"RCPT", ARGUMENT_REQUIRED, REPLY_RCPT_SYNTAX, COMMAND_LONG_LINE_MAX},
    [VERB_DATA] = {"DATA", ARGUMENT_NONE, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_BDAT] = {"BDAT", ARGUMENT_REQUIRED, REPLY_BAD_CHUNK, COMMAND_LINE_MAX},
    [VERB_STARTTLS] = {"STARTTLS", ARGUMENT_NONE, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_RSET] = {"RSET", ARGUMENT_NONE, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_NOOP] = {"NOOP", ARGUMENT_OPTIONAL, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_VRFY] = {"VRFY", ARGUMENT_REQUIRED, REPLY_NEEDS_ARGUMENT, COMMAND_LINE_MAX},
    [VERB_HELP] = {"HELP", ARGUMENT_OPTIONAL, REPLY_NONE, COMMAND_LINE_MAX},
    [VERB_QUIT] = {"QUIT", ARGUMENT_NONE, REPLY_NONE, COMMAND_LINE_MAX},
};
_Static_assert(sizeof verbs / sizeof verbs[0] == VERB_COUNT, "a row for each verb");

/* Words that we know and have no use for. */
static const struct {
    const char *name;
    enum reply refusal;
    bool ends_session;
} refused_words[] = {
    {"EXPN", REPLY_NOT_IMPLEMENTED, false},
    {"TURN", REPLY_NOT_IMPLEMENTED, false},
    {"ETRN", REPLY_NOT_IMPLEMENTED, false},
    {"SEND", REPLY_NOT_IMPLEMENTED, false},
    {"SOML", REPLY_NOT_IMPLEMENTED, false},
    {"SAML", REPLY_NOT_IMPLEMENTED, false},
    {"AUTH", REPLY_NOT_IMPLEMENTED, false},
    {"PROXY", REPLY_NOT_IMPLEMENTED, false},
    {"XCLIENT", REPLY_NOT_IMPLEMENTED, false},
    {"XFORWARD", REPLY_NOT_IMPLEMENTED, false},
    {"GET", REPLY_NOT_HTTP, true}, /* a browser was made to speak to us: its body may look like commands */
    {"POST", REPLY_NOT_HTTP, true},
    {"PUT", REPLY_NOT_HTTP, true},
    {"HEAD", REPLY_NOT_HTTP, true},
    {"OPTIONS", REPLY_NOT_HTTP, true},
    {"CONNECT", REPLY_NOT_HTTP, true},
    {"DELETE", REPLY_NOT_HTTP, true},
    {"PATCH", REPLY_NOT_HTTP, true},
    {"TRACE", REPLY_NOT_HTTP, true},
};

/* ---- lines ---- */

static void add_bytes(struct command_line *line, struct span bytes)
{
    if (bytes.size == 0)
        return;
    line->ends_in_cr = bytes.data[bytes.size - 1] == '\r';
    /* The LF is not kept, but counts. */
    if (bytes.size >= sizeof line->bytes - line->size) {
        line->too_long = true;
        bytes.size = sizeof line->bytes - line->size - 1;
    }
    memcpy(line->bytes + line->size, bytes.data, bytes.size);
    line->size += bytes.size;
}

/* At an LF, which makes an end only behind a CR. */
static enum command_line_status end_line(struct command_line *line, struct span *text)
{
    bool answered = line->refused;
    bool too_long = line->too_long;

    line->refused = !line->ends_in_cr;
    if (answered && !line->ends_in_cr)
        return COMMAND_LINE_PART;
    *text = (struct span){line->bytes, too_long || !line->ends_in_cr ? line->size : line->size - 1};
    if (!line->ends_in_cr)
        return COMMAND_LINE_BARE_LF;
    line->size = 0;
    line->ends_in_cr = false;
    line->too_long = false;
    if (answered)
        return COMMAND_LINE_PART;
    return too_long ? COMMAND_LINE_TOO_LONG : COMMAND_LINE_WHOLE;
}

enum command_line_status command_take_line(struct command_line *line, struct span *input, struct span *text)
{
    enum command_line_status status = COMMAND_LINE_PART;

    while (status == COMMAND_LINE_PART && input->size > 0) {
        size_t size = span_find(*input, '\n');
        bool has_end = size < input->size;

        add_bytes(line, span_slice(*input, 0, size));
        *input = span_slice(*input, size + has_end, input->size);
        if (has_end)
            status = end_line(line, text);
    }
    return status;
}

/* ---- verbs ---- */

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.size; i++)
        if (((unsigned char)line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7F)
            return true;
    return false;
}

/* Cuts off the front of `text` up to the first space or tab. */
static struct span take_word(struct span *text)
{
    size_t end = 0;
    struct span word;

    while (end < text->size && text->data[end] != ' ' && text->data[end] != '\t')
        end++;
    word = span_slice(*text, 0, end);
    *text = span_slice(*text, end, text->size);
    return word;
}

static enum verb find_verb(struct span word)
{
    for (int verb = VERB_UNKNOWN + 1; verb < VERB_COUNT; verb++)
        if (span_equal_nocase(word, span_text(verbs[verb].name)))
            return (enum verb)verb;
    return VERB_UNKNOWN;
}

static void refuse_word(struct command *command, struct span word)
{
    command->refusal = REPLY_UNKNOWN_COMMAND;
    for (size_t i = 0; i < sizeof refused_words / sizeof refused_words[0]; i++)
        if (span_equal_nocase(word, span_text(refused_words[i].name))) {
            command->refusal = refused_words[i].refusal;
            command->ends_session = refused_words[i].ends_session;
        }
}

static enum reply argument_fault(enum verb verb, struct span argument)
{
    switch (verbs[verb].argument) {
    case ARGUMENT_NONE:
        return argument.size > 0 ? REPLY_NO_ARGUMENT : REPLY_NONE;
    case ARGUMENT_REQUIRED:
        return argument.size > 0 ? REPLY_NONE : verbs[verb].without_argument;
    case ARGUMENT_OPTIONAL:
        break;
    }
    return REPLY_NONE;
}

struct command command_read(struct span line)
{
    struct command command = {.verb = VERB_UNKNOWN};
    struct span rest = line;
    struct span word = take_word(&rest);

    command.verb = find_verb(word);
    command.argument = span_trim(rest);
    if (command.verb == VERB_UNKNOWN)
        refuse_word(&command, word);
    else if (line.size + 2 > verbs[command.verb].line_max)
        command.refusal = REPLY_LINE_TOO_LONG;
    else if (has_control(line))
        command.refusal = REPLY_CONTROL_BYTE;
    else
        command.refusal = argument_fault(command.verb, command.argument);
    return command;
}

bool command_brings_octets(struct span line)
{
    return find_verb(take_word(&line)) == VERB_BDAT;
}

/* ---- parameters of MAIL ---- */

static enum reply set_size(struct mail_arguments *mail, struct span value)
{
    unsigned long long size;

    if (mail->has_size)
        return REPLY_REPEATED_PARAMETER;
    if (span_number(value, UINT64_MAX, &size) != 0)
        return REPLY_BAD_SIZE;
    mail->has_size = true;
    mail->size_bytes = size;
    return REPLY_NONE;
}

static enum reply set_body(struct mail_arguments *mail, struct span value)
{
    if (mail->has_body)
        return REPLY_REPEATED_PARAMETER;
    if (!span_equal_nocase(value, span_text("7BIT")) && !span_equal_nocase(value, span_text("8BITMIME")))
        return REPLY_BAD_BODY;
    mail->has_body = true;
    return REPLY_NONE;
}

static enum reply set_utf8(struct mail_arguments *mail, struct span value)
{
    if (mail->utf8)
        return REPLY_REPEATED_PARAMETER;
    mail->utf8 = true;
    return value.size == 0 ? REPLY_NONE : REPLY_BAD_PARAMETER;
}

static const struct {
    const char *keyword;
    enum reply (*set)(struct mail_arguments *mail, struct span value);
} parameters[] = {
    {"SIZE", set_size},     /* RFC 1870 */
    {"BODY", set_body},     /* RFC 6152 */
    {"SMTPUTF8", set_utf8}, /* RFC 6531 */
};

/* esmtp-keyword, RFC 5321, section 4.1.2. */
static bool is_keyword(struct span keyword)
{
    for (size_t i = 0; i < keyword.size; i++) {
        char byte = keyword.data[i];

        if (!(byte >= '0' && byte <= '9') && !(byte >= 'A' && byte <= 'Z') && !(byte >= 'a' && byte <= 'z') &&
            (byte != '-' || i == 0))
            return false;
    }
    return keyword.size > 0;
}

/* Takes one parameter; `mail` NULL: for RCPT, which has none. */
static enum reply read_parameter(struct span parameter, struct mail_arguments *mail)
{
    size_t equals = span_find(parameter, '=');
    struct span keyword = span_slice(parameter, 0, equals);

    if (!is_keyword(keyword) || equals + 1 == parameter.size)
        return REPLY_BAD_PARAMETER;
    for (size_t i = 0; mail != NULL && i < sizeof parameters / sizeof parameters[0]; i++)
        if (span_equal_nocase(keyword, span_text(parameters[i].keyword)))
            return parameters[i].set(mail, span_slice(parameter, equals + 1, parameter.size));
    return REPLY_UNKNOWN_PARAMETER;
}

static enum reply read_parameters(struct span text, struct mail_arguments *mail)
{
    enum reply refusal = REPLY_NONE;

    for (text = span_trim(text); text.size > 0 && refusal == REPLY_NONE; text = span_trim(text))
        refusal = read_parameter(take_word(&text), mail);
    return refusal;
}

/* ---- MAIL and RCPT ---- */

struct path_replies {
    const char *start;    /* of the argument */
    enum reply no_start;  /* when something else stands there */
    enum reply malformed; /* the path */
    enum path_kind kind;
};

static const struct path_replies mail_path = {"FROM:", REPLY_MAIL_SYNTAX, REPLY_BAD_SENDER, PATH_REVERSE};
static const struct path_replies rcpt_path = {"TO:", REPLY_RCPT_SYNTAX, REPLY_BAD_RECIPIENT, PATH_FORWARD};

/* Takes "FROM:<path>" or "TO:<path>" off the front; a space before the path is wrong but common. `is_ascii` is told
 * of the path. */
static enum reply read_path(struct span *argument, const struct path_replies *replies, struct address *address,
                            bool *is_ascii)
{
    struct span start = span_text(replies->start);
    struct span rest;
    enum path_status status;

    if (!span_starts_nocase(*argument, start))
        return replies->no_start;
    rest = span_trim(span_slice(*argument, start.size, argument->size));
    status = path_parse(&rest, replies->kind, address);
    if (status == PATH_SYNTAX || (rest.size > 0 && rest.data[0] != ' ' && rest.data[0] != '\t'))
        return replies->malformed;
    *is_ascii = status == PATH_OK;
    *argument = rest;
    return REPLY_NONE;
}

enum reply command_parse_mail(struct span argument, struct mail_arguments *mail)
{
    bool is_ascii = true;
    enum reply refusal;

    *mail = (struct mail_arguments){0};
    refusal = read_path(&argument, &mail_path, &mail->sender, &is_ascii);
    if (refusal == REPLY_NONE)
        refusal = read_parameters(argument, mail);
    return refusal == REPLY_NONE && !is_ascii && !mail->utf8 ? REPLY_NOT_ASCII : refusal;
}

enum reply command_parse_rcpt(struct span argument, bool utf8, struct address *recipient)
{
    bool is_ascii = true;
    enum reply refusal = read_path(&argument, &rcpt_path, recipient, &is_ascii);

    if (refusal == REPLY_NONE)
        refusal = read_parameters(argument, NULL);
    return refusal == REPLY_NONE && !is_ascii && !utf8 ? REPLY_NOT_ASCII : refusal;
}

enum reply command_parse_bdat(struct span argument, struct chunk_arguments *chunk)
{
    unsigned long long size;

    *chunk = (struct chunk_arguments){0};
    if (span_number(take_word(&argument), UINT64_MAX, &size) != 0)
        return REPLY_BAD_CHUNK;
    argument = span_trim(argument);
    chunk->size_bytes = size;
    chunk->is_last = span_equal_nocase(argument, span_text("LAST"));
    return argument.size == 0 || chunk->is_last ? REPLY_NONE : REPLY_BAD_CHUNK;
}
