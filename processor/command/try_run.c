#include "processor/command/try_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "processor/scratch.h"

int try_open(struct try *try, struct command_call *call, struct err *err)
{
    *try = (struct try){.call = call, .signals = -1, .launcher = {.socket = -1}};
    return launcher_start(&try->launcher, &call->config, err);
}

/* From the first run on they end that; before, they are as deadly as they always are. */
static int take_signals(struct try *try, struct err *err)
{
    sigset_t stops;

    if (try->signals >= 0)
        return 0;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &stops, NULL) == 0)
        try->signals = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
    return try->signals >= 0 ? 0 : err_system(err, "signalfd");
}

void try_close(struct try *try)
{
    if (try->launcher.socket >= 0)
        (void)close(try->launcher.socket);
    if (try->launcher.pid > 0)
        while (waitpid(try->launcher.pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    if (try->signals >= 0)
        (void)close(try->signals);
    *try = (struct try){.signals = -1, .launcher = {.socket = -1}};
}

/* A descriptor of its own for the same file, from its beginning and only to be read. */
static int open_again(int file, struct err *err)
{
    char path[40];
    int again;

    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    again = open(path, O_RDONLY | O_CLOEXEC);
    return again >= 0 ? again : err_system(err, "opening the message again");
}

/* ---- while it runs ---- */

/* Gives false when nothing was there. */
static bool drain(struct try *try, struct attempt *attempt, int *fd, struct err *err)
{
    struct span bytes;

    if (!attempt_read(attempt, fd, &bytes))
        return false;
    if (fd == &attempt->out && attempt->whole >= 0 && !attempt->is_too_much && attempt->save_errno == 0 &&
        !attempt_save(attempt, bytes, try->call->config.max_message_size))
        return launcher_stop(&try->launcher, attempt->number, err) == 0;
    return true;
}

/* Nothing of the run lives any more: what is in the pipe is all there will be, and no more than it holds. */
static void finish_pipe(struct try *try, struct attempt *attempt, int *fd, struct err *err)
{
    int left = *fd < 0 ? 0 : fcntl(*fd, F_GETPIPE_SZ);

    while (left > 0 && drain(try, attempt, fd, err))
        left -= ATTEMPT_READ_SIZE;
    attempt_close_fd(fd);
}

static int stop_if_told(struct try *try, struct try_run *run, struct err *err)
{
    struct signalfd_siginfo signal;

    if (read(try->signals, &signal, sizeof signal) != (ssize_t)sizeof signal)
        return 0;
    run->was_stopped = true;
    return launcher_stop(&try->launcher, run->attempt->number, err);
}

static int await(struct try *try, struct try_run *run, struct err *err)
{
    struct attempt *attempt = run->attempt;
    struct launcher_answer answer;
    int status;

    while ((status = launcher_receive(&try->launcher, &answer, err)) == 0) {
        struct pollfd fds[] = {{.fd = try->launcher.socket, .events = POLLIN},
                               {.fd = try->signals, .events = POLLIN},
                               {.fd = attempt->out, .events = POLLIN},
                               {.fd = attempt->errors, .events = POLLIN}};

        if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0 && errno != EINTR)
            return err_system(err, "poll");
        if (fds[1].revents != 0 && stop_if_told(try, run, err) != 0)
            return -1;
        if (fds[2].revents != 0)
            (void)drain(try, attempt, &attempt->out, err);
        if (fds[3].revents != 0)
            (void)drain(try, attempt, &attempt->errors, err);
    }
    if (status < 0)
        return -1;
    finish_pipe(try, attempt, &attempt->out, err);
    finish_pipe(try, attempt, &attempt->errors, err);
    attempt_take_end(attempt, answer.end, answer.number);
    attempt->outcome = outcome_of(attempt->end, attempt->end_number, attempt->exit_codes);
    return 0;
}

/* ---- one run ---- */

static int launch(struct try *try, struct try_run *run, int message, struct err *err)
{
    struct attempt_context context = {.config = &try->call->config, .launcher = &try->launcher};
    struct attempt *attempt = run->attempt;
    int64_t started_ms = clock_monotonic_ms();

    if (attempt->kind != HANDLER_RUN && scratch_open(&attempt->whole, err) != 0)
        return -1;
    attempt->message = open_again(message, err);
    if (attempt->message < 0 || attempt_launch_handler(&context, attempt, err) != 0)
        return -1;
    attempt_close_fd(&attempt->message);
    if (await(try, run, err) != 0)
        return -1;
    run->took_ms = clock_monotonic_ms() - started_ms;
    return 0;
}

int try_handler(struct try *try, const struct config_handler *handler, const struct delivery *delivery, int message,
                bool may_reply, struct try_run *run, struct err *err)
{
    *run = (struct try_run){0};
    if (take_signals(try, err) != 0)
        return -1;
    *run = (struct try_run){.attempt = attempt_new(handler, ++try->runs, try->call->now_ms, err)};
    if (run->attempt == NULL)
        return -1;
    run->attempt->delivery = *delivery;
    run->attempt->program = handler->number;
    run->attempt->may_reply = may_reply;
    ledger_key(delivery, run->attempt->key);
    if (launch(try, run, message, err) == 0)
        return 0;
    try_forget(run);
    return -1;
}

void try_forget(struct try_run *run)
{
    if (run->attempt != NULL)
        attempt_free(run->attempt);
    run->attempt = NULL;
}
