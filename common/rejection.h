/*
 * Rejections on their way into the index. The receiver, for which a refused client must stay cheap, opens no database
 * for one: it adds a line to a journal, a file beside the index, from which the processor fills the table.
 *
 *     rejection_paths(&paths, config->index, &err)
 *     rejection_append(&paths, &rejection, &err)            the receiver's writer
 *
 *     rejection_take(&paths, &err)                          the processor: the journal, taken away from the others
 *     rejection_read(line, &rejection)                      each of its lines
 *     rejection_drop(&paths, fd, &err)                      all of it is in the index
 *
 * A line has a tag and six fields with tabs between them. It is written in one go behind those that are there, so
 * that lines of several processes do not mix; whatever a crash or a full disk cuts off or runs together is no line by
 * its tag or by the number of its fields. Nothing is flushed: a power cut may take the last seconds along.
 *
 * Who appends holds a shared lock, and makes sure under it that the file still has its name. Who takes the journal
 * renames it first and then wants the exclusive lock: with it, nobody writes there any more. Neither waits for a
 * lock, so that a process that was stopped, or taken over, holds up no other.
 */
#ifndef COMMON_REJECTION_H
#define COMMON_REJECTION_H

#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/envelope.h"
#include "common/err.h"

enum {
    REJECTION_REPLY_MAX = 512,                /* bytes */
    REJECTION_LINE_MAX = 2048,                /* bytes of a line, its end counted */
    REJECTION_JOURNAL_MAX = 16 * 1024 * 1024, /* bytes, give or take a line: what is kept without a processor */
    REJECTION_PATH_SIZE = 4096,
};

struct rejection {
    int64_t time_ms;
    struct span client; /* an address, or "local" */
    struct span helo;   /* these three may be empty */
    struct span sender;
    struct span recipient;
    struct span reply; /* the line that the client got */
};

struct rejection_paths {
    char journal[REJECTION_PATH_SIZE]; /* INDEX-rejections */
    char taken[REJECTION_PATH_SIZE];   /* INDEX-rejections-taken */
};

/* Fails (permanent) when the index's path is too long. */
__attribute__((warn_unused_result)) int rejection_paths(struct rejection_paths *paths, const char *index,
                                                        struct err *err);

/*
 * Adds the line. Control characters, and all that is not ASCII where a field is not UTF-8, become question marks;
 * what is too long for its field is cut.
 */
void rejection_write(const struct rejection *rejection, struct buf *line);
/* Reads a line without its end. The texts are borrowed from it. -1: it is none that rejection_write makes. */
__attribute__((warn_unused_result)) int rejection_read(struct span line, struct rejection *rejection);

/*
 * Adds a rejection to the journal, which is made if it is missing. 0: it is there, or the journal was full before.
 * -1: it could not be written, or the journal has become full with it, and nothing more is recorded (number EFBIG).
 */
__attribute__((warn_unused_result)) int rejection_append(const struct rejection_paths *paths,
                                                         const struct rejection *rejection, struct err *err);

/*
 * Takes the journal, or what was taken before and never dropped: gives a descriptor to read and write it by, the
 * caller's to close. -1 with kind none: there is nothing to take. -1 with number EAGAIN: somebody is still writing;
 * come again.
 */
__attribute__((warn_unused_result)) int rejection_take(const struct rejection_paths *paths, struct err *err);
/* Removes and closes what was taken. */
__attribute__((warn_unused_result)) int rejection_drop(const struct rejection_paths *paths, int fd, struct err *err);

#endif
