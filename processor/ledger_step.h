/* Small steps that the ledger's files share, all within a transaction of the caller's. */
#ifndef PROCESSOR_LEDGER_STEP_H
#define PROCESSOR_LEDGER_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/index.h"

/* Runs a statement whose parameters are a message's ID, where `id` is given, and a time. */
__attribute__((warn_unused_result)) int ledger_touch(struct index *index, enum statement statement, const char *id,
                                                     int64_t now_ms, struct err *err);

/* Ends the caller's transaction, by its result so far. */
__attribute__((warn_unused_result)) int ledger_finish(struct index *index, int status, struct err *err);

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
