/*
 * The ledger's side of handlers: what waits for them, how their runs went, and their pauses, which are in the index
 * so that they outlive the processor.
 */
#ifndef PROCESSOR_LEDGER_HANDLER_H
#define PROCESSOR_LEDGER_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/config.h"
#include "common/index.h"
#include "processor/breaker.h"
#include "processor/ledger.h"

/* ---- what waits ---- */

/* When deliveries of a handler are due; both INT64_MAX: none waits. */
struct ledger_due {
    int64_t oldest_ms; /* the oldest of them */
    int64_t first_ms;  /* the first to be due */
};

/* A handler for which something waits. */
struct ledger_waiting {
    struct span route, handler; /* borrowed for the call */
    struct ledger_due due;
    struct breaker breaker;
};

typedef void ledger_waiting_visit(void *context, const struct ledger_waiting *waiting);

/* Calls `visit` for each handler for which a delivery waits, configured or not. */
__attribute__((warn_unused_result)) int ledger_each_waiting(struct index *index, ledger_waiting_visit *visit,
                                                            void *context, struct err *err);
/* The same of one handler. */
__attribute__((warn_unused_result)) int ledger_waits(struct index *index, const char *route, const char *handler,
                                                     struct ledger_due *due, struct err *err);

/* The due one that has been tried least, for a handler that is to show whether it works: 1 found, 0 none, -1 error.
 */
__attribute__((warn_unused_result)) int ledger_probe(struct index *index, const char *route, const char *handler,
                                                     int64_t now_ms, int64_t *id, struct err *err);

/*
 * Whether a delivery would go before a message that is older and is not queued yet, as it takes longer to read: 1
 * yes, 0 no, -1 error. One that can't be queued for LEDGER_OVERTAKE_MS is not waited for.
 */
enum { LEDGER_OVERTAKE_MS = 60 * 1000 };
__attribute__((warn_unused_result)) int ledger_overtakes(struct index *index, int64_t id, int64_t now_ms,
                                                         struct err *err);

/* ---- pauses ---- */

/* Whether a handler is not paused: 1 or 0; -1 error. */
__attribute__((warn_unused_result)) int ledger_handler_runs(struct index *index, const char *route,
                                                            const char *handler, struct err *err);

/*
 * The operator's word, within one transaction: pauses a handler for `reason`, or resumes it, whoever paused it. What
 * waits for a retry is due with that. Gives 1 when that changed anything, 0 when a handler to be resumed was not
 * paused.
 */
__attribute__((warn_unused_result)) int ledger_pause(struct index *index, const char *route, const char *handler,
                                                     const char *reason, int64_t now_ms, struct err *err);
__attribute__((warn_unused_result)) int ledger_resume(struct index *index, const char *route, const char *handler,
                                                      int64_t now_ms, struct err *err);

/* Takes over the pauses that another index has, `count` of them, within a transaction of the caller's. */
__attribute__((warn_unused_result)) int ledger_copy_pauses(struct index *index, struct index *from, size_t *count,
                                                           struct err *err);

#endif
