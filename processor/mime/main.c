/*
 * mailmill-mime: reads and writes messages for the processor, which starts it with a socket on descriptor 0 and asks
 * by frames (processor/message.h). Each request is one worker; this process never looks at a message itself.
 */
#include <gmime/gmime.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "processor/mime/apart.h"
#include "processor/mime/charset.h"
#include "processor/mime/compose.h"
#include "processor/mime/digest.h"
#include "processor/mime/headers.h"
#include "processor/mime/worker.h"

enum { SOCKET = STDIN_FILENO };

struct request {
    struct frame_reader *fields;
    int fds[FRAME_FDS_MAX];
    size_t fd_count;
};

/* ---- jobs: these run in a worker ---- */

static void put_failure(struct buf *answer, const struct err *err)
{
    frame_start(answer, MESSAGE_FRAME_FAILED);
    frame_put_number(answer, err->kind);
    frame_put_text(answer, span_text(err->text));
}

static void parse(void *context, struct buf *answer)
{
    const struct request *request = context;
    static struct message_headers headers;
    bool wants_digest = frame_number(request->fields) != 0;
    char digest[MESSAGE_DIGEST_SIZE] = "";
    struct err err = {0};

    if (headers_parse(request->fds[0], &headers, &err) != 0 ||
        (wants_digest && digest_make(request->fds[0], digest, &err) != 0)) {
        put_failure(answer, &err);
        return;
    }
    frame_start(answer, MESSAGE_FRAME_HEADERS);
    frame_put_text(answer, span_text(digest));
    message_put_headers(answer, &headers);
}

static void compose(void *context, struct buf *answer)
{
    const struct request *request = context;
    static struct message_reply reply;
    struct err err = {0};

    if (message_take_reply(request->fields, &reply, &err) != 0 ||
        compose_write(&reply, request->fds[0], request->fds[1], &err) != 0) {
        put_failure(answer, &err);
        return;
    }
    frame_start(answer, MESSAGE_FRAME_DONE);
}

static void take_apart(void *context, struct buf *answer)
{
    const struct request *request = context;
    struct err err = {0};

    if (apart_take(request->fds[0], request->fds[1], request->fds[2], &err) != 0)
        put_failure(answer, &err);
    else
        frame_start(answer, MESSAGE_FRAME_DONE);
}

static const struct {
    worker_job *job;
    size_t fd_count;
} jobs[] = {
    [MESSAGE_FRAME_PARSE] = {parse, 1},
    [MESSAGE_FRAME_COMPOSE] = {compose, 2},
    [MESSAGE_FRAME_PARTS] = {take_apart, 3},
};

/* ---- the parent ---- */

/* The token is put in here, so that a worker can only ever answer for its own request. */
static int send_answer(uint64_t token, const struct frame_reader *answer, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    int status;

    frame_start(&frame, answer->type);
    frame_put_number(&frame, token);
    buf_put(&frame, answer->rest);
    status = frame_send(SOCKET, &frame, NULL, 0, err);
    /* The next worker has its copy of this memory, and no business with another message. */
    memset(storage, 0, sizeof storage);
    return status;
}

static int send_failure(uint64_t token, const struct err *failure, struct err *err)
{
    char storage[ERR_TEXT_SIZE + 32];
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader answer;

    put_failure(&frame, failure);
    answer = frame_read(buf_span(&frame));
    return send_answer(token, &answer, err);
}

static int finish(struct worker *worker, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    uint64_t token = worker->token;
    struct frame_reader answer;
    struct err failure = {0};
    int status;

    if (worker_finish(worker, storage, sizeof storage, &answer, &failure) == 0)
        status = send_answer(token, &answer, err);
    else
        status = send_failure(token, &failure, err);
    memset(storage, 0, sizeof storage);
    return status;
}

static int start(struct worker_crew *crew, struct request *request, struct err *err)
{
    uint8_t type = request->fields->type;
    struct worker_task task = {
        .context = request,
        .fds = request->fds,
        .fd_count = request->fd_count,
        .deadline_ms = clock_monotonic_ms() + MESSAGE_DEADLINE_MS,
    };
    struct err failure = {0};

    if (type >= sizeof jobs / sizeof jobs[0] || jobs[type].job == NULL || jobs[type].fd_count != request->fd_count)
        return err_set(err, ERR_PROTOCOL, "a request of type %u with %zu descriptors", type, request->fd_count);
    task.job = jobs[type].job;
    task.token = frame_number(request->fields);
    if (worker_start(crew, crew_free_worker(crew), &task, &failure) != 0)
        return send_failure(task.token, &failure, err);
    return 0;
}

/* Takes a request. 1: go on; 0: the processor is gone. */
static int take_request(struct worker_crew *crew, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct frame_reader fields;
    struct request request = {.fields = &fields};
    int status = frame_receive(SOCKET, storage, sizeof storage, &fields, request.fds, &request.fd_count, err);

    if (status == 1 && start(crew, &request, err) != 0)
        status = -1;
    for (size_t i = 0; i < request.fd_count; i++)
        (void)close(request.fds[i]);
    memset(storage, 0, sizeof storage);
    return status;
}

static int wait_time(const struct worker_crew *crew, int64_t now_ms)
{
    int64_t shortest = -1;

    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        int64_t left = crew->workers[i].deadline_ms - now_ms;

        if (crew->workers[i].pid != 0 && (shortest < 0 || left < shortest))
            shortest = left < 0 ? 0 : left;
    }
    return (int)shortest;
}

/* One turn of the loop: waits, then takes what answers there are and at most one request. */
static int turn(struct worker_crew *crew, struct err *err)
{
    struct pollfd polled[MESSAGE_IN_FLIGHT_MAX + 1];
    int64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        polled[i] = (struct pollfd){.fd = crew->workers[i].pid == 0 ? -1 : crew->workers[i].socket, .events = POLLIN};
    /* With all workers busy, requests wait in the socket. */
    polled[MESSAGE_IN_FLIGHT_MAX] =
        (struct pollfd){.fd = crew_free_worker(crew) == NULL ? -1 : SOCKET, .events = POLLIN};
    if (poll(polled, MESSAGE_IN_FLIGHT_MAX + 1, wait_time(crew, now_ms)) < 0)
        return err_system(err, "poll");
    now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        struct worker *worker = &crew->workers[i];

        if (worker->pid != 0 && (polled[i].revents != 0 || worker->deadline_ms <= now_ms) && finish(worker, err) != 0)
            return -1;
    }
    return polled[MESSAGE_IN_FLIGHT_MAX].revents == 0 ? 1 : take_request(crew, err);
}

/* GLib would print warnings that quote the message. */
static GLogWriterOutput say_nothing(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
    (void)level;
    (void)fields;
    (void)count;
    (void)data;
    return G_LOG_WRITER_HANDLED;
}

int main(void)
{
    struct worker_crew crew;
    struct err err = {0};
    int status;

    /* Nothing in the environment may decide which tables are loaded or how GLib behaves. */
    (void)clearenv();
    log_open("mailmill-mime", LOG_TO_STDERR, NULL);
    g_log_set_writer_func(say_nothing, NULL, NULL);
    (void)charset_open_all();
    status = crew_open(&crew, &err);
    if (status == 0) {
        do
            status = turn(&crew, &err);
        while (status == 1);
        crew_close(&crew);
    }
    charset_close_all();
    if (status != 0)
        log_say(LOG_ERR, "%s", err.text);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
