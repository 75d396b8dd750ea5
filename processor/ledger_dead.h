/* What the ledger has on deliveries that are dead, and on the programs that are to be told (processor/on_dead.h). */
#ifndef PROCESSOR_LEDGER_DEAD_H
#define PROCESSOR_LEDGER_DEAD_H

#include <stdint.h>

#include "common/index.h"
#include "processor/ledger.h"

/* Whether there is anything to be told of: 1 yes, 0 no, -1 error. */
__attribute__((warn_unused_result)) int ledger_dead_waits(struct index *index, struct err *err);
/* The one of a handler of which its program is to be told first: 1 found, 0 none, -1 error. */
__attribute__((warn_unused_result)) int ledger_dead_due(struct index *index, const char *route, const char *handler,
                                                        int64_t now_ms, int64_t *id, struct err *err);
/* When that is, INT64_MAX for never. */
__attribute__((warn_unused_result)) int ledger_dead_next_due(struct index *index, const char *route,
                                                             const char *handler, int64_t *due_ms, struct err *err);

/* A run for a delivery that died. */
struct ledger_death {
    int64_t died_ms;
    int64_t run;   /* its number, from 1 */
    int64_t tries; /* runs since then, with this one */
    char reason[ERR_TEXT_SIZE];
};

/* A run begins, and nothing is due any more. `death` is filled. 1: the operator has acted since it was found, and
 * nothing is changed. */
__attribute__((warn_unused_result)) int ledger_dead_start(struct index *index, int64_t delivery, int64_t now_ms,
                                                          struct ledger_death *death, struct err *err);

/* How it ended: done, dead (given up), or retry at end->due_ms, unless the delivery is dead no more. */
__attribute__((warn_unused_result)) int ledger_dead_end(struct index *index, int64_t delivery,
                                                        const struct ledger_death *death,
                                                        const struct ledger_end *end, int64_t now_ms,
                                                        struct err *err);

#endif
