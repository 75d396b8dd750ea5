#include "receiver/smtp.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* What a turn gives when the driver has nothing to do for it: it ends in SMTP_MORE unless there is more input. */
#define GO_ON SMTP_MORE

static const struct span nothing = {0};

/* ---- replies and refusals ---- */

static void say(const struct smtp *smtp, enum reply reply, struct buf *output)
{
    reply_put(output, reply, span_text(smtp->policy->hostname));
}

/* Keeps the reply just put for the log. */
static void record_rejection(struct smtp *smtp, enum reply reply, struct span line)
{
    struct smtp_rejection *rejection = &smtp->rejection;
    struct buf text = buf_over(rejection->reply_storage, sizeof rejection->reply_storage);

    buf_put(&text, span_slice(line, 0, line.size < 2 ? 0 : line.size - 2));
    rejection->reply = reply;
    rejection->reply_text = buf_span(&text);
    rejection->recipient = (struct span){0};
}

/* Not a 4xx; nor an unknown recipient beside one that we take: only where we take none may a client be guessing. */
static bool is_error(const struct smtp *smtp, enum reply reply)
{
    return reply_code(reply) >= 500 &&
           (smtp->state != SMTP_RCPT || (reply != REPLY_UNKNOWN_USER && reply != REPLY_NO_RELAY));
}

/* Refuses a command or a message. `shown` is for those replies that name an address. */
static enum smtp_event refuse(struct smtp *smtp, enum reply reply, struct span shown, struct buf *output)
{
    size_t from = output->size;

    reply_put(output, reply, shown);
    record_rejection(smtp, reply, span_slice(buf_span(output), from, output->size));
    if (is_error(smtp, reply) && ++smtp->errors >= smtp->policy->max_errors) {
        say(smtp, REPLY_TOO_MANY_ERRORS, output);
        smtp->mode = SMTP_MODE_CLOSED;
    }
    return SMTP_REJECTED;
}

static enum smtp_event refuse_recipient(struct smtp *smtp, enum reply reply, struct span recipient,
                                        struct buf *output)
{
    struct smtp_rejection *rejection = &smtp->rejection;
    struct buf text = buf_over(rejection->recipient_storage, sizeof rejection->recipient_storage);
    enum smtp_event event = refuse(smtp, reply, recipient, output);

    buf_put(&text, span_slice(recipient, 0, sizeof rejection->recipient_storage - 1));
    rejection->recipient = buf_span(&text);
    smtp->refused_count++;
    return event;
}

static void forget_transaction(struct smtp *smtp)
{
    smtp->state = smtp->helo[0] == '\0' ? SMTP_CONNECTED : SMTP_READY;
    smtp->mail = (struct mail_arguments){0};
    buf_clear(&smtp->recipients);
    smtp->recipient_count = 0;
    smtp->refused_count = 0;
    smtp->discarded_count = 0;
    smtp->transaction_over = false;
    smtp->file_is_open = false;
    smtp->failure = FAILURE_NONE;
}

/* ---- commands ---- */

typedef enum smtp_event command_handler(struct smtp *smtp, const struct command *command, struct buf *output);

static enum smtp_event take_helo(struct smtp *smtp, const struct command *command, struct buf *output)
{
    struct buf helo;

    if (!envelope_helo_is_valid(command->argument))
        return refuse(smtp, REPLY_BAD_HELO, command->argument, output);
    helo = buf_over(smtp->helo, sizeof smtp->helo);
    buf_put(&helo, command->argument);
    smtp->extended = command->verb == VERB_EHLO;
    forget_transaction(smtp);
    if (smtp->extended)
        reply_put_ehlo(output, span_text(smtp->policy->hostname), smtp->policy->max_message_size);
    else
        say(smtp, REPLY_HELO, output);
    return GO_ON;
}

static enum smtp_event take_mail(struct smtp *smtp, const struct command *command, struct buf *output)
{
    struct mail_arguments mail;
    enum reply refusal = command_parse_mail(command->argument, &mail);

    if (refusal == REPLY_NONE && mail.size_bytes > smtp->policy->max_message_size)
        refusal = REPLY_TOO_BIG;
    if (refusal != REPLY_NONE)
        return refuse(smtp, refusal, nothing, output);
    smtp->mail = mail;
    smtp->state = SMTP_MAIL;
    say(smtp, REPLY_SENDER_OK, output);
    return GO_ON;
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
    enum reply refusal = command_parse_rcpt(command->argument, &recipient);
    struct span text = span_text(recipient.text);

    if (refusal != REPLY_NONE)
        return refuse_recipient(smtp, refusal, command->argument, output);
    if (!is_recipient(smtp, text)) {
        refusal = judge_recipient(smtp, &recipient, &verdict);
        if (refusal != REPLY_NONE)
            return refuse_recipient(smtp, refusal, text, output);
        if (verdict == SMTP_RECIPIENT_KEPT) {
            buf_put(&smtp->recipients, (struct span){text.data, text.size + 1});
            smtp->recipient_count++;
        } else {
            smtp->discarded_count++;
        }
    }
    smtp->state = SMTP_RCPT;
    say(smtp, REPLY_RECIPIENT_OK, output);
    return GO_ON;
}

static void start_content(struct smtp *smtp, struct buf *output)
{
    smtp->mode = SMTP_MODE_CONTENT;
    content_start(&smtp->content, smtp->policy->max_message_size);
    say(smtp, REPLY_START_MAIL, output);
}

static enum smtp_event take_data(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    if (smtp->state != SMTP_RCPT)
        return refuse(smtp, smtp->refused_count > 0 ? REPLY_NO_VALID_RECIPIENT : REPLY_NEEDS_RECIPIENT, nothing,
                      output);
    if (smtp->recipient_count > 0) {
        smtp->mode = SMTP_MODE_OPENING;
        return SMTP_OPEN;
    }
    start_content(smtp, output);
    content_discard(&smtp->content);
    return GO_ON;
}

static enum smtp_event take_rset(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    forget_transaction(smtp);
    say(smtp, REPLY_RESET, output);
    return GO_ON;
}

static enum smtp_event take_quit(struct smtp *smtp, const struct command *command, struct buf *output)
{
    (void)command;
    smtp_hang_up(smtp, REPLY_GOODBYE, output);
    return GO_ON;
}

/* Verb by state: who handles it, or what is simply said to it; and where it is not permitted, why. */
static const struct {
    command_handler *handle;
    enum reply says;                      /* without a handler */
    enum reply refusal[SMTP_STATE_COUNT]; /* connected, ready, mail, rcpt; REPLY_NONE: permitted */
} rules[VERB_COUNT] = {
    [VERB_UNKNOWN] = {.says = REPLY_UNKNOWN_COMMAND}, /* not reached: command_read has refused it */
    [VERB_HELO] = {.handle = take_helo},
    [VERB_EHLO] = {.handle = take_helo},
    [VERB_MAIL] = {take_mail, REPLY_NONE, {REPLY_NEEDS_HELO, REPLY_NONE, REPLY_NESTED_MAIL, REPLY_NESTED_MAIL}},
    [VERB_RCPT] = {take_rcpt, REPLY_NONE, {REPLY_NEEDS_HELO, REPLY_NEEDS_MAIL, REPLY_NONE, REPLY_NONE}},
    [VERB_DATA] = {take_data, REPLY_NONE, {REPLY_NEEDS_HELO, REPLY_NEEDS_MAIL, REPLY_NONE, REPLY_NONE}},
    [VERB_RSET] = {.handle = take_rset},
    [VERB_NOOP] = {.says = REPLY_NOOP},
    [VERB_VRFY] = {.says = REPLY_VRFY},
    [VERB_HELP] = {.says = REPLY_HELP},
    [VERB_QUIT] = {.handle = take_quit},
};
_Static_assert(sizeof rules / sizeof rules[0] == VERB_COUNT, "a row for each verb");

static enum smtp_event run_command(struct smtp *smtp, struct span line, struct buf *output)
{
    struct command command = command_read(line);
    enum reply refusal = command.refusal;

    if (refusal == REPLY_NONE)
        refusal = rules[command.verb].refusal[smtp->state];
    if (refusal == REPLY_NONE && rules[command.verb].handle != NULL)
        return rules[command.verb].handle(smtp, &command, output);
    if (refusal == REPLY_NONE) {
        say(smtp, rules[command.verb].says, output);
        return GO_ON;
    }
    (void)refuse(smtp, refusal, command.argument, output);
    if (command.ends_session)
        smtp->mode = SMTP_MODE_CLOSED;
    return SMTP_REJECTED;
}

/* Takes at most one line. */
static enum smtp_event follow_commands(struct smtp *smtp, struct span *input, struct buf *output)
{
    struct span text = {0};

    switch (command_take_line(&smtp->line, input, &text)) {
    case COMMAND_LINE_WHOLE:
        return run_command(smtp, text, output);
    case COMMAND_LINE_TOO_LONG:
        return refuse(smtp, REPLY_LINE_TOO_LONG, text, output);
    case COMMAND_LINE_BARE_LF:
        return refuse(smtp, REPLY_BARE_LF, text, output);
    case COMMAND_LINE_PART:
        break;
    }
    return GO_ON;
}

/* ---- content ---- */

/* What is said at the end of a message that is not kept. */
static enum reply content_reply(const struct smtp *smtp)
{
    switch (smtp->content.verdict) {
    case CONTENT_BARE_LINE_END:
        return REPLY_BARE_LINE_END;
    case CONTENT_TOO_BIG:
        return REPLY_TOO_BIG;
    case CONTENT_LOOP:
        return REPLY_LOOP;
    case CONTENT_GOOD:
    case CONTENT_DISCARDED:
        break;
    }
    return smtp->failure == FAILURE_NONE ? REPLY_DROPPED : reply_for_failure(smtp->failure);
}

static enum smtp_event end_content(struct smtp *smtp, struct buf *output)
{
    enum reply reply = content_reply(smtp);

    if (smtp->content.verdict == CONTENT_GOOD) {
        smtp->mode = SMTP_MODE_COMMITTING;
        return SMTP_COMMIT;
    }
    smtp->mode = SMTP_MODE_COMMAND;
    smtp->transaction_over = true;
    if (reply == REPLY_DROPPED) {
        smtp->errors = 0;
        say(smtp, reply, output);
        return SMTP_DISCARDED;
    }
    (void)refuse(smtp, reply, nothing, output);
    return smtp->file_is_open ? SMTP_ABORT : SMTP_REJECTED;
}

static enum smtp_event follow_content(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    if (content_read(&smtp->content, input) == CONTENT_MORE)
        return GO_ON;
    *body = content_bytes(&smtp->content);
    content_emptied(&smtp->content); /* its bytes stay where they are until the next read */
    if (body->size > 0)
        return SMTP_BODY;
    return end_content(smtp, output);
}

/* ---- the driver's side ---- */

void smtp_init(struct smtp *smtp, const struct smtp_policy *policy, char *recipient_storage,
               size_t recipient_storage_size)
{
    /* Not the content: its area would cost a session that gets no message the memory of one that does. */
    memset(smtp, 0, offsetof(struct smtp, content));
    smtp->policy = policy;
    smtp->recipients = buf_over(recipient_storage, recipient_storage_size);
}

void smtp_greet(struct smtp *smtp, struct buf *output)
{
    say(smtp, REPLY_GREETING, output);
}

enum smtp_event smtp_step(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    enum smtp_event event = GO_ON;

    assert(smtp->mode != SMTP_MODE_OPENING && smtp->mode != SMTP_MODE_COMMITTING);
    if (smtp->transaction_over)
        forget_transaction(smtp);
    while (event == GO_ON) {
        if (smtp->mode == SMTP_MODE_CLOSED)
            return SMTP_CLOSE;
        if (output->capacity - output->size <= REPLY_ROOM_MAX)
            return SMTP_FLUSH;
        if (smtp->mode == SMTP_MODE_CONTENT)
            return follow_content(smtp, input, output, body);
        if (input->size == 0)
            return SMTP_MORE;
        event = follow_commands(smtp, input, output);
    }
    return event;
}

void smtp_opened(struct smtp *smtp, enum reply_failure failure, struct buf *output)
{
    assert(smtp->mode == SMTP_MODE_OPENING);
    smtp->mode = SMTP_MODE_COMMAND;
    if (failure != FAILURE_NONE) {
        (void)refuse(smtp, reply_for_failure(failure), nothing, output);
    } else {
        smtp->file_is_open = true;
        start_content(smtp, output);
    }
}

void smtp_write_failed(struct smtp *smtp, enum reply_failure failure)
{
    assert(failure != FAILURE_NONE && smtp->file_is_open);
    smtp->failure = failure;
    content_discard(&smtp->content);
}

void smtp_committed(struct smtp *smtp, enum reply_failure failure, const char *id, struct buf *output)
{
    assert(smtp->mode == SMTP_MODE_COMMITTING);
    smtp->mode = SMTP_MODE_COMMAND;
    smtp->transaction_over = true;
    if (failure != FAILURE_NONE) {
        (void)refuse(smtp, reply_for_failure(failure), nothing, output);
    } else {
        smtp->errors = 0;
        reply_put(output, REPLY_ACCEPTED, span_text(id));
    }
}

void smtp_hang_up(struct smtp *smtp, enum reply reply, struct buf *output)
{
    say(smtp, reply, output);
    smtp->mode = SMTP_MODE_CLOSED;
}

const char *smtp_protocol(const struct smtp *smtp)
{
    return smtp->extended ? "ESMTP" : "SMTP";
}

const char *smtp_next_recipient(const struct smtp *smtp, const char *previous)
{
    const char *next = previous == NULL ? smtp->recipients.data : previous + strlen(previous) + 1;

    return next < smtp->recipients.data + smtp->recipients.size ? next : NULL;
}
