#include "receiver/session_report.h"

#include "common/frame.h"
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
