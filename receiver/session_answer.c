#include "receiver/session_answer.h"

#include <stddef.h>
#include <stdint.h>

#include "common/frame.h"

enum reply_failure session_answer_hear(int writer, enum wire_answer wanted, int *fd, char *id, bool *gone)
{
    char storage[WIRE_ANSWER_MAX];
    struct frame_reader answer;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    uint64_t failure;
    struct err err;

    if (frame_receive(writer, storage, sizeof storage, &answer, fds, &fd_count, &err) != 1) {
        *gone = true;
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
