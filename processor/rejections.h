/*
 * The rejections that receivers have written into their journal (common/rejection.h), brought into the index. The
 * journal's coming into being wakes the processor, which then waits a moment for more: however many clients are
 * refused, it wakes once a second, and where none is it sleeps.
 *
 *     rejections_open(&rejections, &index)             behind index_open()
 *     poll(rejections.watch, until rejections.due_ms)
 *     rejections_wake(&rejections, now_ms)             the watch is readable
 *     rejections_continue(&rejections, now_ms)         once a turn: one transaction at most
 *     rejections_close(&rejections)
 *
 * Each line gets the next free ID. From which ID the lines of a journal are counted is written behind them before the
 * first of them is brought in, so that one that a crash interrupts gives each of its rejections once all the same.
 */
#ifndef PROCESSOR_REJECTIONS_H
#define PROCESSOR_REJECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/index.h"
#include "common/rejection.h"

enum {
    REJECTIONS_KEPT = 100000,    /* rows of the table */
    REJECTIONS_BATCH = 1000,     /* lines in one transaction */
    REJECTIONS_DELAY_MS = 1000,  /* for more to come */
    REJECTIONS_PAUSE_MS = 10000, /* after trouble */
};

struct rejections {
    struct index *index; /* borrowed, and its path */
    struct rejection_paths paths;
    int watch;       /* inotify, or -1 */
    int64_t due_ms;  /* wall clock; INT64_MAX: never */
    bool in_trouble; /* and it was said in the log */

    /* The journal in hand. */
    int file;         /* or -1 */
    int64_t next_id;  /* of the next good line */
    int64_t at, end;  /* bytes: what is done, and where the lines end */
    uint64_t damaged; /* lines that are none */
};

/* Due at once, for what was left; the log says so when nothing can be heard of new ones. */
void rejections_open(struct rejections *rejections, struct index *index);
void rejections_wake(struct rejections *rejections, int64_t now_ms);
/* The clock was set back: what is waited for is waited for no longer. */
void rejections_hurry(struct rejections *rejections);
/* Trouble goes to the log, once, and is tried again later. Nothing else depends on it. */
void rejections_continue(struct rejections *rejections, int64_t now_ms);
void rejections_close(struct rejections *rejections); /* harmless for one with `watch` and `file` -1 */

#endif
