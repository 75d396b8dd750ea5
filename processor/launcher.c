#include "processor/launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int launcher_start(struct launcher *launcher, const struct config *config, struct err *err)
{
    int ends[2];
    pid_t child;

    if (frame_pair(ends, err) != 0)
        return -1;
    child = fork();
    if (child < 0)
        return err_system(err, "fork");
    if (child == 0) {
        (void)close(ends[0]);
        _exit(launcher_serve(ends[1], config));
    }
    (void)close(ends[1]);
    *launcher = (struct launcher){.socket = ends[0], .pid = child};
    return 0;
}

void launcher_end(struct launcher *launcher)
{
    (void)close(launcher->socket);
    while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *launcher = (struct launcher){.socket = -1};
}

int launcher_run(const struct launcher *launcher, uint64_t run, uint64_t handler,
                 const struct environment *environment, const int fds[static 3], struct err *err)
{
    static char storage[LAUNCH_FRAME_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_START);
    frame_put_number(&frame, run);
    frame_put_number(&frame, handler);
    frame_put_text(&frame, buf_span(&environment->buf));
    return frame_send(launcher->socket, &frame, fds, 3, err);
}

int launcher_stop(const struct launcher *launcher, uint64_t run, struct err *err)
{
    char storage[32];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_STOP);
    frame_put_number(&frame, run);
    return frame_send(launcher->socket, &frame, NULL, 0, err);
}

int launcher_reload(const struct launcher *launcher, struct err *err)
{
    char storage[8];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_RELOAD);
    return frame_send(launcher->socket, &frame, NULL, 0, err);
}

int launcher_keep(const struct launcher *launcher, int lock, struct err *err)
{
    char storage[8];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_KEEP);
    return frame_send(launcher->socket, &frame, &lock, 1, err);
}

static int read_answer(struct launcher_answer *answer, struct frame_reader *frame, size_t fd_count, struct err *err)
{
    struct buf text = buf_over(answer->text, sizeof answer->text);

    answer->kind = (enum launch_answer)frame->type;
    if (answer->kind == LAUNCH_ENDED) {
        answer->run = frame_number(frame);
        answer->end = (enum run_end)frame_number(frame);
        answer->number = (int64_t)frame_number(frame);
    } else if (answer->kind == LAUNCH_REFUSED) {
        buf_put(&text, frame_text(frame, sizeof answer->text - 1));
    } else if (answer->kind != LAUNCH_RELOADED || fd_count != 1) {
        frame->bad = true;
    }
    if (frame_is_whole(frame) && answer->end < RUN_END_COUNT)
        return 0;
    return err_set(err, ERR_PROTOCOL, "the launcher sent a malformed answer");
}

int launcher_receive(const struct launcher *launcher, struct launcher_answer *answer, struct err *err)
{
    char storage[ERR_TEXT_SIZE + 64];
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct frame_reader frame;
    char peek;
    int status;

    /* The socket waits when it is full, so that no request is lost; an answer is only looked for. */
    if (recv(launcher->socket, &peek, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
        return 0;
    *answer = (struct launcher_answer){.config = -1};
    status = frame_receive(launcher->socket, storage, sizeof storage, &frame, fds, &fd_count, err);
    if (status == 0)
        return err_set(err, ERR_BUG, "the launcher has ended");
    if (status < 0)
        return -1;
    if (read_answer(answer, &frame, fd_count, err) != 0) {
        for (size_t i = 0; i < fd_count; i++)
            (void)close(fds[i]);
        return -1;
    }
    if (answer->kind == LAUNCH_RELOADED)
        answer->config = fds[0];
    return 1;
}

char *launcher_config_text(int fd, struct err *err)
{
    struct stat status;
    char *text = NULL;

    if (fstat(fd, &status) == 0)
        text = calloc(1, (size_t)status.st_size + 1);
    if (text != NULL && pread(fd, text, (size_t)status.st_size, 0) == status.st_size)
        return text;
    err_system(err, "reading the configuration");
    free(text);
    return NULL;
}
