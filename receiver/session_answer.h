/*
 * The session's wait for what the writer answers (receiver/wire.h) to a request about a message.
 *
 *     failure = session_answer_hear(writer, WIRE_READY, &fd, NULL, &gone);
 */
#ifndef RECEIVER_SESSION_ANSWER_H
#define RECEIVER_SESSION_ANSWER_H

#include <stdbool.h>

#include "common/id.h"
#include "receiver/reply.h"
#include "receiver/wire.h"

/*
 * Waits for the answer of the wanted type; the descriptor, the caller's then, or the ID that comes with it is put
 * where asked (NULL: not asked). Any other answer is a failure. `gone` is set when the writer is.
 */
enum reply_failure session_answer_hear(int writer, enum wire_answer wanted, int *fd, char *id, bool *gone);

#endif
