#include "receiver/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/client.h"
#include "receiver/refusals.h"
#include "receiver/session.h"
#include "receiver/slots.h"
#include "receiver/starttls_offer.h"
#include "receiver/wire.h"

enum {
    ACCEPTS_MAX = 16,      /* in one go */
    FINISH_MS = 60 * 1000, /* how long messages may still come in when it is to end */
};

/* What listens besides the sockets. */
enum { POLL_SIGNALS, POLL_WRITER, POLL_SOCKETS };

struct reception {
    const struct listener *listener;
    const struct config *config;
    struct config crowded; /* the same with a shorter timeout; owns nothing */
    struct sandbox_profile profile;
    struct sandbox sandbox; /* of each session */
    int signals;            /* a signalfd */
    int writer;             /* our end of a socketpair, or -1 when the writer is gone */
    pid_t writer_process;
    int stop[2]; /* a pipe: sessions have the end for reading, and see it hang up */
    struct starttls_offer offer;
    struct slots slots;
    uint64_t next_number;
    bool ending;
    int64_t ends_ms;       /* monotonic: to be over by then; valid when `ending` */
    int64_t idle_since_ms; /* valid without sessions */
    struct refusals refusals;
    int status;
};

/* ---- sessions ---- */

static void refuse(struct reception *r, int fd, const struct client *client, enum reply reply, const char *why)
{
    refusals_say(&r->refusals, reply == REPLY_UNAVAILABLE ? LOG_ERR : LOG_NOTICE, client->text, "", why);
    client_turn_away(fd, reply, r->config->hostname);
}

/* Tells the writer of a session to come. Its end of the pair is the writer's from then on. */
static int announce(const struct reception *r, uint64_t number, const char *client, int end, struct err *err)
{
    char storage[WIRE_JOIN_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, WIRE_JOIN);
    frame_put_number(&frame, number);
    frame_put_text(&frame, span_text(client));
    return frame_send(r->writer, &frame, &end, 1, err);
}

static int fork_session(struct reception *r, int fd, const struct client *client, int writer)
{
    struct session session = {.config = slots_are_nearly_full(&r->slots) ? &r->crowded : r->config,
                              .in = fd,
                              .out = fd,
                              .writer = writer,
                              .offers_tls = starttls_is_offered(&r->offer),
                              .is_proxied = client->is_proxy,
                              .stop = r->stop[0]};
    /* What fork() does besides is for threads and streams, which a session has none of; it would copy their pages. */
    pid_t process = FAULT_ERRNO("session-fork") ? -1 : _Fork();

    if (process == 0)
        _exit(session_run(&session, &r->sandbox));
    return process;
}

static int start_session(struct reception *r, int fd, const struct client *client, struct err *err)
{
    uint64_t number = r->next_number++;
    pid_t process = -1;
    int ends[2];

    if (frame_pair(ends, err) != 0)
        return -1;
    if (announce(r, number, client->text, ends[0], err) == 0) {
        process = fork_session(r, fd, client, ends[1]);
        if (process < 0)
            err_system(err, "fork");
        else
            slots_add(&r->slots, process, number, client);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return process < 0 ? -1 : 0;
}

static void welcome(struct reception *r, int fd)
{
    struct client client;
    struct err err;

    client_of(fd, &r->config->trusted_proxies, &client);
    starttls_find_out(&r->offer);
    if (slots_are_full(&r->slots)) {
        refuse(r, fd, &client, REPLY_TOO_MANY_SESSIONS, "max-sessions");
    } else if (!client.is_proxy && slots_count(&r->slots, &client) >= r->config->max_client_sessions) {
        /* Whose a proxy's connection is the writer hears, and counts. */
        refuse(r, fd, &client, REPLY_TOO_MANY_FROM_CLIENT, "max-sessions-per-client");
    } else if (start_session(r, fd, &client, &err) != 0) {
        refuse(r, fd, &client, REPLY_UNAVAILABLE, err.text);
    }
    (void)close(fd);
}

/* Out of descriptors or memory, the client stays in the queue; a little later there may be room. */
static void accept_some(struct reception *r, int socket)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            welcome(r, fd);
            continue;
        }
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
            log_say(LOG_ERR, "accept: %s", strerror(errno));
            (void)poll(NULL, 0, 100);
        }
        return;
    }
}

/* ---- ends ---- */

static void start_ending(struct reception *r, int status)
{
    if (r->ending)
        return;
    r->ending = true;
    r->status = status;
    r->ends_ms = clock_monotonic_ms() + FINISH_MS;
    (void)close(r->stop[1]);
    r->stop[1] = -1;
}

/* One that the kernel killed for a system call outside of its list is an attack or a bug; either is worth a line. One
 * that was killed on purpose has had its line. */
static void say_killed(const char *client, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        log_say(LOG_CRIT, "session of %s killed by signal %d%s", client, WTERMSIG(status),
                WTERMSIG(status) == SIGSYS ? " (a system call that its sandbox forbids)" : "");
}

/* Nothing can be received without it. Sessions see that it is gone, and the next start begins afresh. */
static void lose_writer(struct reception *r)
{
    if (r->writer < 0)
        return;
    (void)close(r->writer);
    r->writer = -1;
    log_say(LOG_CRIT, "the writer is gone, the receiver ends");
    start_ending(r, EX_SOFTWARE);
}

static void reap(struct reception *r)
{
    struct client client;
    pid_t process;
    int status;

    while ((process = waitpid(-1, &status, WNOHANG)) > 0) {
        if (slots_remove(&r->slots, process, &client)) {
            say_killed(client.text, status);
            r->idle_since_ms = clock_monotonic_ms();
        }
        if (process != r->writer_process)
            continue;
        r->writer_process = 0;
        lose_writer(r);
    }
}

static void on_signals(struct reception *r)
{
    struct signalfd_siginfo info;

    while (read(r->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        log_say(LOG_NOTICE, "ends for signal %u, with %zu sessions", info.ssi_signo, r->slots.taken);
        start_ending(r, EX_OK);
    }
    reap(r);
}

/* The writer has turned its back on a session; it might never find out by itself. */
static void on_writer(struct reception *r)
{
    char storage[WIRE_ANSWER_MAX];
    struct frame_reader frame;
    struct err err;
    pid_t process;

    if (frame_receive(r->writer, storage, sizeof storage, &frame, NULL, NULL, &err) != 1) {
        lose_writer(r);
        return;
    }
    process = slots_find(&r->slots, frame_number(&frame));
    if (frame.type == WIRE_CUT && frame_is_whole(&frame) && process != 0)
        (void)kill(process, SIGKILL);
}

/* ---- the loop ---- */

/* Milliseconds until something is due; -1: nothing is. */
static int patience(const struct reception *r)
{
    int64_t left_ms;

    if (r->ending)
        left_ms = r->ends_ms - clock_monotonic_ms();
    else if (r->slots.taken == 0 && r->config->idle_exit_ms > 0)
        left_ms = r->idle_since_ms + r->config->idle_exit_ms - clock_monotonic_ms();
    else
        return -1;
    return left_ms < 0 ? 0 : (int)left_ms;
}

static void on_time(struct reception *r)
{
    if (patience(r) != 0)
        return;
    if (!r->ending) {
        start_ending(r, EX_OK);
    } else {
        log_say(LOG_WARNING, "%zu sessions did not finish in time", r->slots.taken);
        slots_signal(&r->slots, SIGKILL);
        r->ends_ms += FINISH_MS;
    }
}

static void serve(struct reception *r)
{
    const struct listener *listener = r->listener;
    struct pollfd fds[POLL_SOCKETS + LISTENER_SOCKETS_MAX] = {
        [POLL_SIGNALS] = {.fd = r->signals, .events = POLLIN},
        [POLL_WRITER] = {.fd = r->writer, .events = POLLIN},
    };
    nfds_t count = POLL_SOCKETS;
    int ready;

    for (size_t i = 0; i < listener->socket_count && !r->ending; i++)
        fds[count++] = (struct pollfd){.fd = listener->sockets[i], .events = POLLIN};
    ready = poll(fds, count, patience(r));
    if (ready == 0)
        on_time(r);
    if (ready <= 0)
        return;
    /* The dead first: they make room. */
    if (fds[POLL_SIGNALS].revents != 0)
        on_signals(r);
    if (fds[POLL_WRITER].revents != 0)
        on_writer(r);
    for (nfds_t i = POLL_SOCKETS; i < count && !r->ending; i++)
        if (fds[i].revents != 0)
            accept_some(r, fds[i].fd);
}

/* ---- the beginning and the end ---- */

/* The writer has two descriptors for each session: as many as the system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
}

/* For the processes made here, too: only this one ends by them, and the others when it says so. */
static int take_signals(struct reception *r, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_system(err, "sigprocmask");
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals < 0 ? err_system(err, "signalfd") : 0;
}

/* Before anything else is opened, so that there is little that it need not have. */
static int start_writer(struct reception *r, struct err *err)
{
    int ends[2];

    if (frame_pair(ends, err) != 0)
        return -1;
    r->writer_process = fork();
    if (r->writer_process == 0) {
        (void)close(ends[0]);
        (void)close(r->signals);
        for (size_t i = 0; i < r->listener->socket_count; i++)
            (void)close(r->listener->sockets[i]);
        exit(r->listener->writer(r->config, ends[1]));
    }
    (void)close(ends[1]);
    r->writer = ends[0];
    return r->writer_process < 0 ? err_system(err, "fork") : 0;
}

static int open_reception(struct reception *r, struct err *err)
{
    raise_descriptor_limit();
    log_ready();
    if (take_signals(r, err) != 0 || start_writer(r, err) != 0)
        return -1;
    r->crowded = *r->config;
    if (r->crowded.command_timeout_ms > r->config->crowded_timeout_ms)
        r->crowded.command_timeout_ms = r->config->crowded_timeout_ms;
    r->profile = session_profile(r->config);
    if (slots_open(&r->slots, r->config->max_sessions, err) != 0)
        return -1;
    if (pipe2(r->stop, O_CLOEXEC) != 0)
        return err_system(err, "pipe2");
    r->offer.config = r->config;
    r->idle_since_ms = clock_monotonic_ms();
    return sandbox_prepare_ready(&r->sandbox, &r->profile, NULL, 0, err);
}

/* What is left is the writer, which has all that it was sent safe before it ends. */
static void close_reception(struct reception *r)
{
    const int fds[] = {r->writer, r->signals, r->stop[0], r->stop[1]};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    while (r->writer_process > 0 && waitpid(r->writer_process, NULL, 0) < 0 && errno == EINTR)
        continue;
    sandbox_free(&r->sandbox);
    slots_free(&r->slots);
}

int listener_run(const struct listener *listener)
{
    struct reception r = {.listener = listener,
                          .config = listener->config,
                          .sandbox.ruleset = -1,
                          .signals = -1,
                          .writer = -1,
                          .stop = {-1, -1}};
    struct err err;

    if (open_reception(&r, &err) != 0) {
        log_say(LOG_CRIT, "can't listen: %s", err.text);
        listener_turn_away(listener, listener->config->hostname);
        r.status = EX_OSERR;
    } else {
        while (!r.ending || r.slots.taken > 0)
            serve(&r);
    }
    close_reception(&r);
    return r.status;
}
