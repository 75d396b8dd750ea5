/*
 * The letter of an automatic reply: what the handler said is made into a whole message by the helper, and kept in the
 * outbox until the sendmail command has taken it.
 *
 *     letter_refusal(&context, attempt, now, &err)         before the handler runs
 *     letter_compose(&context, attempt, now, &err)         when it has ended, until attempt->asked
 *     letter_composed(&context, attempt, &answer, &err)
 *     letter_send(&context, attempt, &err)
 */
#ifndef PROCESSOR_LETTER_H
#define PROCESSOR_LETTER_H

#include "processor/attempt.h"
#include "processor/message.h"

/*
 * Finds out to whom a reply would go, and gives why none may; NULL when it may. When the look-up fails, `err` is
 * filled and has a kind; it is cleared first.
 */
const char *letter_refusal(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms,
                           struct err *err);

/* Asks the helper for the message, as soon as it has time for us; until then, and when it was asked, 0 as well. */
__attribute__((warn_unused_result)) int letter_compose(const struct attempt_context *context, struct attempt *attempt,
                                                       int64_t now_ms, struct err *err);
/* Takes the helper's answer: the message is in the outbox, or -1. */
__attribute__((warn_unused_result)) int letter_composed(const struct attempt_context *context,
                                                        struct attempt *attempt, const struct message_answer *answer,
                                                        struct err *err);
/* Hands the message in the outbox to the sendmail command. */
__attribute__((warn_unused_result)) int letter_send(const struct attempt_context *context, struct attempt *attempt,
                                                    struct err *err);

#endif
