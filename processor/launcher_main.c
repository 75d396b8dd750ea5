/*
 * The launcher's own process: its answers, its configuration and its loop, which wakes for a request, the end of a
 * child or a deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "processor/launchpad.h"
#include "processor/spawn.h"

/* ---- answers ---- */

/* The main half being gone shows at the next receive; here there is nobody left to tell. */
static void answer(struct launchpad *pad, const struct buf *frame, const int *fd)
{
    struct err err;

    if (frame_send(pad->socket, frame, fd, fd == NULL ? 0 : 1, &err) != 0)
        pad->ending = true;
}

void launchpad_answer_ended(struct launchpad *pad, uint64_t run, enum run_end end, int64_t number)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_ENDED);
    frame_put_number(&frame, run);
    frame_put_number(&frame, end);
    frame_put_number(&frame, (uint64_t)number);
    answer(pad, &frame, NULL);
}

static void answer_refused(struct launchpad *pad, const char *why)
{
    char storage[ERR_TEXT_SIZE + 32];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, LAUNCH_REFUSED);
    frame_put_text(&frame, span_text(why));
    answer(pad, &frame, NULL);
}

/* ---- the configuration, read anew ---- */

static int copy_bytes(int from, int copy, const char *path, struct err *err)
{
    char bytes[16384];
    size_t total = 0;
    ssize_t size;

    while ((size = read(from, bytes, sizeof bytes)) > 0) {
        ssize_t written;

        total += (size_t)size;
        if (total > LAUNCH_CONFIG_MAX)
            return err_set(err, ERR_PERMANENT, "%.160s is larger than %d bytes; make it smaller", path,
                           LAUNCH_CONFIG_MAX);
        written = write(copy, bytes, (size_t)size);
        if (written != size) {
            errno = written < 0 ? errno : ENOSPC;
            return err_system(err, "copying %s into memory", path);
        }
    }
    return size == 0 ? 0 : err_system(err, "reading %s", path);
}

/* A file in memory with the text, so that both halves go by the very same bytes. */
static int copy_to_memory(const char *path, struct err *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int copy;
    int result;

    if (from < 0)
        return err_system(err, "reading %s", path);
    copy = memfd_create("configuration", MFD_CLOEXEC);
    result = copy < 0 ? err_system(err, "making room for %s", path) : copy_bytes(from, copy, path, err);
    (void)close(from);
    if (result == 0)
        return copy;
    if (copy >= 0)
        (void)close(copy);
    return -1;
}

static int load_copy(struct config *config, int copy, const char *path, struct err *err)
{
    struct config_errors errors = {0};
    char *text = launcher_config_text(copy, err);
    int result;

    if (text == NULL)
        return -1;
    result = config_load_text(config, path, text, &errors);
    if (result != 0)
        err_set(err, ERR_PERMANENT, "%s", errors.list[0]);
    config_errors_free(&errors);
    free(text);
    return result;
}

static void on_reload(struct launchpad *pad)
{
    char storage[8];
    struct buf frame = buf_over(storage, sizeof storage);
    struct config config = {0};
    struct err err = {0};
    int copy = copy_to_memory(pad->config.path, &err);

    if (copy < 0 || load_copy(&config, copy, pad->config.path, &err) != 0) {
        answer_refused(pad, err.text);
    } else {
        config_free(&pad->config);
        pad->config = config;
        log_reopen(config.log_file);
        frame_start(&frame, LAUNCH_RELOADED);
        answer(pad, &frame, &copy);
    }
    if (copy >= 0)
        (void)close(copy);
}

/* ---- the loop ---- */

static void on_stop(struct launchpad *pad, struct frame_reader *frame)
{
    uint64_t number = frame_number(frame);

    for (size_t i = 0; i < pad->used; i++)
        if (pad->runs[i].stage == RUN_RUNS && pad->runs[i].number == number)
            launchpad_end(&pad->runs[i], RUN_STOPPED);
}

/* Takes over the first descriptor; any other is closed like those of other requests. */
static void on_keep(struct launchpad *pad, int *fds, size_t *fd_count)
{
    if (*fd_count != 1 || pad->lock >= 0)
        return;
    pad->lock = fds[0];
    *fd_count = 0;
}

static void on_request(struct launchpad *pad)
{
    static char storage[LAUNCH_FRAME_MAX];
    struct frame_reader frame;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;
    int status = frame_receive(pad->socket, storage, sizeof storage, &frame, fds, &fd_count, &err);

    if (status != 1) {
        pad->ending = true;
        return;
    }
    if (frame.type == LAUNCH_START)
        launchpad_start(pad, &frame, fds, fd_count);
    else if (frame.type == LAUNCH_STOP)
        on_stop(pad, &frame);
    else if (frame.type == LAUNCH_RELOAD)
        on_reload(pad);
    else if (frame.type == LAUNCH_KEEP)
        on_keep(pad, fds, &fd_count);
    for (size_t i = 0; i < fd_count; i++)
        (void)close(fds[i]);
}

/* Ends what is over its deadline; gives the milliseconds to the next one, or -1 for none. */
static int meet_deadlines(struct launchpad *pad)
{
    int64_t now = clock_monotonic_ms();
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < pad->used; i++) {
        struct run *run = &pad->runs[i];

        if (run->stage != RUN_RUNS)
            continue;
        if (pad->ending)
            launchpad_kill(run);
        else if (run->deadline_ms <= now)
            launchpad_end(run, RUN_TIMED_OUT);
        if (run->deadline_ms < next)
            next = run->deadline_ms;
    }
    if (next == INT64_MAX)
        return -1;
    return next - now > INT32_MAX ? INT32_MAX : (int)(next > now ? next - now : 0);
}

static bool has_runs(const struct launchpad *pad)
{
    for (size_t i = 0; i < pad->used; i++)
        if (pad->runs[i].stage != RUN_FREE)
            return true;
    return false;
}

static void turn(struct launchpad *pad)
{
    struct pollfd fds[] = {{.fd = pad->signals, .events = POLLIN}, {.fd = pad->socket, .events = POLLIN}};
    struct signalfd_siginfo signal;

    /* A socket without another end would be ready for ever. */
    if (poll(fds, pad->ending ? 1 : 2, meet_deadlines(pad)) < 0)
        return;
    if ((fds[0].revents & POLLIN) != 0)
        while (read(pad->signals, &signal, sizeof signal) > 0)
            continue;
    if (!pad->ending && fds[1].revents != 0)
        on_request(pad);
    launchpad_reap(pad);
    launchpad_clear(pad);
}

/*
 * Only SIGCHLD means anything here. What a terminal or a service manager sends to the whole group is the main half's
 * to act on: it stops the runs in order, and its end is ours. All are blocked, so that none needs to be ignored.
 */
static int take_signals(struct launchpad *pad)
{
    sigset_t blocked;
    sigset_t children;

    sigfillset(&blocked);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) != 0)
        return -1;
    spawn_ignore_none();
    pad->signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    return pad->signals < 0 ? -1 : prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int launcher_serve(int socket, const struct config *config)
{
    static struct launchpad pad;

    pad.socket = socket;
    pad.lock = -1;
    pad.config = *config; /* a copy of the fork's own; the main half frees its own */
    pad.is_root = geteuid() == 0;
    if (take_signals(&pad) != 0) {
        log_say(LOG_CRIT, "launcher: %s", strerror(errno));
        return EX_OSERR;
    }
    while (!pad.ending || has_runs(&pad))
        turn(&pad);
    workdir_drop_spares(&pad.spares);
    return EX_OK;
}
