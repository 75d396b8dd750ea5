/*
 * A new index from the spool alone, as after damage. What lies in new/ is left to be taken in by the processor, like
 * mail that has just come; what lies in cur/ has ended and is not run again: a delivery for each handler that its
 * recipients have by the configuration of today is noted as dead where the file is flagged F, else as done where it
 * is flagged S. Handlers that were paused stay so, if the old index can still be read. Attempts, their output, the
 * headers of what has ended, what was to be told of the dead, what copies are found by, what the metrics count, and
 * the history of messages whose files are gone stood in the old index only.
 *
 *     struct rebuild rebuild = {.config = &config, .spool = &spool};
 *     rebuild_index(&rebuild, &err);           beside the index, as index.db.rebuilt
 *     rebuild_put_in_place(&rebuild, &err);    in its place; the old one is kept, see rebuild.aside
 *     rebuild_drop(&rebuild);                  instead, when either failed
 *
 * The spool's lock is to be held meanwhile (processor/lock.h), so that no processor works on either.
 */
#ifndef PROCESSOR_REBUILD_H
#define PROCESSOR_REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/err.h"
#include "common/spool.h"

enum {
    REBUILD_PATH_SIZE = 4096,
    REBUILD_LOCK_MS = 5000, /* for those who have the old index open to be done with it */
};

struct rebuild {
    const struct config *config;
    const struct spool *spool;
    int64_t now_ms;
    /* Called after each file, where there is one, with all that were looked at so far, and all that there are. */
    void (*progress)(void *context, size_t files, size_t total);
    void *context;

    size_t waiting, done, dead, kept; /* messages */
    size_t paused;                    /* handlers */
    bool lost_pauses;                 /* the old index could not be asked for them; the log says why */
    size_t left;                      /* files that are no messages; the log has their names */
    char aside[REBUILD_PATH_SIZE];    /* where the old index is now; "" when there was none */
};

__attribute__((warn_unused_result)) int rebuild_index(struct rebuild *rebuild, struct err *err);
/* -1 (temporary): somebody has the old index open for long, and is named. Nothing has changed then. */
__attribute__((warn_unused_result)) int rebuild_put_in_place(struct rebuild *rebuild, struct err *err);
void rebuild_drop(const struct rebuild *rebuild);

#endif
