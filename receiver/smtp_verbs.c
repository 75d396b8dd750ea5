#include "receiver/smtp_parts.h"

typedef enum smtp_event command_handler(struct smtp *smtp, const struct command *command, struct buf *output);

/* Tells of a file that the client has just turned its back on. */
static enum smtp_event leave_transaction(struct smtp *smtp)
{
    bool file_was_open = smtp->file_is_open;

    smtp_forget_transaction(smtp);
    return file_was_open ? SMTP_WITHDRAWN : SMTP_GO_ON;
}

static enum smtp_event take_helo(struct smtp *smtp, const struct command *command, struct buf *output)
{
    enum smtp_event event;
    struct buf helo;

    if (!envelope_helo_is_valid(command->argument))
        return smtp_refuse(smtp, REPLY_BAD_HELO, command->argument, output);
    helo = buf_over(smtp->helo, sizeof smtp->helo);
    buf_put(&helo, command->argument);
    smtp->extended = command->verb == VERB_EHLO;
    event = leave_transaction(smtp);
    if (smtp->extended)
        reply_put_ehlo(output, span_text(smtp->policy->hostname), smtp->policy->max_message_size,
                       smtp->policy->offer_starttls && !smtp->secured);
    else
        smtp_say(smtp, REPLY_HELO, output);
    return event;
}

static enum smtp_event take_mail(struct smtp *smtp, const struct command *command, struct buf *output)
{
    struct mail_arguments mail;
    enum reply refusal = command_parse_mail(command->argument, &mail);

    if (refusal == REPLY_NONE && mail.size_bytes > smtp->policy->max_message_size)
        refusal = REPLY_TOO_BIG;
    if (refusal != REPLY_NONE) {
        /* No transaction, but known by name: whoever asks why the mail did not arrive knows the sender first. */
        if (refusal != REPLY_MAIL_SYNTAX && refusal != REPLY_BAD_SENDER)
            smtp->mail.sender = mail.sender;
        return smtp_refuse(smtp, refusal, (struct span){0}, output);
    }
    smtp->mail = mail;
    smtp->state = SMTP_MAIL;
    smtp_say(smtp, REPLY_SENDER_OK, output);
    return SMTP_GO_ON;
}

static bool is_recipient(const struct smtp *smtp, struct span text)
{
    const char *known = NULL;

    while ((known = smtp_next_recipient(smtp, known)) != NULL)
        if (span_equal_nocase(span_text(known), text))
            return true;
    return false;
}

/* Whether an address that is no recipient yet may become one. */
static enum reply judge_recipient(struct smtp *smtp, const struct address *recipient, enum smtp_verdict *verdict)
{
    /* Those refused count too, so that one good address does not let a client ask for all others in one go. */
    if (smtp->recipient_count + smtp->discarded_count + smtp->refused_count >= smtp->policy->max_recipients ||
        span_text(recipient->text).size + 1 >= smtp->recipients.capacity - smtp->recipients.size)
        return REPLY_TOO_MANY_RECIPIENTS;
    *verdict = smtp->policy->recipient(smtp->policy->context, recipient);
    switch (*verdict) {
    case SMTP_RECIPIENT_FOREIGN:
        return REPLY_NO_RELAY;
    case SMTP_RECIPIENT_UNKNOWN:
        /* Taking "user%far@here" and dropping it would look like an open relay to those who search for one. */
        if (address_is_indirect(recipient))
            return REPLY_NO_RELAY;
        return smtp->policy->discard_unknown ? REPLY_NONE : REPLY_UNKNOWN_USER;
    case SMTP_RECIPIENT_KEPT:
        break;
    }
    return REPLY_NONE;
}

static enum smtp_event take_rcpt(struct smtp *smtp, const struct command *command, struct buf *output)
{
    enum smtp_verdict verdict = SMTP_RECIPIENT_FOREIGN;
    struct address recipient;
    enum reply refusal = command_parse_rcpt(command->argument, smtp->mail.utf8, &recipient);
    struct span text = span_text(recipient.text);

    if (refusal != REPLY_NONE)
        return smtp_refuse_recipient(smtp, refusal, command->argument, output);
    if (!is_recipient(smtp, text)) {
        refusal = judge_recipient(smtp, &recipient, &verdict);
        if (refusal != REPLY_NONE)
            return smtp_refuse_recipient(smtp, refusal, text, output);
        if (verdict == SMTP_RECIPIENT_KEPT) {
            buf_put(&smtp->recipients, (struct span){text.data, text.size + 1});
            smtp->recipient_count++;
        } else {
            smtp->discarded_count++;
        }
    }
    smtp->state = SMTP_RCPT;
    smtp_say(smtp, REPLY_RECIPIENT_OK, output);
    return SMTP_GO_ON;
}

static enum smtp_event take_data(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    if (smtp->state != SMTP_RCPT)
        return smtp_refuse(smtp, smtp->refused_count > 0 ? REPLY_NO_VALID_RECIPIENT : REPLY_NEEDS_RECIPIENT,
                           (struct span){0}, output);
    if (smtp->recipient_count > 0) {
        smtp->mode = SMTP_MODE_OPENING;
        return SMTP_OPEN;
    }
    smtp_start_content(smtp, output);
    content_discard(&smtp->content);
    return SMTP_GO_ON;
}

/* A line is refused that says how many octets come behind it, or should: what comes can't be read as anything. */
static enum smtp_event lose_step(struct smtp *smtp, enum reply reply, struct buf *output)
{
    enum smtp_event event = smtp_refuse(smtp, reply, (struct span){0}, output);

    if (smtp->mode != SMTP_MODE_CLOSED)
        smtp_hang_up(smtp, REPLY_OUT_OF_STEP, output);
    return event;
}

static enum smtp_event take_bdat(struct smtp *smtp, const struct command *command, struct buf *output)
{
    struct chunk_arguments chunk;
    enum reply refusal = command_parse_bdat(command->argument, &chunk);

    return refusal == REPLY_NONE ? smtp_start_chunk(smtp, &chunk) : lose_step(smtp, refusal, output);
}

static enum smtp_event take_starttls(struct smtp *smtp, const struct command *command, struct buf *output)
{
    size_t from = output->size;

    (void)command;
    if (smtp->secured)
        return smtp_refuse(smtp, REPLY_SECURED_ALREADY, (struct span){0}, output);
    if (!smtp->policy->offer_starttls)
        return smtp_refuse(smtp, REPLY_NOT_IMPLEMENTED, (struct span){0}, output);
    if (smtp->state == SMTP_CONNECTED)
        return smtp_refuse(smtp, REPLY_NEEDS_HELO, (struct span){0}, output);
    smtp_say(smtp, REPLY_START_TLS, output);
    smtp->securing_reply_size = output->size - from;
    smtp->mode = SMTP_MODE_SECURING;
    return SMTP_STARTTLS;
}

static enum smtp_event take_rset(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    smtp_say(smtp, REPLY_RESET, output);
    return leave_transaction(smtp);
}

static enum smtp_event take_quit(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    smtp->quits = true;
    smtp_hang_up(smtp, REPLY_GOODBYE, output);
    return SMTP_GO_ON;
}

/* Verb by state: whether it is about mail, who handles it, or what is simply said to it; and where it is not
 * permitted, why. */
static const struct {
    command_handler *handle;
    enum reply says;                      /* without a handler */
    enum reply refusal[SMTP_STATE_COUNT]; /* connected, ready, mail, rcpt, chunks; REPLY_NONE: permitted */
    bool brings_mail;
} rules[VERB_COUNT] = {
    [VERB_UNKNOWN] = {.says = REPLY_UNKNOWN_COMMAND}, /* command_read has refused it */
    [VERB_HELO] = {.handle = take_helo},
    [VERB_EHLO] = {.handle = take_helo},
    [VERB_MAIL] = {take_mail,
                   REPLY_NONE,
                   {REPLY_NEEDS_HELO, REPLY_NONE, REPLY_NESTED_MAIL, REPLY_NESTED_MAIL, REPLY_CHUNKS_BEGUN},
                   true},
    [VERB_RCPT] = {take_rcpt,
                   REPLY_NONE,
                   {REPLY_NEEDS_HELO, REPLY_NEEDS_MAIL, REPLY_NONE, REPLY_NONE, REPLY_CHUNKS_BEGUN},
                   true},
    [VERB_DATA] = {take_data,
                   REPLY_NONE,
                   {REPLY_NEEDS_HELO, REPLY_NEEDS_MAIL, REPLY_NONE, REPLY_NONE, REPLY_CHUNKS_BEGUN},
                   true},
    [VERB_BDAT] = {.handle = take_bdat, .brings_mail = true}, /* which knows better when to refuse */
    [VERB_STARTTLS] = {.handle = take_starttls, .refusal = {[SMTP_CHUNKS] = REPLY_CHUNKS_BEGUN}},
    [VERB_RSET] = {.handle = take_rset},
    [VERB_NOOP] = {.says = REPLY_NOOP},
    [VERB_VRFY] = {.says = REPLY_VRFY},
    [VERB_HELP] = {.says = REPLY_HELP},
    [VERB_QUIT] = {.handle = take_quit},
};
_Static_assert(sizeof rules / sizeof rules[0] == VERB_COUNT, "a row for each verb");

static void note_verb(struct smtp *smtp, enum verb verb)
{
    smtp->brings_mail = rules[verb].brings_mail;
    smtp->asked = smtp->asked || smtp->brings_mail;
}

static enum smtp_event run_command(struct smtp *smtp, struct span line, struct buf *output)
{
    struct command command = command_read(line);
    enum reply refusal = command.refusal;

    note_verb(smtp, command.verb);
    if (++smtp->commands > smtp->policy->max_commands) {
        smtp->mode = SMTP_MODE_CLOSED;
        return smtp_refuse(smtp, REPLY_TOO_MANY_COMMANDS, span_text(smtp->policy->hostname), output);
    }
    if (command.verb != VERB_BDAT)
        smtp->chunks_failed = false;
    else if (refusal != REPLY_NONE)
        return lose_step(smtp, refusal, output);
    if (refusal == REPLY_NONE)
        refusal = rules[command.verb].refusal[smtp->state];
    if (refusal == REPLY_NONE && rules[command.verb].handle != NULL)
        return rules[command.verb].handle(smtp, &command, output);
    if (refusal == REPLY_NONE) {
        smtp_say(smtp, rules[command.verb].says, output);
        return SMTP_GO_ON;
    }
    (void)smtp_refuse(smtp, refusal, command.argument, output);
    if (command.ends_session)
        smtp->mode = SMTP_MODE_CLOSED;
    return SMTP_REJECTED;
}

static enum smtp_event refuse_line(struct smtp *smtp, enum reply reply, struct span text, struct buf *output)
{
    bool brings_octets = command_brings_octets(text);

    note_verb(smtp, brings_octets ? VERB_BDAT : VERB_UNKNOWN);
    return brings_octets ? lose_step(smtp, reply, output) : smtp_refuse(smtp, reply, text, output);
}

enum smtp_event smtp_follow_commands(struct smtp *smtp, struct span *input, struct buf *output)
{
    struct span text = {0};

    switch (command_take_line(&smtp->line, input, &text)) {
    case COMMAND_LINE_WHOLE:
        return run_command(smtp, text, output);
    case COMMAND_LINE_TOO_LONG:
        return refuse_line(smtp, REPLY_LINE_TOO_LONG, text, output);
    case COMMAND_LINE_BARE_LF:
        return refuse_line(smtp, REPLY_BARE_LF, text, output);
    case COMMAND_LINE_PART:
        break;
    }
    return SMTP_GO_ON;
}
