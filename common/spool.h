/*
 * The spool: a Maildir whose files are messages, each opened by its trace block. The file is the truth; the index is
 * made from it.
 *
 *     spool_open(&spool, path, true, &err);
 *     fd = spool_create(&spool, id, &err);          tmp/ID, append only
 *     write(fd, ...);
 *     spool_commit(&spool, id, fd, &err);           new/ID: from here on the message is ours
 *     ...
 *     spool_finish(&spool, id, 'S', &err);          cur/ID:2,S
 *     spool_close(&spool);
 *
 * Everything is done relative to three folder descriptors, so that a path changed under us changes nothing.
 * Source: maildir(5) of qmail.
 */
#ifndef COMMON_SPOOL_H
#define COMMON_SPOOL_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/id.h"

enum {
    SPOOL_NAME_SIZE = 64,            /* of a file within a folder: ID, ":2," and flags */
    SPOOL_TMP_MS = 36 * 3600 * 1000, /* as of old: maildir(5) */
};

struct spool {
    const char *path;        /* borrowed */
    int root, tmp, new, cur; /* cur: -1 for the receiver */
    bool is_open;
};

enum spool_access {
    SPOOL_RECEIVER,  /* makes folders that are missing, and has no need of those in which messages end */
    SPOOL_PROCESSOR, /* makes them too, and opens all */
    SPOOL_READER,    /* opens all; they must be there */
};

/* Opens the folders. Those made get mode 0770, the last part of `path` included. */
__attribute__((warn_unused_result)) int spool_open(struct spool *spool, const char *path, enum spool_access access,
                                                   struct err *err);
void spool_close(struct spool *spool);

/* Makes tmp/ID (mode 0640) and gives a descriptor that only appends; the caller closes it. -1 on failure. */
__attribute__((warn_unused_result)) int spool_create(const struct spool *spool, const char *id, struct err *err);

/*
 * Makes what was written durable and moves it to new/: fsync of the file, rename, fsync of the folder. When it
 * returns 0 the message will survive a power cut. A file of that name already in new/ is never replaced.
 */
__attribute__((warn_unused_result)) int spool_commit(const struct spool *spool, const char *id, int fd,
                                                     struct err *err);

/*
 * The two halves of it, for whoever commits several messages at once: each file is settled (flushed, and moved to
 * new/), then one spool_flush_new makes all their names durable. Both may be called by several threads.
 */
__attribute__((warn_unused_result)) int spool_settle(const struct spool *spool, const char *id, int fd,
                                                     struct err *err);
__attribute__((warn_unused_result)) int spool_flush_new(const struct spool *spool, struct err *err);

/* Bytes that can still be written by whoever is not root. */
__attribute__((warn_unused_result)) int spool_free_bytes(const struct spool *spool, uint64_t *bytes, struct err *err);

/* Removes tmp/ID; nothing there is fine. */
void spool_discard(const struct spool *spool, const char *id);

/*
 * Removes files in tmp/ that nobody has written to for SPOOL_TMP_MS: a session that would still finish one is long
 * over. Gives how many; -1: some could not be.
 */
__attribute__((warn_unused_result)) int spool_clear_tmp(const struct spool *spool, int64_t now_ms, struct err *err);

/* Where a message lies. */
struct spool_place {
    int folder;                 /* spool.new or spool.cur */
    char name[SPOOL_NAME_SIZE]; /* within it; cur/ names carry flags */
};

/* Finds a message's file in new/ or cur/, whatever its flags. 1 found, 0 not there, -1 error. */
__attribute__((warn_unused_result)) int spool_find(const struct spool *spool, const char *id,
                                                   struct spool_place *place, struct err *err);

/*
 * The same for `count` messages at once: however many have flags that we never gave, cur/ is read but once. The name
 * of a place is empty where there is no file.
 */
__attribute__((warn_unused_result)) int spool_find_all(const struct spool *spool, char (*ids)[ID_SIZE], size_t count,
                                                       struct spool_place *places, struct err *err);

/* Removes a file that was found. 1: it is gone; 0: there is none of that name (any more); -1: error. Not durable by
 * itself: spool_flush_removed. */
__attribute__((warn_unused_result)) int spool_remove(const struct spool *spool, const struct spool_place *place,
                                                     struct err *err);
/* Makes removals durable. */
__attribute__((warn_unused_result)) int spool_flush_removed(const struct spool *spool, struct err *err);

/* Opens a message for reading, wherever it lies. -1 when missing (permanent) or unreadable. */
__attribute__((warn_unused_result)) int spool_open_message(const struct spool *spool, const char *id,
                                                           struct err *err);

/* Moves a message to cur/ with one flag ('S', 'F', or 0 for none), durably. Already there with that flag is fine. */
__attribute__((warn_unused_result)) int spool_finish(const struct spool *spool, const char *id, char flag,
                                                     struct err *err);

/*
 * The two halves of it, for several messages at once: each is put away, then one spool_flush_cur makes all their new
 * places durable.
 */
__attribute__((warn_unused_result)) int spool_put_away(const struct spool *spool, const char *id, char flag,
                                                       struct err *err);
__attribute__((warn_unused_result)) int spool_flush_cur(const struct spool *spool, struct err *err);

/*
 * A walk through the files in new/ (hidden ones left out), in no order, as slowly as one likes:
 *
 *     struct spool_walk walk = {0};
 *     spool_walk_start(&walk, &spool, &err);      also starts anew
 *     while ((name = spool_walk_next(&walk)) != NULL)   NULL with errno 0 is the end
 *         ...
 *     spool_walk_end(&walk);                      harmless when it has ended
 */
struct spool_walk {
    DIR *folder;
};
__attribute__((warn_unused_result)) int spool_walk_start(struct spool_walk *walk, const struct spool *spool,
                                                         struct err *err);
const char *spool_walk_next(struct spool_walk *walk);
void spool_walk_end(struct spool_walk *walk);

/*
 * Calls `visit` with the name of each file in new/ (hidden ones left out), in no order. A visit that returns -1 ends
 * the walk, which then returns -1.
 */
typedef int spool_visit(void *context, const char *name, struct err *err);
__attribute__((warn_unused_result)) int spool_each_new(const struct spool *spool, spool_visit *visit, void *context,
                                                       struct err *err);

/* Wakes the processor if it runs: it watches new/, and a touch of the folder is an event. */
__attribute__((warn_unused_result)) int spool_wake(const struct spool *spool, struct err *err);

#endif
