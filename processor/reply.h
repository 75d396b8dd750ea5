/*
 * Automatic replies: who gets one, and what it says of itself. Pure rules of RFC 3834.
 *
 *     struct reply_question question = {.config = config, .sender = &envelope.sender, .headers = &headers};
 *     reply_destination(question.sender, headers.reply_to, &to);
 *     question.to = &to;
 *     question.recent = replies sent to `to` within the last hour
 *     reason = reply_refusal(&question);
 *     if (reason == NULL)
 *         reply_prepare(&reply, &source, &err), and message_ask_compose(... &reply ...)
 *
 * The reply itself must leave with the null sender.
 */
#ifndef PROCESSOR_REPLY_H
#define PROCESSOR_REPLY_H

#include <stdint.h>

#include "common/address.h"
#include "common/config.h"
#include "processor/message.h"

struct reply_question {
    const struct config *config;
    const struct address *sender;          /* of the envelope; empty text: the null sender */
    const struct address *to;              /* what reply_destination() gave */
    const struct message_headers *headers; /* no_reply is looked at */
    unsigned recent;                       /* automatic replies that went to `to` within the last hour */
};

/*
 * Where a reply goes: the envelope sender, or the address in Reply-To where there is exactly one and it has the same
 * domain, as only then is it that domain's own word (RFC 3834, section 4).
 */
void reply_destination(const struct address *sender, const char *reply_to, struct address *to);

/*
 * NULL: an automatic reply may be sent. Else a short reason, a literal or borrowed from the headers.
 *
 * "Our own routes" are those with a `reply` handler: only there could a reply be answered by a reply. An address of
 * ours whose handlers are `run` and `filter`, or that has none, may be answered: mailmill sends nothing from there, a
 * program that passes the mail on passes "Auto-Submitted: auto-replied" on with it, and the null sender stops
 * the rest. So a site's scripts can ask its own 8-ball, and two 8-balls never talk to each other.
 */
const char *reply_refusal(const struct reply_question *question);

struct reply_source {
    const char *delivery;            /* its stable key: a retry has the same Message-ID */
    int64_t replay;                  /* how often the operator ran it again: each is a letter of its own */
    const char *hostname;            /* the right-hand side of the Message-ID */
    const struct address *recipient; /* the address that was written to: the reply's From */
    const struct address *to;
    const struct message_headers *headers; /* of the message that is answered */
    int64_t now_ms;
};

/* Fills in all fields of the letter. Refused (bug) when one does not fit. */
__attribute__((warn_unused_result)) int reply_prepare(struct message_reply *reply, const struct reply_source *source,
                                                      struct err *err);

#endif
