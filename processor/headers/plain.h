/*
 * Headers that need no decoding: ASCII without encoded words, and addresses in their usual forms. That is most of
 * what programs send. What is read here reads as GMime would read it, character for character; whatever could be read
 * differently is left to it.
 *
 *     status = block_read(fd, plain_value, NULL, &headers, &err);      0: GMime is needed
 */
#ifndef PROCESSOR_HEADERS_PLAIN_H
#define PROCESSOR_HEADERS_PLAIN_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/sandbox.h"
#include "processor/headers/block.h"

/* A block_value; `context` is not used. */
bool plain_value(void *context, enum reading reading, struct span value, char kept[static MESSAGE_TEXT_SIZE]);

/* What a process may do that reads them: read a file that is open, and say what it found. */
extern const struct sandbox_profile plain_profile;

#endif
