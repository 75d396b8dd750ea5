#include "receiver/session_report.h"

#include "common/frame.h"
#include "common/log.h"
#include "receiver/wire.h"

static int report(int writer, const struct smtp *smtp, bool of_mail, struct span recipient, struct span reply)
{
    char storage[WIRE_REJECTED_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_REJECTED);
    frame_put_number(&frame, of_mail);
    frame_put_text(&frame, recipient);
    frame_put_text(&frame, reply);
    frame_put_text(&frame, span_text(smtp->helo));
    frame_put_text(&frame, span_text(smtp->mail.sender.text));
    return frame_send(writer, &frame, NULL, 0, &err);
}

int session_report_rejection(int writer, const struct smtp *smtp)
{
    const struct smtp_rejection *rejection = &smtp->rejection;

    return report(writer, smtp, rejection->of_mail, rejection->recipient, rejection->reply_text);
}

int session_report_sent_away(int writer, const struct smtp *smtp)
{
    char storage[REPLY_LINE_MAX + 1];
    struct buf line = buf_over(storage, sizeof storage);

    if (smtp->sent_away == REPLY_NONE || !smtp->asked)
        return 0;
    reply_put(&line, smtp->sent_away, span_text(smtp->policy->hostname));
    return report(writer, smtp, true, (struct span){0}, span_slice(buf_span(&line), 0, line.size - 2));
}

int session_report_line(int writer, int level, struct span text)
{
    char storage[WIRE_LOG_MAX + 64];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_LOG);
    frame_put_number(&frame, (uint64_t)level);
    frame_put_text(&frame, span_slice(text, 0, WIRE_LOG_MAX));
    return frame_send(writer, &frame, NULL, 0, &err);
}

void session_report_discarded(const struct smtp *smtp)
{
    struct log_line line;

    log_start(&line, LOG_INFO, "discarded");
    log_text(&line, "from", span_text(smtp->mail.sender.text));
    log_number(&line, "recipients", smtp->discarded_count);
    log_end(&line);
}

void session_report_end(const char *what, const struct smtp *smtp, const char *in)
{
    struct log_line line;

    log_start(&line, LOG_INFO, what);
    log_text(&line, "helo", span_text(smtp->helo));
    log_text(&line, "in", span_text(in));
    log_end(&line);
}
