/*
 * How a connection waits for a lock of the index that another process holds. Nearly all of them are held for less
 * than half a millisecond, and SQLite's own way would never look again before a whole one has passed.
 *
 *     index_wait_at_most(db, INDEX_BUSY_MS)
 */
#ifndef COMMON_INDEX_BUSY_H
#define COMMON_INDEX_BUSY_H

#include <sqlite3.h>

/* From now on locks are waited for so many milliseconds, 0: not at all. An SQLite status. */
__attribute__((warn_unused_result)) int index_wait_at_most(sqlite3 *db, int total_ms);

/* Microseconds of the pause before the lock is looked at for the `count`th time again, counted from 0; 0: it has been
 * waited for long enough. */
int index_busy_pause_us(int count, int total_ms);

#endif
