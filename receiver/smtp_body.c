#include "receiver/smtp_parts.h"

void smtp_start_content(struct smtp *smtp, struct buf *output)
{
    smtp->mode = SMTP_MODE_CONTENT;
    content_start(&smtp->content, smtp->policy->max_message_size);
    smtp_say(smtp, REPLY_START_MAIL, output);
}

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
        smtp_say(smtp, reply, output);
        return SMTP_DISCARDED;
    }
    (void)smtp_refuse(smtp, reply, (struct span){0}, output);
    return smtp->file_is_open ? SMTP_ABORT : SMTP_REJECTED;
}

enum smtp_event smtp_follow_content(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    if (content_read(&smtp->content, input) == CONTENT_MORE)
        return SMTP_GO_ON;
    *body = content_bytes(&smtp->content);
    content_emptied(&smtp->content); /* its bytes stay where they are until the next read */
    if (body->size > 0)
        return SMTP_BODY;
    return end_content(smtp, output);
}
