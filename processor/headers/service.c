#include "processor/headers/service.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

void service_put_failure(struct buf *answer, const struct err *err)
{
    frame_start(answer, MESSAGE_FRAME_FAILED);
    frame_put_number(answer, err->kind);
    frame_put_text(answer, span_text(err->text));
}

/* ---- frames on their way ---- */

/* The token is put in here, so that a worker can only ever answer for its own request. */
static int send_frame(int socket, uint64_t token, const struct crew_request *content, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    int status;

    frame_start(&frame, content->type);
    frame_put_number(&frame, token);
    buf_put(&frame, content->fields);
    status = frame_send(socket, &frame, content->fds, content->fd_count, err);
    /* The next worker has its copy of this memory, and no business with another message. */
    memset(storage, 0, frame.size);
    return status;
}

static int send_failure(const struct service *service, uint64_t token, const struct err *failure, struct err *err)
{
    char storage[ERR_TEXT_SIZE + 32];
    struct buf frame = buf_over(storage, sizeof storage);
    struct crew_request content = {.type = MESSAGE_FRAME_FAILED};

    service_put_failure(&frame, failure);
    content.fields = span_slice(buf_span(&frame), 1, frame.size);
    return send_frame(service->requests, token, &content, err);
}

/* ---- requests ---- */

/*
 * To the colleague, which may have no room for more now: that fails this request alone, which is tried again. To wait
 * would be to wait for each other, where it waits for us to take its answers.
 */
static int hand_on(const struct service *service, uint64_t token, const struct crew_request *request, struct err *err)
{
    struct err failure;

    if (send_frame(service->colleague, token, request, err) == 0)
        return 0;
    if (err->number != EAGAIN)
        return -1;
    failure = *err;
    return send_failure(service, token, &failure, err);
}

static int hand_on_message(const struct service *service, const struct worker *worker, struct err *err)
{
    const uint64_t no_digest = 0;
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE,
                                         .fields = {(const char *)&no_digest, sizeof no_digest},
                                         .fds = {worker->fd},
                                         .fd_count = 1};

    return hand_on(service, worker->token, &request, err);
}

static int give(struct service *service, uint64_t token, struct crew_request *request, struct err *err)
{
    struct err failure = {0};
    struct worker *worker = crew_ask(&service->crew, token, request, &failure);

    if (worker == NULL)
        return send_failure(service, token, &failure, err);
    /* The message is kept, in case that the colleague is to have it. */
    if (service->colleague >= 0)
        worker->fd = request->fds[--request->fd_count];
    return 0;
}

/* 1: go on; 0: the processor is gone. */
static int take_request(struct service *service, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct frame_reader reader;
    struct crew_request request = {0};
    int status =
        frame_receive(service->requests, storage, sizeof storage, &reader, request.fds, &request.fd_count, err);
    uint64_t token;

    if (status == 1) {
        token = frame_number(&reader);
        request.type = reader.type;
        request.fields = reader.rest;
        if (service->is_ours(&request))
            status = give(service, token, &request, err);
        else if (service->colleague >= 0)
            status = hand_on(service, token, &request, err);
        else
            status = err_set(err, ERR_PROTOCOL, "a request of type %u with %zu descriptors", request.type,
                             request.fd_count);
        memset(storage, 0, sizeof(uint64_t) + 1 + request.fields.size);
        status = status == 0 ? 1 : -1;
    }
    for (size_t i = 0; i < request.fd_count; i++)
        (void)close(request.fds[i]);
    return status;
}

/* ---- answers ---- */

static int take_answer(struct service *service, struct worker *worker, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct frame_reader answer = {0};
    struct err failure = {0};
    int status;

    if (crew_take(worker, storage, sizeof storage, &answer, &failure) != 0) {
        status = send_failure(service, worker->token, &failure, err);
    } else if (answer.type == MESSAGE_FRAME_NOT_PLAIN && worker->fd >= 0) {
        status = hand_on_message(service, worker, err);
    } else {
        const struct crew_request content = {.type = answer.type, .fields = answer.rest};

        status = send_frame(service->requests, worker->token, &content, err);
    }
    memset(storage, 0, 1 + answer.rest.size);
    /* The process ends while its answer is read already. */
    crew_release(worker);
    return status;
}

static int take_colleague_answer(const struct service *service, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct crew_request content = {0};
    struct frame_reader answer;
    uint64_t token;
    int status = frame_receive(service->colleague, storage, sizeof storage, &answer, NULL, NULL, err);

    if (status != 1)
        return status < 0 ? -1 : err_set(err, ERR_TEMPORARY, "the program that reads what is not plain is gone");
    token = frame_number(&answer);
    content.type = answer.type;
    content.fields = answer.rest;
    status = send_frame(service->requests, token, &content, err);
    memset(storage, 0, sizeof(uint64_t) + 1 + content.fields.size);
    return status;
}

/* ---- the loop ---- */

enum { FD_REQUESTS = MESSAGE_IN_FLIGHT_MAX, FD_COLLEAGUE, FD_COUNT };

static int wait_time(const struct crew *crew)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t shortest = -1;

    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        int64_t left = crew->workers[i].deadline_ms - now_ms;

        if (crew->workers[i].is_busy && (shortest < 0 || left < shortest))
            shortest = left < 0 ? 0 : left;
    }
    return (int)shortest;
}

static int wait(struct service *service, struct pollfd polled[static FD_COUNT], struct err *err)
{
    const struct worker *workers = service->crew.workers;

    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        polled[i] = (struct pollfd){.fd = workers[i].is_busy ? workers[i].socket : -1, .events = POLLIN};
    /* With all workers busy, requests wait in the socket. */
    polled[FD_REQUESTS] =
        (struct pollfd){.fd = crew_has_room(&service->crew) ? service->requests : -1, .events = POLLIN};
    polled[FD_COLLEAGUE] = (struct pollfd){.fd = service->colleague, .events = POLLIN};
    return poll(polled, FD_COUNT, wait_time(&service->crew)) < 0 ? err_system(err, "poll") : 0;
}

/* Takes what answers there are and at most one request. */
static int turn(struct service *service, struct err *err)
{
    struct pollfd polled[FD_COUNT];
    int64_t now_ms;

    if (crew_is_idle(&service->crew))
        crew_prepare(&service->crew);
    if (wait(service, polled, err) != 0)
        return -1;
    now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        struct worker *worker = &service->crew.workers[i];

        if (worker->is_busy && (polled[i].revents != 0 || worker->deadline_ms <= now_ms) &&
            take_answer(service, worker, err) != 0)
            return -1;
    }
    if (polled[FD_COLLEAGUE].revents != 0 && take_colleague_answer(service, err) != 0)
        return -1;
    return polled[FD_REQUESTS].revents == 0 ? 1 : take_request(service, err);
}

int service_run(struct service *service, struct err *err)
{
    int status;

    do
        status = turn(service, err);
    while (status == 1);
    return status;
}
