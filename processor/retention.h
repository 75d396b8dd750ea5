/*
 * Retention: what has ended goes when its time is over, files first and rows much later, a bounded share of it at a
 * time. What is pending, or could still be needed, never goes. It also files away what the operator has called off,
 * and clears tmp/ once a day.
 *
 *     retention_disturb(&retention);           something has ended: there may be more than keep-size
 *     retention_wake(&retention);              the operator or a new configuration has changed something
 *     retention_hurry(&retention);             the clock was set back
 *     retention_continue(&retention, now);     after every turn of the loop, in transactions of its own
 *     sleep until retention.next_ms
 *
 * The order of removal: the files of a batch are found; in one transaction each message is asked for again, its file
 * is removed, the folder flushed, and its row marked. A crash in between leaves rows without files, which the next
 * batch finds missing and marks; never a marked row with a file, which nobody would remove any more. So does a power
 * cut: the marks are not flushed. Others that write to the index wait for as long as a batch takes to be removed, and
 * no longer.
 */
#ifndef PROCESSOR_RETENTION_H
#define PROCESSOR_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/id.h"
#include "common/index.h"
#include "common/spool.h"
#include "processor/filing.h"

enum {
    RETENTION_BATCH = 100,              /* files, or rows of messages, at a time */
    RETENTION_PAUSE_MS = 200,           /* between two batches: the other nine tenths of the time are not ours */
    RETENTION_LOOK_MS = 60 * 1000,      /* between two looks for what is too much, while mail ends */
    RETENTION_TROUBLE_MS = 600 * 1000,  /* after something could not be removed */
    RETENTION_DAY_MS = 24 * 3600 * 1000 /* between two clearings of tmp/ */
};

struct retention {
    const struct config *config;
    struct index *index;
    const struct spool *spool;
    struct filing *filing;

    int64_t next_ms;     /* wall clock: when there is something to do; INT64_MAX: never */
    int64_t looked_ms;   /* the last look */
    int64_t day_ms;      /* when tmp/ is to be cleared again; 0: at once */
    bool is_filing;      /* messages may have ended without being filed away */
    char filed[ID_SIZE]; /* those up to this one have been looked at */
};

void retention_disturb(struct retention *retention);
void retention_wake(struct retention *retention);
void retention_hurry(struct retention *retention);
void retention_continue(struct retention *retention, int64_t now_ms);

/*
 * One batch at once, for `mailmill prune`, also while a processor does the same: each asks again within its
 * transaction, and takes what is gone for done. Nothing is filed away unless retention_wake asked for it. 1: there
 * may be more; 0: there is nothing; -1: error.
 */
__attribute__((warn_unused_result)) int retention_step(struct retention *retention, int64_t now_ms, struct err *err);

#endif
