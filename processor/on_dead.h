/*
 * What a handler's `on-dead` program is told: that a message is dead for it, and why. A delivery that dies is marked,
 * in the transaction in which it dies, and the mark is taken off when a run begins; a run that failed, or that the
 * processor did not live to see the end of, puts it back. So the program runs at least once, whatever happens, and
 * each time that the delivery dies anew. Its runs are no attempts of the handler and stand in a table of their own.
 *
 *     on_dead_is_wanted(&config, &delivery)                       when a delivery dies
 *     on_dead_pass(&runner, handler, route, now, &next, &err)     in the schedule's turn
 *     on_dead_begin(&context, attempt, delivery, now, &err)       written down first, as attempts are
 *     on_dead_launch(&context, attempt, &err)                     when that is durable
 *     on_dead_record(&context, attempt, now, &err)                when it has ended
 *     on_dead_follow_up(attempt)                                  when that is durable
 */
#ifndef PROCESSOR_ON_DEAD_H
#define PROCESSOR_ON_DEAD_H

#include "processor/attempt.h"
#include "processor/runner.h"

enum { ON_DEAD_TRIES = 10 }; /* runs that may fail before it is given up */

/* Whether the delivery's handler has such a program. */
bool on_dead_is_wanted(const struct config *config, const struct delivery *delivery);

/*
 * Starts the program for one delivery that is due, if there is a place for it, and lowers `next_ms` to when the next
 * is. It runs once at a time for each handler, and in no place of the handler's own. -1: try again later.
 */
__attribute__((warn_unused_result)) int on_dead_pass(struct runner *runner, const struct config_handler *handler,
                                                     const char *route, int64_t now_ms, int64_t *next_ms,
                                                     struct err *err);

/* Loads the delivery and writes down that a run begins. 1: it is not to be told of any more; -1: trouble. Nothing was
 * changed then. */
__attribute__((warn_unused_result)) int on_dead_begin(const struct attempt_context *context, struct attempt *attempt,
                                                      int64_t delivery, int64_t now_ms, struct err *err);

/* Has the launcher start the program, the message as it was received as its input. */
__attribute__((warn_unused_result)) int on_dead_launch(const struct attempt_context *context, struct attempt *attempt,
                                                       struct err *err);

/* Writes down a run that is over, and whether there is to be another one. -1: nothing is written; try again. */
__attribute__((warn_unused_result)) int on_dead_record(const struct attempt_context *context, struct attempt *attempt,
                                                       int64_t now_ms, struct err *err);
/* The rest: a line in the log. */
void on_dead_follow_up(const struct attempt *attempt);

#endif
