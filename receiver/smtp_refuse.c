#include "receiver/smtp_parts.h"

void smtp_say(const struct smtp *smtp, enum reply reply, struct buf *output)
{
    reply_put(output, reply, span_text(smtp->policy->hostname));
}

/*
 * Noise on the line keeps no mail from arriving. Nor do those that only follow from what was refused before: the data
 * for no recipient, the chunks behind a bad one.
 */
static bool is_of_mail(const struct smtp *smtp, enum reply reply)
{
    if (reply == REPLY_TOO_EARLY)
        return true;
    if (reply_code(reply) == 421)
        return smtp->asked;
    return smtp->brings_mail && reply != REPLY_NO_VALID_RECIPIENT && reply != REPLY_CHUNK_AFTER_FAILURE;
}

/* Keeps the reply just put for the log. */
static void record_rejection(struct smtp *smtp, enum reply reply, struct span line)
{
    struct smtp_rejection *rejection = &smtp->rejection;
    struct buf text = buf_over(rejection->reply_storage, sizeof rejection->reply_storage);

    buf_put(&text, span_slice(line, 0, line.size < 2 ? 0 : line.size - 2));
    rejection->reply = reply;
    rejection->of_mail = is_of_mail(smtp, reply);
    rejection->reply_text = buf_span(&text);
    rejection->recipient = (struct span){0};
}

/*
 * Not a 4xx; nor an unknown recipient beside one that we take: only where we take none may a client be guessing; nor
 * the rest of the chunks of a message that was refused, as they may be on their way already.
 */
static bool is_error(const struct smtp *smtp, enum reply reply)
{
    return reply_code(reply) >= 500 && reply != REPLY_CHUNK_AFTER_FAILURE &&
           (smtp->state != SMTP_RCPT || (reply != REPLY_UNKNOWN_USER && reply != REPLY_NO_RELAY));
}

enum smtp_event smtp_refuse(struct smtp *smtp, enum reply reply, struct span shown, struct buf *output)
{
    size_t from = output->size;

    reply_put(output, reply, shown);
    record_rejection(smtp, reply, span_slice(buf_span(output), from, output->size));
    if (is_error(smtp, reply) && ++smtp->errors >= smtp->policy->max_errors)
        smtp_hang_up(smtp, REPLY_TOO_MANY_ERRORS, output);
    return SMTP_REJECTED;
}

enum smtp_event smtp_refuse_recipient(struct smtp *smtp, enum reply reply, struct span recipient, struct buf *output)
{
    struct smtp_rejection *rejection = &smtp->rejection;
    struct buf text = buf_over(rejection->recipient_storage, sizeof rejection->recipient_storage);
    enum smtp_event event = smtp_refuse(smtp, reply, recipient, output);

    buf_put(&text, span_slice(recipient, 0, sizeof rejection->recipient_storage - 1));
    rejection->recipient = buf_span(&text);
    smtp->refused_count++;
    return event;
}
