#include "receiver/smtp_parts.h"

static void start(struct smtp *smtp, enum content_form form)
{
    const struct content_limits limits = {smtp->policy->max_message_size, smtp->policy->max_header_size};

    content_start(&smtp->content, form, &limits);
}

void smtp_start_content(struct smtp *smtp, struct buf *output)
{
    smtp->mode = SMTP_MODE_CONTENT;
    start(smtp, CONTENT_DOTTED);
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
    case CONTENT_HEADER_TOO_BIG:
        return REPLY_HEADER_TOO_BIG;
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

/* What has been decoded becomes the event, if it is anything. */
static bool give_body(struct smtp *smtp, struct span *body)
{
    *body = content_bytes(&smtp->content);
    content_emptied(&smtp->content); /* its bytes stay where they are until the next read */
    return body->size > 0;
}

enum smtp_event smtp_follow_content(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    if (content_read(&smtp->content, input) == CONTENT_MORE)
        return SMTP_GO_ON;
    return give_body(smtp, body) ? SMTP_BODY : end_content(smtp, output);
}

/* ---- chunks ---- */

static enum reply chunk_refusal(const struct smtp *smtp)
{
    if (smtp->chunks_failed)
        return REPLY_CHUNK_AFTER_FAILURE;
    switch (smtp->state) {
    case SMTP_CONNECTED:
        return REPLY_NEEDS_HELO;
    case SMTP_READY:
        return REPLY_NEEDS_MAIL;
    case SMTP_MAIL:
        return smtp->refused_count > 0 ? REPLY_NO_VALID_RECIPIENT : REPLY_NEEDS_RECIPIENT;
    case SMTP_RCPT:
    case SMTP_CHUNKS:
    case SMTP_STATE_COUNT:
        break;
    }
    return REPLY_NONE;
}

enum smtp_event smtp_start_chunk(struct smtp *smtp, const struct chunk_arguments *chunk)
{
    smtp->mode = SMTP_MODE_CHUNK;
    smtp->chunk = *chunk;
    smtp->chunk_refusal = chunk_refusal(smtp);
    if (smtp->chunk_refusal != REPLY_NONE || smtp->state == SMTP_CHUNKS)
        return SMTP_GO_ON;
    smtp->state = SMTP_CHUNKS;
    start(smtp, CONTENT_COUNTED);
    if (smtp->recipient_count > 0) {
        smtp->mode = SMTP_MODE_OPENING;
        return SMTP_OPEN;
    }
    content_discard(&smtp->content);
    return SMTP_GO_ON;
}

/* All octets of the chunk have been taken, and of the last one all bytes given. */
static enum smtp_event end_chunk(struct smtp *smtp, struct buf *output)
{
    smtp->mode = SMTP_MODE_COMMAND;
    if (smtp->chunk_refusal != REPLY_NONE) {
        smtp->chunks_failed = true;
        return smtp_refuse(smtp, smtp->chunk_refusal, (struct span){0}, output);
    }
    smtp->chunks_failed = smtp->content.verdict != CONTENT_GOOD && content_reply(smtp) != REPLY_DROPPED;
    if (smtp->chunk.is_last || smtp->chunks_failed)
        return end_content(smtp, output);
    smtp_say(smtp, REPLY_CHUNK_OK, output);
    return SMTP_GO_ON;
}

enum smtp_event smtp_follow_chunk(struct smtp *smtp, struct span *input, struct buf *output, struct span *body)
{
    bool wanted = smtp->chunk_refusal == REPLY_NONE;
    struct span rest = *input;
    enum content_status status = CONTENT_MORE;
    size_t used;

    if (rest.size > smtp->chunk.size_bytes)
        rest.size = (size_t)smtp->chunk.size_bytes;
    used = rest.size;
    if (wanted) {
        status = content_read(&smtp->content, &rest);
        used -= rest.size;
    }
    *input = span_slice(*input, used, input->size);
    smtp->chunk.size_bytes -= used;
    if (status == CONTENT_MORE && smtp->chunk.size_bytes > 0)
        return SMTP_GO_ON;
    if (status == CONTENT_MORE && wanted && smtp->chunk.is_last) {
        content_end(&smtp->content);
        status = CONTENT_END;
    }
    if (status != CONTENT_MORE && give_body(smtp, body))
        return SMTP_BODY;
    return end_chunk(smtp, output);
}
