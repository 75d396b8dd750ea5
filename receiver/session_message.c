#include "receiver/session_message.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "common/frame.h"
#include "receiver/wire.h"

/* ---- the writer ---- */

/* Gives false when the writer is gone. */
static bool tell(struct session_message *message, const struct buf *frame)
{
    struct err err;

    if (frame_send(message->writer, frame, NULL, 0, &err) != 0)
        message->is_orphaned = true;
    return !message->is_orphaned;
}

/*
 * Waits for the answer of the wanted type; the descriptor, the caller's then, or the ID that comes with it is put
 * where asked (NULL: not asked). Any other answer is a failure.
 */
static enum reply_failure hear(struct session_message *message, enum wire_answer wanted, int *fd, char *id)
{
    char storage[WIRE_ANSWER_MAX];
    struct frame_reader answer;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    uint64_t failure;
    struct err err;

    if (frame_receive(message->writer, storage, sizeof storage, &answer, fds, &fd_count, &err) != 1) {
        message->is_orphaned = true;
        return FAILURE_TEMPORARY;
    }
    if (answer.type == wanted && fd != NULL && fd_count == 1)
        *fd = fds[0];
    if (answer.type == wanted && id != NULL) {
        struct span text = frame_text(&answer, ID_LENGTH);
        struct buf copy = buf_over(id, ID_SIZE);

        buf_put(&copy, text);
    }
    if (answer.type == wanted)
        return FAILURE_NONE;
    failure = frame_number(&answer);
    return failure > FAILURE_NONE && failure < FAILURE_COUNT ? (enum reply_failure)failure : FAILURE_TEMPORARY;
}

/* ---- the message ---- */

enum reply_failure session_message_open(struct session_message *message, const struct smtp *smtp, struct buf frame)
{
    frame_start(&frame, WIRE_BEGIN);
    frame_put_text(&frame, span_text(smtp_protocol(smtp)));
    frame_put_text(&frame, span_text(smtp->helo));
    frame_put_text(&frame, span_text(smtp->mail.sender.text));
    frame_put_text(&frame, buf_span(&smtp->recipients));
    frame_put_number(&frame, smtp->mail.size_bytes);
    message->written = 0;
    return tell(message, &frame) ? hear(message, WIRE_READY, &message->file, NULL) : FAILURE_TEMPORARY;
}

enum reply_failure session_message_append(struct session_message *message, struct span body)
{
    while (body.size > 0) {
        ssize_t written = write(message->file, body.data, body.size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return reply_failure_of(errno);
        message->written += (uint64_t)written;
        body = span_slice(body, (size_t)written, body.size);
    }
    return FAILURE_NONE;
}

static void close_file(struct session_message *message)
{
    if (message->file >= 0)
        (void)close(message->file); /* the writer's fsync is what tells whether the bytes are safe */
    message->file = -1;
}

enum reply_failure session_message_commit(struct session_message *message, char id[static ID_SIZE])
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    id[0] = '\0';
    close_file(message);
    frame_start(&frame, WIRE_COMMIT);
    frame_put_number(&frame, message->written);
    return tell(message, &frame) ? hear(message, WIRE_COMMITTED, NULL, id) : FAILURE_TEMPORARY;
}

void session_message_discard(struct session_message *message)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    close_file(message);
    frame_start(&frame, WIRE_DISCARD);
    (void)tell(message, &frame);
}
