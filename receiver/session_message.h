/*
 * A session's message on its way: what is asked of the writer (receiver/wire.h), and the file that it lends for the
 * body.
 *
 *     struct session_message message = {.writer = writer, .file = -1};
 *     failure = session_message_open(&message, &smtp, frame)     at SMTP_OPEN
 *     failure = session_message_append(&message, body)           at SMTP_BODY
 *     failure = session_message_commit(&message, id)             at SMTP_COMMIT
 *     session_message_discard(&message)                          at SMTP_ABORT and SMTP_WITHDRAWN
 *     if (message.is_orphaned) ...
 *
 * A writer that is gone is a temporary failure, and marks the message as an orphan for good.
 */
#ifndef RECEIVER_SESSION_MESSAGE_H
#define RECEIVER_SESSION_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"
#include "receiver/reply.h"
#include "receiver/smtp.h"

struct session_message {
    int writer;
    int file;         /* -1: none is being received */
    uint64_t written; /* bytes of its body */
    bool is_orphaned; /* the writer is gone */
};

/* Asks for a file for the envelope in `smtp`. `frame`: storage for WIRE_FRAME_MAX bytes. */
enum reply_failure session_message_open(struct session_message *message, const struct smtp *smtp, struct buf frame);

enum reply_failure session_message_append(struct session_message *message, struct span body);

/* Has it made durable. The ID is empty when that failed. */
enum reply_failure session_message_commit(struct session_message *message, char id[static ID_SIZE]);

void session_message_discard(struct session_message *message);

#endif
