/*
 * What the operator changes of deliveries: has them run again, or calls them off. A change is asked for of one
 * message after the other, and of those of its deliveries that are chosen:
 *
 *     struct ledger_change change = {.config = &config, .choice = {.state = "dead"}, .now_ms = now};
 *     ledger_replay(&index, &change, id, &queued, &err);      one message, in a transaction of its own
 *
 *     index_begin(&index, &err);                              or many in one
 *     ledger_replay_within(&index, &change, id, &queued, &err);
 *     ...
 *     index_commit(&index, &err);
 *
 * A message that is refused is left as it was, also within a transaction that goes on.
 */
#ifndef PROCESSOR_LEDGER_CHANGE_H
#define PROCESSOR_LEDGER_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/config.h"
#include "common/index.h"

/* Which of a message's deliveries; what is NULL lets everything pass. */
struct ledger_choice {
    const char *state, *route, *handler;
};

/* Is told of a delivery that is queued, or would be; `state` NULL: there is none yet. All of it is borrowed. */
typedef int ledger_visit(void *context, const char *id, const struct address *recipient, const char *route,
                         const char *handler, const char *state, struct err *err);

struct ledger_change {
    const struct config *config;
    struct ledger_choice choice;
    int64_t now_ms;
    bool dry_run;        /* replay: only visit */
    ledger_visit *visit; /* replay: NULL: nobody wants to know */
    void *context;
};

/*
 * Queues the chosen deliveries of a message anew, with the filters before them, whose output they need; without a
 * state, those of all handlers that its routes have by now. Refused (permanent) when the message is unknown or was
 * not taken in yet, when one of them runs, or when no route of the configuration has a handler for it. Whether there
 * still is a file is the caller's to see, within the transaction: retention removes files in one of its own. The
 * number is added to `queued`.
 */
__attribute__((warn_unused_result)) int ledger_replay(struct index *index, const struct ledger_change *change,
                                                      const char *id, int *queued, struct err *err);
__attribute__((warn_unused_result)) int ledger_replay_within(struct index *index, const struct ledger_change *change,
                                                             const char *id, int *queued, struct err *err);

/* Refuses (permanent) a message whose file was removed because its time was over; 0 for any other. */
__attribute__((warn_unused_result)) int ledger_refuse_gone(struct index *index, const char *id, struct err *err);

/*
 * Calls off the chosen deliveries of a message that wait; the handlers that wait for one of them are skipped. Refused
 * (permanent) when one of them runs, or when none waits. The number of those called off is added to `cancelled`.
 */
__attribute__((warn_unused_result)) int ledger_cancel_within(struct index *index, const struct ledger_change *change,
                                                             const char *id, int *cancelled, struct err *err);

#endif
