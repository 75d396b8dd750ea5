#include "receiver/reply.h"

#include <errno.h>
#include <stddef.h>

struct reply_row {
    unsigned code;
    const char *status; /* the enhanced code; NULL where RFC 2034 wants none */
    const char *text;
    const char *rest; /* NULL: the reply has no place for an argument; else the argument stands between the two */
};

static const struct reply_row replies[REPLY_COUNT] = {
    [REPLY_NONE] = {0, NULL, "", NULL},
    [REPLY_GREETING] = {220, NULL, "", " ESMTP mailmill"},
    [REPLY_HELO] = {250, NULL, "", ""},
    [REPLY_SENDER_OK] = {250, "2.1.0", "sender ok", NULL},
    [REPLY_RECIPIENT_OK] = {250, "2.1.5", "recipient ok", NULL},
    [REPLY_START_MAIL] = {354, NULL, "send the message, then a line with a dot alone", NULL},
    [REPLY_CHUNK_OK] = {250, "2.0.0", "chunk taken", NULL},
    [REPLY_START_TLS] = {220, "2.0.0", "go ahead with TLS", NULL},
    [REPLY_ACCEPTED] = {250, "2.0.0", "accepted as ", ""},
    [REPLY_DROPPED] = {250, "2.0.0", "accepted", NULL},
    [REPLY_RESET] = {250, "2.0.0", "transaction cleared", NULL},
    [REPLY_NOOP] = {250, "2.0.0", "ok", NULL},
    [REPLY_VRFY] = {252, "2.0.0", "addresses are not verified here, send the message", NULL},
    [REPLY_HELP] = {214, "2.0.0", "HELO EHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT, see RFC 5321",
                    NULL},
    [REPLY_GOODBYE] = {221, "2.0.0", "", " closing"},

    [REPLY_TIMEOUT] = {421, "4.4.2", "", " waited too long, closing"},
    [REPLY_SHUTDOWN] = {421, "4.3.2", "", " is shutting down, try again later"},
    [REPLY_UNAVAILABLE] = {421, "4.3.0", "", " takes no mail now, try again later"},
    [REPLY_TOO_SLOW] = {421, "4.4.2", "", " the message comes too slowly, closing"},
    [REPLY_TOO_MANY_SESSIONS] = {421, "4.3.2", "", " has too many connections now, try again later"},
    [REPLY_TOO_MANY_FROM_CLIENT] = {421, "4.7.0", "", " has too many connections from you, try again later"},
    [REPLY_TOO_MANY_ERRORS] = {421, "4.7.0", "", " too many errors, closing"},
    [REPLY_TOO_MANY_COMMANDS] = {421, "4.7.0", "", " too many commands in one session, closing"},
    [REPLY_NO_PROXY_HEADER] = {421, "4.5.0", "", " expects a PROXY header from your address, closing"},
    [REPLY_OUT_OF_STEP] = {421, "4.5.0", "", " cannot tell where these octets end, closing"},
    [REPLY_NOT_HTTP] = {421, "4.7.0", "this is SMTP, not HTTP, closing", NULL},

    [REPLY_NO_TLS] = {454, "4.7.0", "TLS is not available now, go on without or try again later", NULL},
    [REPLY_TEMPORARY_FAILURE] = {451, "4.3.0", "the message could not be stored, try again later", NULL},
    [REPLY_NO_RESOURCES] = {451, "4.3.2", "too busy to take the message, try again later", NULL},
    [REPLY_DISK_FULL] = {452, "4.3.1", "no space left for the message, try again later", NULL},
    [REPLY_TOO_MANY_RECIPIENTS] = {452, "4.5.3", "<", ">: too many recipients, send to the rest in another message"},

    [REPLY_UNKNOWN_COMMAND] = {500, "5.5.2", "command not recognised", NULL},
    [REPLY_LINE_TOO_LONG] = {500, "5.5.2", "line too long", NULL},
    [REPLY_BARE_LF] = {500, "5.5.2", "lines must end with CR LF, this one has an LF by itself", NULL},
    [REPLY_CONTROL_BYTE] = {500, "5.5.2", "control characters are not allowed in commands", NULL},
    [REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "command not implemented", NULL},
    [REPLY_BAD_HELO] = {501, NULL, "a host name or an address in brackets must follow", NULL},
    [REPLY_NO_ARGUMENT] = {501, "5.5.4", "nothing may follow this command", NULL},
    [REPLY_NEEDS_ARGUMENT] = {501, "5.5.4", "something must follow this command", NULL},
    [REPLY_MAIL_SYNTAX] = {501, "5.5.4", "syntax: MAIL FROM:<address>", NULL},
    [REPLY_RCPT_SYNTAX] = {501, "5.5.4", "syntax: RCPT TO:<address>", NULL},
    [REPLY_BAD_SENDER] = {501, "5.1.7", "the sender is not a well-formed address in angle brackets", NULL},
    [REPLY_BAD_RECIPIENT] = {501, "5.1.3", "the recipient is not a well-formed address in angle brackets", NULL},
    [REPLY_NOT_ASCII] = {553, "5.6.7", "an address that is not ASCII takes SMTPUTF8", NULL},
    [REPLY_BAD_CHUNK] = {501, "5.5.4", "syntax: BDAT octets, or BDAT octets LAST", NULL},
    [REPLY_BAD_SIZE] = {501, "5.5.4", "SIZE must be a number of octets", NULL},
    [REPLY_BAD_BODY] = {501, "5.5.4", "BODY must be 7BIT or 8BITMIME", NULL},
    [REPLY_REPEATED_PARAMETER] = {501, "5.5.4", "a parameter is given twice", NULL},
    [REPLY_BAD_PARAMETER] = {501, "5.5.4", "malformed parameter", NULL},
    [REPLY_UNKNOWN_PARAMETER] = {555, "5.5.4", "parameter not recognised", NULL},
    [REPLY_NEEDS_HELO] = {503, "5.5.1", "say EHLO or HELO first", NULL},
    [REPLY_NESTED_MAIL] = {503, "5.5.1", "a transaction is open already", NULL},
    [REPLY_NEEDS_MAIL] = {503, "5.5.1", "say MAIL first", NULL},
    [REPLY_NEEDS_RECIPIENT] = {503, "5.5.1", "say RCPT first", NULL},
    [REPLY_NO_VALID_RECIPIENT] = {554, "5.5.1", "no valid recipients", NULL},
    [REPLY_CHUNKS_BEGUN] = {503, "5.5.1", "BDAT has begun: finish with LAST, or say RSET", NULL},
    [REPLY_CHUNK_AFTER_FAILURE] = {503, "5.5.1", "BDAT has failed already: begin with MAIL again", NULL},
    [REPLY_SECURED_ALREADY] = {503, "5.5.1", "TLS is active already", NULL},
    [REPLY_TOO_EARLY] = {554, "5.5.1", "", " wait for the greeting before you speak, closing"},
    [REPLY_UNKNOWN_USER] = {550, "5.1.1", "<", ">: no such address here"},
    [REPLY_NO_RELAY] = {550, "5.7.1", "<", ">: relaying denied"},
    [REPLY_TOO_BIG] = {552, "5.3.4", "the message is larger than is allowed here", NULL},
    [REPLY_HEADER_TOO_BIG] = {552, "5.3.4", "the header of the message is larger than is allowed here", NULL},
    [REPLY_BARE_LINE_END] = {550, "5.6.0", "the message has a CR or LF by itself; lines must end with CR LF", NULL},
    [REPLY_LOOP] = {554, "5.4.6", "too many Received fields: the message goes round in a loop", NULL},
    [REPLY_REFUSED] = {554, "5.7.0", "the message is refused", NULL},
};
_Static_assert(sizeof replies / sizeof replies[0] == REPLY_COUNT, "a row for each reply");

static const enum reply failure_replies[FAILURE_COUNT] = {
    [FAILURE_NONE] = REPLY_ACCEPTED,       [FAILURE_TEMPORARY] = REPLY_TEMPORARY_FAILURE,
    [FAILURE_DISK_FULL] = REPLY_DISK_FULL, [FAILURE_NO_RESOURCES] = REPLY_NO_RESOURCES,
    [FAILURE_TOO_BIG] = REPLY_TOO_BIG,     [FAILURE_REFUSED] = REPLY_REFUSED,
};
_Static_assert(sizeof failure_replies / sizeof failure_replies[0] == FAILURE_COUNT, "a reply for each failure");

static const struct {
    int number;
    enum reply_failure failure;
} errno_failures[] = {
    {0, FAILURE_NONE},
    {ENOSPC, FAILURE_DISK_FULL},
    {EDQUOT, FAILURE_DISK_FULL},
    {EFBIG, FAILURE_TOO_BIG},
    {ENOMEM, FAILURE_NO_RESOURCES},
    {EMFILE, FAILURE_NO_RESOURCES},
    {ENFILE, FAILURE_NO_RESOURCES},
    {EAGAIN, FAILURE_NO_RESOURCES},
};

/* What the EHLO reply offers besides SIZE. */
static const char *const extensions[] = {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"};

unsigned reply_code(enum reply reply)
{
    return replies[reply].code;
}

/* Echoed bytes must not be able to end the line, steer a terminal, or claim a character set. */
static void put_cleaned(struct buf *line, struct span text, size_t room)
{
    text = span_slice(text, 0, room);
    for (size_t i = 0; i < text.size; i++)
        buf_put_byte(line, text.data[i] >= 0x20 && text.data[i] < 0x7F ? text.data[i] : '?');
}

void reply_put(struct buf *output, enum reply reply, struct span argument)
{
    const struct reply_row *row = &replies[reply];
    char storage[REPLY_LINE_MAX + 1];
    struct buf line = buf_over(storage, sizeof storage);

    buf_put_number(&line, row->code);
    buf_put_byte(&line, ' ');
    if (row->status != NULL)
        buf_put_texts(&line, row->status, " ", NULL);
    buf_put_text(&line, row->text);
    if (row->rest != NULL) {
        struct span rest = span_text(row->rest);

        put_cleaned(&line, argument, REPLY_LINE_MAX - line.size - rest.size - 2);
        buf_put(&line, argument.size > 0 ? rest : span_trim(rest)); /* our own name, where it is not known */
    }
    buf_put_text(&line, "\r\n");
    buf_put(output, buf_span(&line));
}

void reply_put_ehlo(struct buf *output, struct span hostname, uint64_t max_message_size, bool offer_starttls)
{
    char storage[REPLY_ROOM_MAX + 1];
    struct buf lines = buf_over(storage, sizeof storage);

    buf_put_text(&lines, "250-");
    put_cleaned(&lines, hostname, REPLY_LINE_MAX - lines.size - 2);
    buf_put_text(&lines, "\r\n");
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        buf_put_texts(&lines, "250-", extensions[i], "\r\n", NULL);
    if (offer_starttls)
        buf_put_text(&lines, "250-STARTTLS\r\n");
    buf_put_text(&lines, "250 SIZE ");
    buf_put_number(&lines, max_message_size);
    buf_put_text(&lines, "\r\n");
    buf_put(output, buf_span(&lines));
}

enum reply reply_for_failure(enum reply_failure failure)
{
    return failure_replies[failure];
}

enum reply_failure reply_failure_of(int number)
{
    for (size_t i = 0; i < sizeof errno_failures / sizeof errno_failures[0]; i++)
        if (errno_failures[i].number == number)
            return errno_failures[i].failure;
    return FAILURE_TEMPORARY;
}
