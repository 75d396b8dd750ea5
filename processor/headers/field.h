/*
 * The block of headers at the head of a message, and its fields as they are written there. No library, no decoding.
 *
 *     field_read_block(fd, block, &size, &err);
 *     rest = (struct span){block, size};
 *     while (field_next(&rest, &field))
 *         use field.name and field.value
 */
#ifndef PROCESSOR_HEADERS_FIELD_H
#define PROCESSOR_HEADERS_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum { FIELD_BLOCK_MAX = 1024 * 1024 }; /* bytes; headers beyond it are not looked at */

struct field {
    struct span name;
    struct span value; /* with its folds; not the line end */
    const char *start; /* of its first line */
    const char *end;   /* behind its last one and the end of it */
};

/*
 * Reads from the beginning of the file until an empty line was seen, at most FIELD_BLOCK_MAX bytes, and gives the
 * size of the headers among them, the empty line left out. The file's position is left alone.
 */
__attribute__((warn_unused_result)) int field_read_block(int fd, char block[static FIELD_BLOCK_MAX],
                                                         size_t *block_size, struct err *err);

/*
 * Takes a field with all its folds off the front of `rest`. False: the headers are over, or a line is no header. What
 * mailbox files leave in the midst of headers ("From ") is passed over.
 */
bool field_next(struct span *rest, struct field *field);

#endif
