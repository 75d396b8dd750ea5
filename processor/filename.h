/*
 * Names for files that a message proposes, made safe to write to a folder: one component, no hidden file, no option,
 * nothing that a terminal or another system would stumble over, and short enough to get a number. Pure.
 *
 *     char storage[FILENAME_SIZE];
 *     struct buf name = buf_over(storage, sizeof storage);
 *     if (!filename_make_safe(span_text(proposed), &name))
 *         filename_make_up(number, type, &name);
 *     filename_number(&name, 2, &numbered)        name-2.pdf
 */
#ifndef PROCESSOR_FILENAME_H
#define PROCESSOR_FILENAME_H

#include <stdbool.h>

#include "common/buf.h"

enum {
    FILENAME_MAX_BYTES = 180, /* of a safe name; a file system takes 255, a number needs some of them */
    FILENAME_SIZE = 256,
};

/*
 * Adds the safe form of what was proposed to the empty buffer `name`, of FILENAME_SIZE: behind the last slash or
 * backslash; control characters and marks of direction dropped; what is no UTF-8, and :*?"<>| replaced by "_"; no
 * dots, spaces or hyphens in front, no dots or spaces at the end; too long a name cut between two characters, its
 * extension kept. False: nothing is left of it.
 */
bool filename_make_safe(struct span proposed, struct buf *name);

/* Adds "part-NUMBER.EXT" to the empty buffer, by the content type, "bin" where it says nothing. */
void filename_make_up(unsigned number, struct span content_type, struct buf *name);

/* Adds the name with "-NUMBER" before its extension to the empty buffer, of FILENAME_SIZE. */
void filename_number(struct span name, unsigned number, struct buf *numbered);

#endif
