/*
 * The load of the benchmark: a number of SMTP clients, each with one command under way, in one process. Prints what
 * it measured as one line of NAME=VALUE words, times in microseconds.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/client.h"

static const char help[] =
    "usage: load [options]                    a server that listens on a port of 127.0.0.1\n"
    "       load [options] -- COMMAND...      a server that is started for each connection\n"
    "\n"
    "  -p, --port N            the port\n"
    "  -c, --clients N         connections at the same time (1)\n"
    "  -m, --messages N        in all (100)\n"
    "  -n, --per-connection N  messages of one connection (1)\n"
    "  -s, --size BYTES        of a message as sent (1024)\n"
    "  -t, --seconds N         stops then at the latest (60)\n"
    "  -w, --pause MS          between two connections of a client (0)\n"
    "  -o, --offered N         connections a second, whether or not earlier ones have ended; at most --clients at "
    "once\n"
    "  -f, --from ADDRESS, -r, --to ADDRESS\n"
    "  -R, --refused           the recipient is to be refused\n"
    "  -i, --idle              says EHLO, prints \"ready\", and stays until standard input ends\n"
    "  -l, --log FILE          a line for each message: when its answer came, and the answer\n";

#define PATIENCE_NS 10000000000U /* with what is under way when the time is over */

struct load {
    struct job job;
    size_t clients;
    size_t size_bytes;
    uint64_t time_ms;
    long pause_ms;
    unsigned long offered; /* connections a second; 0: each client has one after the other */
    const char *log;
};

static const struct option options[] = {
    {"port", required_argument, NULL, 'p'},
    {"clients", required_argument, NULL, 'c'},
    {"messages", required_argument, NULL, 'm'},
    {"per-connection", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},
    {"time", required_argument, NULL, 't'},
    {"pause", required_argument, NULL, 'w'},
    {"offered", required_argument, NULL, 'o'},
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 'r'},
    {"refused", no_argument, NULL, 'R'},
    {"idle", no_argument, NULL, 'i'},
    {"log", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || end == text || value > max) {
        fprintf(stderr, "load: not a number up to %lu: %s\n", max, text);
        exit(EX_USAGE);
    }
    return value;
}

static void parse_numbers(struct load *load, int option, const char *value)
{
    switch (option) {
    case 'p':
        load->job.port = (uint16_t)number(value, 65535);
        break;
    case 'c':
        load->clients = number(value, 10000);
        break;
    case 'm':
        load->job.left = number(value, 10000000);
        break;
    case 'n':
        load->job.per_connection = number(value, 1000000);
        break;
    case 's':
        load->size_bytes = number(value, 1UL << 30);
        break;
    case 't':
        load->time_ms = number(value, 3600000);
        break;
    case 'o':
        load->offered = number(value, 100000);
        break;
    case 'w':
        load->pause_ms = (long)number(value, 60000);
        break;
    default:
        fputs(help, option == 'h' ? stdout : stderr);
        exit(option == 'h' ? EX_OK : EX_USAGE);
    }
}

static void parse_options(struct load *load, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "p:c:m:n:s:t:w:o:f:r:Ril:", options, NULL)) != -1) {
        if (option == 'f')
            load->job.sender = optarg;
        else if (option == 'r')
            load->job.recipient = optarg;
        else if (option == 'R')
            load->job.refused = true;
        else if (option == 'i')
            load->job.idle = true;
        else if (option == 'l')
            load->log = optarg;
        else
            parse_numbers(load, option, optarg);
    }
    if (optind < argc)
        load->job.command = argv + optind;
    if ((load->job.port == 0) == (load->job.command == NULL) || load->clients == 0 || load->job.per_connection == 0) {
        fputs(help, stderr);
        exit(EX_USAGE);
    }
}

/* A header and lines of letters, `size` bytes with the line ends; then the dot. */
static int make_body(struct job *job, size_t size)
{
    static const char line[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv\r\n";
    int fd = memfd_create("message", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    int used;

    if (file == NULL)
        return -1;
    used = fprintf(file,
                   "From: <%s>\r\nTo: <%s>\r\nSubject: bench\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                   "Message-ID: <bench@client.example.org>\r\n\r\n",
                   job->sender, job->recipient);
    while (used > 0 && (size_t)used + sizeof line < size)
        used += fprintf(file, "%s", line);
    job->body_size = (size_t)used;
    while (job->body_size + 2 < size && putc('z', file) != EOF)
        job->body_size++;
    job->body_size += (size_t)fprintf(file, "\r\n.\r\n");
    job->body = fd;
    return fflush(file);
}

static void watch(int epoll, int operation, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN | (client->wants_write ? EPOLLOUT : 0U), .data.ptr = client};

    if (epoll_ctl(epoll, operation, client->fd, &event) != 0)
        abort();
}

/* Starts the client's next connection, as long as there are messages to send. */
static bool start_next(struct load *load, int epoll, struct client *client)
{
    const struct timespec pause = {.tv_sec = load->pause_ms / 1000, .tv_nsec = load->pause_ms % 1000 * 1000000};

    if (load->pause_ms > 0)
        (void)nanosleep(&pause, NULL);
    while (load->job.left > 0) {
        if (client_start(client, &load->job) == 0) {
            watch(epoll, EPOLL_CTL_ADD, client);
            return true;
        }
        fprintf(stderr, "load: no connection: %s\n", strerror(errno));
        if (load->job.failed > 100)
            break;
    }
    client->fd = -1;
    return false;
}

/* Nothing is left to be done but to hold the connections. */
static void stay(const struct job *job)
{
    char byte;

    printf("ready %zu\n", job->greeted);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

/* What is under way goes on to its end; a connection that no server has taken yet is forgotten. Gives those ended. */
static size_t begin_no_more(struct load *load, struct client *clients)
{
    size_t ended = 0;

    load->job.left = 0;
    for (size_t i = 0; i < load->clients; i++) {
        if (clients[i].fd >= 0 && clients[i].step == STEP_BANNER) {
            clients[i].messages = 0;
            client_give_up(&clients[i], &load->job);
            ended++;
        }
        if (clients[i].messages > 1)
            clients[i].messages = 1;
    }
    return ended;
}

static void run(struct load *load, struct client *clients, int epoll)
{
    uint64_t deadline = bench_now() + load->time_ms * 1000000U;
    size_t started = load->job.idle ? 1 : load->clients;
    size_t busy = 0;

    for (size_t i = 0; i < load->clients; i++)
        clients[i].fd = -1;
    for (size_t i = 0; i < started; i++)
        busy += start_next(load, epoll, &clients[i]) ? 1U : 0U;
    while (busy > 0 && bench_now() < deadline + PATIENCE_NS) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 20);

        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            bool wanted_write = client->wants_write;

            if (client_go_on(client, &load->job) != CLIENT_BUSY)
                busy -= start_next(load, epoll, client) ? 0U : 1U;
            else if (client->wants_write != wanted_write)
                watch(epoll, EPOLL_CTL_MOD, client);
        }
        if (bench_now() >= deadline)
            busy -= begin_no_more(load, clients);
        if (!load->job.idle || load->job.greeted + load->job.failed < started)
            continue;
        if (started == load->clients) {
            stay(&load->job);
            break;
        }
        busy += start_next(load, epoll, &clients[started++]) ? 1U : 0U; /* one by one: a short queue will do */
    }
    for (size_t i = 0; i < load->clients; i++)
        if (clients[i].fd >= 0)
            client_give_up(&clients[i], &load->job);
}

/* The connections that are due by now; those for which no client is free are due all the same, and come late. */
static size_t start_due(struct load *load, struct client *clients, int epoll, size_t due)
{
    size_t started = 0;

    for (size_t i = 0; i < load->clients && started < due && load->job.left > 0; i++)
        if (clients[i].fd < 0 && start_next(load, epoll, &clients[i]))
            started++;
    return started;
}

static void run_offered(struct load *load, struct client *clients, int epoll)
{
    uint64_t begin = bench_now();
    uint64_t deadline = begin + load->time_ms * 1000000U;
    size_t begun = 0;
    size_t busy = 0;

    for (size_t i = 0; i < load->clients; i++)
        clients[i].fd = -1;
    while ((load->job.left > 0 || busy > 0) && bench_now() < deadline + PATIENCE_NS) {
        struct epoll_event events[64];
        size_t due = (size_t)((bench_now() - begin) * load->offered / 1000000000U) + 1 - begun;
        size_t started = start_due(load, clients, epoll, due);
        int ready = epoll_wait(epoll, events, 64, 1);

        begun += started;
        busy += started;
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            bool wanted_write = client->wants_write;

            if (client_go_on(client, &load->job) != CLIENT_BUSY)
                busy--;
            else if (client->wants_write != wanted_write)
                watch(epoll, EPOLL_CTL_MOD, client);
        }
        if (bench_now() >= deadline)
            busy -= begin_no_more(load, clients);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void print_samples(const char *name, struct samples *samples)
{
    size_t middle;
    size_t late;

    if (samples->count == 0)
        return;
    qsort(samples->list, samples->count, sizeof *samples->list, compare);
    middle = samples->count / 2;
    late = samples->count * 99 / 100;
    printf(" %s_p50=%.1f %s_p99=%.1f", name, (double)samples->list[middle] / 1000, name,
           (double)samples->list[late] / 1000);
    free(samples->list);
}

static void print_result(struct job *job, uint64_t elapsed)
{
    double seconds = (double)elapsed / 1e9;
    struct timespec wall;

    printf("messages=%zu failed=%zu seconds=%.4f rate=%.2f", job->done, job->failed, seconds,
           (double)job->done / seconds);
    print_samples("message", &job->message);
    print_samples("delivery", &job->delivery);
    print_samples("session", &job->session);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    printf(" began=%.6f", (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - seconds);
    if (job->command != NULL)
        printf(" user=%llu system=%llu faults=%llu peak_kib=%zu", (unsigned long long)job->user_us,
               (unsigned long long)job->system_us, (unsigned long long)job->faults, job->peak_kib);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct load load = {.job = {.address = "127.0.0.1",
                                .sender = "sender@example.org",
                                .recipient = "inbox@example.com",
                                .per_connection = 1,
                                .left = 100},
                        .clients = 1,
                        .size_bytes = 1024,
                        .time_ms = 60000};
    struct job *job = &load.job;
    struct client *clients;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t started;

    (void)signal(SIGPIPE, SIG_IGN);
    parse_options(&load, argc, argv);
    if (job->idle)
        job->left = load.clients;
    clients = calloc(load.clients, sizeof *clients);
    if (load.log != NULL)
        job->log = fopen(load.log, "w");
    if (clients == NULL || epoll < 0 || make_body(job, load.size_bytes) != 0 ||
        (load.log != NULL && job->log == NULL)) {
        perror("load");
        free(clients);
        return EX_OSERR;
    }
    started = bench_now();
    if (load.offered > 0)
        run_offered(&load, clients, epoll);
    else
        run(&load, clients, epoll);
    print_result(job, bench_now() - started);
    if (job->log != NULL)
        (void)fclose(job->log);
    free(clients);
    return job->done > 0 || job->idle ? EX_OK : EX_UNAVAILABLE;
}
