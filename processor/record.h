/*
 * Writing down how an attempt ended, in the index and in the log, and what follows from it: what the outbox need not
 * hold any more goes, and a message with nothing left to do is filed away.
 */
#ifndef PROCESSOR_RECORD_H
#define PROCESSOR_RECORD_H

#include "processor/attempt.h"

/*
 * Writes down an attempt that is over. Done, dead, or to be tried again is decided here, from its outcome, its number
 * and its age. -1: nothing is written; try again.
 */
__attribute__((warn_unused_result)) int record_attempt(const struct attempt_context *context, struct attempt *attempt,
                                                       int64_t now_ms, struct err *err);

/* Writes down, without an attempt, that a delivery need not or can't run. */
__attribute__((warn_unused_result)) int record_settled(const struct attempt_context *context,
                                                       const struct attempt *attempt, enum state state,
                                                       const char *detail, int64_t now_ms, struct err *err);

#endif
