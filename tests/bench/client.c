#include "tests/bench/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void note(struct samples *samples, uint64_t value)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity * 2 + 1024;
        uint64_t *list = realloc(samples->list, capacity * sizeof *list);

        if (list == NULL)
            abort();
        samples->list = list;
        samples->capacity = capacity;
    }
    samples->list[samples->count++] = value;
}

/* ---- connections ---- */

/* Not waited for: a server whose queue of connections is full must not hold up the other clients. */
static int connect_to(const struct job *job)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(job->port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (inet_pton(AF_INET, job->address, &server.sin_addr) != 1 ||
        (connect(fd, (const struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* As a super-server does: the connection on 0, 1 and 2. */
static int start_server(char **command, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    int ends[2];
    int status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGPIPE);
    (void)posix_spawnattr_setsigdefault(&attributes, &signals);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    for (int fd = 0; fd <= 2; fd++)
        (void)posix_spawn_file_actions_adddup2(&actions, ends[1], fd);
    status = posix_spawn(pid, command[0], &actions, &attributes, command, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)close(ends[1]);
    if (status == 0)
        return ends[0];
    (void)close(ends[0]);
    errno = status;
    return -1;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000U + (uint64_t)time.tv_usec;
}

/* The server's end, and what it and the processes that it waited for have used. */
static void end_server(struct client *client, struct job *job)
{
    struct rusage usage;
    int status;

    while (wait4(client->server, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return;
    note(&job->session, bench_now() - client->started);
    job->user_us += microseconds(usage.ru_utime);
    job->system_us += microseconds(usage.ru_stime);
    job->faults += (uint64_t)usage.ru_minflt;
    if ((size_t)usage.ru_maxrss > job->peak_kib)
        job->peak_kib = (size_t)usage.ru_maxrss;
}

static void leave(struct client *client, struct job *job)
{
    (void)close(client->fd);
    client->fd = -1;
    if (client->server != 0)
        end_server(client, job);
    client->server = 0;
}

int client_start(struct client *client, struct job *job)
{
    size_t share = job->left < job->per_connection ? job->left : job->per_connection;

    *client = (struct client){.fd = -1, .step = STEP_BANNER, .messages = share, .first = true};
    job->left -= share;
    client->started = bench_now();
    client->fd = job->command != NULL ? start_server(job->command, &client->server) : connect_to(job);
    if (client->fd < 0) {
        job->failed += share;
        return -1;
    }
    (void)fcntl(client->fd, F_SETFL, O_NONBLOCK);
    return 0;
}

void client_give_up(struct client *client, struct job *job)
{
    job->failed += client->messages;
    leave(client, job);
}

/* ---- the dialogue ---- */

/* Each step's reply is awaited; these are the first digits that it may have. */
static const char wanted[] = {
    [STEP_BANNER] = '2', [STEP_HELO] = '2',    [STEP_SENDER] = '2', [STEP_RECIPIENT] = '2',
    [STEP_DATA] = '3',   [STEP_MESSAGE] = '2', [STEP_QUIT] = '2',
};
static_assert(sizeof wanted == STEP_COUNT, "a row for each step");

static void say(struct client *client, enum client_step step, const struct job *job)
{
    int size = 0;

    client->step = step;
    client->output_sent = 0;
    if (step == STEP_HELO) {
        size = snprintf(client->command, sizeof client->command, "EHLO client.example.org\r\n");
    } else if (step == STEP_SENDER) {
        client->message_started = bench_now();
        size = snprintf(client->command, sizeof client->command, "MAIL FROM:<%s>\r\n", job->sender);
    } else if (step == STEP_RECIPIENT) {
        size = snprintf(client->command, sizeof client->command, "RCPT TO:<%s>\r\n", job->recipient);
    } else if (step == STEP_DATA) {
        size = snprintf(client->command, sizeof client->command, "DATA\r\n");
    } else if (step == STEP_QUIT) {
        size = snprintf(client->command, sizeof client->command, "QUIT\r\n");
    }
    client->output_size = step == STEP_MESSAGE ? job->body_size : (size_t)size;
}

static void end_message(struct client *client, struct job *job)
{
    uint64_t now = bench_now();

    note(&job->message, now - client->message_started);
    if (client->first)
        note(&job->delivery, now - client->started);
    client->first = false;
    client->messages--;
    job->done++;
    if (job->log != NULL) {
        struct timespec wall;

        (void)clock_gettime(CLOCK_REALTIME, &wall);
        fprintf(job->log, "%lld%09ld %.*s\n", (long long)wall.tv_sec, wall.tv_nsec, (int)client->input_size - 2,
                client->input);
    }
}

/* The last line of a reply has a space behind its code; nothing comes unasked. */
static bool reply_is_whole(const struct client *client)
{
    const char *line = client->input;
    size_t size = client->input_size;

    if (size < 2 || line[size - 1] != '\n')
        return false;
    for (const char *next = line; (next = memchr(next, '\n', size - (size_t)(next - client->input) - 1)) != NULL;)
        line = ++next;
    return client->input + size - line > 4 && line[3] == ' ';
}

static enum client_state on_reply(struct client *client, struct job *job)
{
    bool refused = job->refused && client->step == STEP_RECIPIENT;
    char digit = client->input[0];

    if (digit != (refused ? '5' : wanted[client->step])) {
        fprintf(stderr, "load: step %d: %.*s\n", (int)client->step, (int)client->input_size, client->input);
        return CLIENT_FAILED;
    }
    if (client->step == STEP_QUIT)
        return CLIENT_DONE;
    if (refused || client->step == STEP_MESSAGE) {
        end_message(client, job);
        say(client, client->messages == 0 ? STEP_QUIT : STEP_SENDER, job);
    } else if (job->idle && client->step == STEP_HELO) {
        job->greeted++;
    } else {
        say(client, client->step + 1, job);
    }
    client->input_size = 0;
    return CLIENT_BUSY;
}

static int send_output(struct client *client, const struct job *job)
{
    while (client->output_sent < client->output_size) {
        off_t from = (off_t)client->output_sent;
        size_t size = client->output_size - client->output_sent;
        ssize_t sent = client->step == STEP_MESSAGE
                           ? sendfile(client->fd, job->body, &from, size)
                           : send(client->fd, client->command + client->output_sent, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent <= 0)
            return -1;
        client->output_sent += (size_t)sent;
    }
    client->wants_write = client->output_sent < client->output_size;
    return 0;
}

/* 1 with a whole reply, 0 without, -1 when there will be none. */
static int read_reply(struct client *client)
{
    ssize_t got = read(client->fd, client->input + client->input_size, sizeof client->input - client->input_size);

    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0)
        return -1;
    client->input_size += (size_t)got;
    return reply_is_whole(client) ? 1 : 0;
}

enum client_state client_go_on(struct client *client, struct job *job)
{
    enum client_state state = CLIENT_BUSY;
    int got = read_reply(client);

    if (got > 0)
        state = on_reply(client, job);
    if (got < 0 || (state == CLIENT_BUSY && send_output(client, job) != 0))
        state = CLIENT_FAILED;
    if (state == CLIENT_FAILED)
        client_give_up(client, job);
    if (state == CLIENT_DONE)
        leave(client, job);
    return state;
}
