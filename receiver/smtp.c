#include "receiver/smtp.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "receiver/smtp_parts.h"

void smtp_forget_transaction(struct smtp *smtp)
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
    smtp_say(smtp, REPLY_GREETING, output);
}

void smtp_refuse_early(struct smtp *smtp, struct buf *output)
{
    (void)smtp_refuse(smtp, REPLY_TOO_EARLY, span_text(smtp->policy->hostname), output);
    smtp->mode = SMTP_MODE_CLOSED;
}

enum smtp_event smtp_step(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    enum smtp_event event = SMTP_GO_ON;

    assert(smtp->mode != SMTP_MODE_OPENING && smtp->mode != SMTP_MODE_COMMITTING && smtp->mode != SMTP_MODE_SECURING);
    if (smtp->transaction_over)
        smtp_forget_transaction(smtp);
    while (event == SMTP_GO_ON) {
        if (smtp->mode == SMTP_MODE_CLOSED)
            return SMTP_CLOSE;
        if (output->capacity - output->size <= REPLY_ROOM_MAX)
            return SMTP_FLUSH;
        if (smtp->mode == SMTP_MODE_CONTENT)
            return smtp_follow_content(smtp, input, output, body);
        if (input->size == 0 && (smtp->mode != SMTP_MODE_CHUNK || smtp->chunk.size_bytes > 0))
            return SMTP_MORE;
        event = smtp->mode == SMTP_MODE_CHUNK ? smtp_follow_chunk(smtp, input, output, body)
                                              : smtp_follow_commands(smtp, input, output);
    }
    if (event == SMTP_STARTTLS)
        *input = (struct span){0};
    return event;
}

void smtp_opened(struct smtp *smtp, enum reply_failure failure, struct buf *output)
{
    assert(smtp->mode == SMTP_MODE_OPENING);
    smtp->mode = SMTP_MODE_COMMAND;
    smtp->file_is_open = failure == FAILURE_NONE;
    if (smtp->state == SMTP_CHUNKS) {
        smtp->mode = SMTP_MODE_CHUNK;
        smtp->failure = failure; /* which the client hears of behind the octets */
        if (failure != FAILURE_NONE)
            content_discard(&smtp->content);
    } else if (failure != FAILURE_NONE) {
        (void)smtp_refuse(smtp, reply_for_failure(failure), (struct span){0}, output);
    } else {
        smtp_start_content(smtp, output);
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
        (void)smtp_refuse(smtp, reply_for_failure(failure), (struct span){0}, output);
    } else {
        smtp->errors = 0;
        reply_put(output, REPLY_ACCEPTED, span_text(id));
    }
}

void smtp_secured(struct smtp *smtp)
{
    assert(smtp->mode == SMTP_MODE_SECURING);
    smtp->mode = SMTP_MODE_COMMAND;
    smtp->secured = true;
    smtp->extended = false;
    smtp->helo[0] = '\0';
    smtp_forget_transaction(smtp);
}

void smtp_not_secured(struct smtp *smtp, struct buf *output)
{
    assert(smtp->mode == SMTP_MODE_SECURING && output->size >= smtp->securing_reply_size);
    smtp->mode = SMTP_MODE_COMMAND;
    output->size -= smtp->securing_reply_size;
    smtp_say(smtp, REPLY_NO_TLS, output);
}

void smtp_hang_up(struct smtp *smtp, enum reply reply, struct buf *output)
{
    smtp_say(smtp, reply, output);
    smtp->mode = SMTP_MODE_CLOSED;
    if (reply_code(reply) == 421)
        smtp->sent_away = reply;
}

bool smtp_in_body(const struct smtp *smtp)
{
    return smtp->mode == SMTP_MODE_CONTENT || smtp->mode == SMTP_MODE_CHUNK || smtp->state == SMTP_CHUNKS;
}

const char *smtp_protocol(const struct smtp *smtp)
{
    if (smtp->mail.utf8)
        return smtp->secured ? "UTF8SMTPS" : "UTF8SMTP";
    /* With HELO as well: there is no name for TLS without extensions, and STARTTLS was one. */
    if (smtp->secured)
        return "ESMTPS";
    return smtp->extended ? "ESMTP" : "SMTP";
}

const char *smtp_next_recipient(const struct smtp *smtp, const char *previous)
{
    const char *next = previous == NULL ? smtp->recipients.data : previous + strlen(previous) + 1;

    return next < smtp->recipients.data + smtp->recipients.size ? next : NULL;
}
