/*
 * The headers of a message that mailmill wants, read from its block of headers and no more of the file. How their
 * values are brought to UTF-8 is the caller's affair: plainly (processor/headers/plain.h), or with all that GMime
 * knows (processor/mime/headers.h).
 *
 *     block_read(fd, plain_value, NULL, &headers, &err);
 */
#ifndef PROCESSOR_HEADERS_BLOCK_H
#define PROCESSOR_HEADERS_BLOCK_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "processor/message.h"

/* How a header's value is to be read. */
enum reading {
    READ_TEXT,      /* encoded words (RFC 2047) anywhere */
    READ_ADDRESSES, /* encoded words in names, which are quoted again where they need it */
    READ_RAW,       /* no encoded words */
};

/* Writes the value as struct message_headers keeps it, with a NUL. False: it can't be read this way. */
typedef bool block_value(void *context, enum reading reading, struct span value, char kept[static MESSAGE_TEXT_SIZE]);

/*
 * Reads from the beginning of the file `fd`, wherever its position is, and leaves that alone: a handler may share it.
 * Of headers with the same name the first counts; for no_reply each does. A line that is no header ends the headers,
 * as with Postfix. 1: done; 0: a value could not be read this way; -1: reading failed (temporary). The headers must
 * come zeroed.
 */
__attribute__((warn_unused_result)) int block_read(int fd, block_value *value, void *context,
                                                   struct message_headers *headers, struct err *err);

#endif
