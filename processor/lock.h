/*
 * The lock on a spool: two processors on one would run everything twice. It is a write lock (F_OFD_SETLK in fcntl(2))
 * on processor.lock, whose text says who took it. It is held as long as any process has the descriptor, so that the
 * launcher, which is given it, keeps the next processor out until the last handler of a killed one is gone.
 *
 *     fd = lock_take(spool.root, spool.path, &err);
 *     launcher_keep(&launcher, fd, &err);
 *     ...
 *     lock_release(fd);                              nothing runs any more; else close(fd)
 */
#ifndef PROCESSOR_LOCK_H
#define PROCESSOR_LOCK_H

#include "common/err.h"

enum { LOCK_WAIT_MS = 5000 }; /* for the launcher of a processor that is gone */

/*
 * Gives a descriptor that holds the lock; -1: another processor works there (permanent), or what a killed one started
 * does not end (temporary).
 */
__attribute__((warn_unused_result)) int lock_take(int folder, const char *path, struct err *err);

/* Gives the lock up for all who have the descriptor, and closes this one. */
void lock_release(int fd);

#endif
