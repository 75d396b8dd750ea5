/*
 * Puts files into a folder without ever overwriting one, following a link out of it, or leaving half a file behind.
 *
 *     deposit_open(&deposit, "/srv/reports", &err);
 *     deposit_save(&deposit, span_text("report.pdf"), contents, &name, &err);      which may be report-2.pdf
 *     deposit_close(&deposit);
 *
 * A file is written without a name (or, where the file system has no such files, under a hidden one), flushed, and
 * gets its name when it is whole. A file that is there already under the wanted name, or one of its numbered ones,
 * with the same contents counts as saved: so what is done again leaves no doubles.
 */
#ifndef PROCESSOR_DEPOSIT_H
#define PROCESSOR_DEPOSIT_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "processor/filename.h"

struct deposit {
    const char *path; /* the caller's, for messages */
    int folder;
};

/* The folder must exist; a link to one will do. Permanent: there is none. */
__attribute__((warn_unused_result)) int deposit_open(struct deposit *deposit, const char *path, struct err *err);
void deposit_close(struct deposit *deposit);

/*
 * Saves `contents` under `wanted`, a safe name (processor/filename.h), or the first "wanted-2", "wanted-3"... that is
 * free, flushed to the disk with its name. Puts the name into the empty buffer `name`, of FILENAME_SIZE. Gives 1 when
 * it was saved, 0 when it was there already, -1 for an error: temporary when the disk is full or the like.
 */
__attribute__((warn_unused_result)) int deposit_save(const struct deposit *deposit, struct span wanted,
                                                     struct span contents, struct buf *name, struct err *err);

#endif
