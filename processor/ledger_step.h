/* Small steps that the ledger's files share, all within a transaction of the caller's. */
#ifndef PROCESSOR_LEDGER_STEP_H
#define PROCESSOR_LEDGER_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/index.h"
#include "processor/ledger.h"

/* Runs a statement whose parameters are a message's ID, where `id` is given, and a time. */
__attribute__((warn_unused_result)) int ledger_touch(struct index *index, enum statement statement, const char *id,
                                                     int64_t now_ms, struct err *err);

/* Starts a query whose parameters begin with a route and a handler. */
__attribute__((warn_unused_result)) int ledger_start_of_handler(struct query *query, struct index *index,
                                                                enum statement statement, const char *route,
                                                                const char *handler, struct err *err);

/* The delivery that such a query, which goes on with a time, gives first: 1 found, 0 none, -1 error. */
__attribute__((warn_unused_result)) int ledger_find_of_handler(struct index *index, enum statement statement,
                                                               const char *route, const char *handler, int64_t now_ms,
                                                               int64_t *id, struct err *err);

/* Writes down an attempt that begins. */
__attribute__((warn_unused_result)) int ledger_add_attempt(struct index *index, int64_t delivery, int64_t number,
                                                           int64_t now_ms, struct err *err);

/* One delivery to running, with its attempt of this number, or 1 where it does not wait any more; and from there to
 * its end, as in ledger_end(). */
__attribute__((warn_unused_result)) int ledger_start_one(struct index *index, int64_t id, int64_t number,
                                                         int64_t now_ms, struct err *err);
__attribute__((warn_unused_result)) int ledger_end_one(struct index *index, const struct delivery *delivery,
                                                       const struct ledger_end *end, int64_t now_ms, struct err *err);

/* Writes down the end of a delivery's attempt, or run of an on-dead program, of this number: the statement says
 * which. */
__attribute__((warn_unused_result)) int ledger_end_run(struct index *index, enum statement statement,
                                                       int64_t delivery, int64_t number, const struct ledger_end *end,
                                                       int64_t now_ms, struct err *err);

/* Ends those that shared the leader's run. */
__attribute__((warn_unused_result)) int ledger_group_end(struct index *index, const struct delivery *leader,
                                                         const struct ledger_end *end, int64_t now_ms,
                                                         struct err *err);

/* Takes note of what a run says of its handler. */
__attribute__((warn_unused_result)) int ledger_handler_ran(struct index *index, const struct delivery *delivery,
                                                           struct ledger_run *run, const char *detail, int64_t now_ms,
                                                           struct err *err);

/* Ends the caller's transaction, by its result so far. */
__attribute__((warn_unused_result)) int ledger_finish(struct index *index, int status, struct err *err);

/*
 * In the processor's loop, between two turns: commits what was gathered, which is one transaction of the caller's,
 * ended with that status. -1, and of its own error, when that was not 0, or not made; 1: it could not be flushed.
 */
__attribute__((warn_unused_result)) int ledger_settle(struct index *index, int status, struct err *err);

/* Deliveries of one recipient by one route, to be queued. */
struct ledger_addition {
    const char *message_id;
    int64_t recipient;
    const struct config_route *route;
    int64_t now_ms;
    bool replay;
};

/* Queues the one to the route's handler number `i`: due at once, or when the one before it is done. */
__attribute__((warn_unused_result)) int ledger_add_delivery(struct index *index, const struct ledger_addition *what,
                                                            size_t i, bool is_due, struct err *err);

#endif
