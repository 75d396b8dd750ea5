/*
 * Changing many messages: those whose IDs are given, or all that a filter lets pass. Those are changed in batches,
 * each a transaction of its own, so that neither the receiver nor the processor waits longer than for one of them.
 *
 *     struct bulk bulk = {.call = call, .step = step, .word = "queued"};
 *     bulk_read(&bulk, rows, row_count)     options into bulk.filter and bulk.change, operands into bulk.ids
 *     bulk_open(&bulk)                      configuration, index, spool
 *     return bulk_run(&bulk);
 */
#ifndef PROCESSOR_COMMAND_BULK_H
#define PROCESSOR_COMMAND_BULK_H

#include <stdbool.h>

#include "processor/command/filter.h"
#include "processor/ledger_change.h"

enum { BULK_BATCH = 200 /* messages in one transaction */ };

struct bulk;

/* Changes one message, within a transaction. Adds the number of its deliveries that were changed to `count`. */
typedef int bulk_step(struct bulk *bulk, const char *id, int *count, struct err *err);

struct bulk {
    struct command_call *call;
    bulk_step *step;
    const char *word; /* what becomes of deliveries: "queued" */
    bool is_waiting;  /* only messages that have not ended are looked at */
    struct ledger_change change;
    struct lookup_filter filter;
    char **ids; /* as typed */
    int id_count;
};

/*
 * Reads the command line. `own`, the one option that a command may have beside FILTER_ROWS, sets change.dry_run.
 * COMMAND_GO_ON, or an exit code: it must say what is to be changed, by IDs or by a filter, and not by both.
 */
int bulk_read(struct bulk *bulk, const struct option_row *rows, size_t row_count);

/* Opens what is needed; for a dry run, to read only. */
int bulk_open(struct bulk *bulk);

/* Changes it all, says how much that was, and wakes the processor. Gives the exit code. */
int bulk_run(struct bulk *bulk);

#endif
