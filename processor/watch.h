/*
 * The watch on new/: inotify(7) as a wake-up. What to do is decided by looking at the spool and the index; an event
 * only says when, and the name in it saves a search.
 */
#ifndef PROCESSOR_WATCH_H
#define PROCESSOR_WATCH_H

#include "common/err.h"
#include "common/spool.h"

struct watch {
    int fd; /* readable: watch_read() has something to say; -1: not open */
};

__attribute__((warn_unused_result)) int watch_open(struct watch *watch, const struct spool *spool, struct err *err);
void watch_close(struct watch *watch);

enum watch_event {
    WATCH_NONE,
    WATCH_FILE,   /* a file was moved in */
    WATCH_CLOSED, /* a file was written there, or the writer of one that was moved in is done with it */
    WATCH_WAKE,   /* the folder was touched: look into the index */
    WATCH_LOST,   /* events were lost: look through the folder */
    WATCH_GONE,   /* the folder is not in its place any more: nothing will be heard of it */
};

/* What a reading of the descriptor gave, taken event by event. */
struct watch_batch {
    char bytes[16 * 1024] __attribute__((aligned(8)));
    size_t size, at;
};

/* Fills the batch without waiting. */
__attribute__((warn_unused_result)) int watch_read(const struct watch *watch, struct watch_batch *batch,
                                                   struct err *err);
/* The next event in it; WATCH_NONE at its end. The name is borrowed from the batch. */
enum watch_event watch_next(struct watch_batch *batch, const char **name);

#endif
