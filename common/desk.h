/*
 * The desk: a socket beside the index, INDEX-desk, where the processor takes the IDs of messages that are safe in the
 * spool and gives them their rows (processor/clerk.h). It has the index open; to open it for one row costs a receiver
 * that serves a single connection more than all the rest of its work.
 *
 *     if (!desk_ask(config->index, id))
 *         ... index_open() and index_add_message(), as where no processor runs ...
 *
 * A request is an ID, of ID_LENGTH bytes. The answer is DESK_DONE, when the row is committed; whatever else is the
 * end of the connection, and no word of it. Nothing depends on an answer: a row that is put twice is there once.
 */
#ifndef COMMON_DESK_H
#define COMMON_DESK_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/id.h"

enum {
    DESK_DONE = '+',
    DESK_WAIT_MS = 1000, /* for an answer; then whoever asked does it */
};

/* Where the desk of an index is. Gives false when the path is too long for a socket: such an index has none. */
bool desk_address(struct sockaddr_un *address, const char *index);

/* Gives true when the message has its row. False, most often at once, when nobody is there who could say so. */
bool desk_ask(const char *index, const char id[static ID_SIZE]);

#endif
