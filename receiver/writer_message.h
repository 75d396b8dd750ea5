/*
 * The beginning of a message, in the writer: the envelope that a session sent, held against the rules once more, and
 * the file with its trace block. Not for others than the writer's files.
 */
#ifndef RECEIVER_WRITER_MESSAGE_H
#define RECEIVER_WRITER_MESSAGE_H

#include "common/frame.h"
#include "receiver/writer_session.h"

/* Reads a WIRE_BEGIN. An error of kind protocol means that the session broke the rules. */
__attribute__((warn_unused_result)) int writer_message_read(const struct writer *writer,
                                                            struct writer_session *session,
                                                            struct frame_reader *frame, struct err *err);

/*
 * Makes the file and writes the trace block. Refuses (number ENOSPC) a message that would take the room which the
 * configuration reserves, counting what other clients have declared. With -1 there may be a file to be discarded: the
 * state tells.
 */
__attribute__((warn_unused_result)) int writer_message_start(struct writer *writer, struct writer_session *session,
                                                             struct err *err);

/* Forgets the message, whose file stays; writer_message_discard removes that, too. Harmless without a message. */
void writer_message_forget(struct writer *writer, struct writer_session *session);
void writer_message_discard(struct writer *writer, struct writer_session *session);

#endif
