/*
 * Writing down how an attempt ended, and what follows from it once that is durable: a line in the log of
 * each delivery that shared the run and of a pause of the handler, what the outbox need not hold any more goes, and a
 * message with nothing left to do is filed away.
 */
#ifndef PROCESSOR_RECORD_H
#define PROCESSOR_RECORD_H

#include "processor/attempt.h"

/*
 * Writes down an attempt that is over, or one that was settled without a run. Done, dead, or to be tried again is
 * decided here, from its outcome, its number and its age. -1: nothing is written; try again.
 */
__attribute__((warn_unused_result)) int record_attempt(const struct attempt_context *context, struct attempt *attempt,
                                                       int64_t now_ms, struct err *err);

/* The rest, when what record_attempt wrote is durable. */
void record_follow_up(const struct attempt_context *context, const struct attempt *attempt, int64_t now_ms);

#endif
