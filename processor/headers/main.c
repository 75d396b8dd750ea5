/*
 * mailmill-headers: reads messages' headers for the processor, which starts it with a socket on descriptor 0. Plain
 * ones are read here, by a process for each message that is small and quickly made. Whatever takes more is handed on
 * to mailmill-mime, which this starts, and which knows GMime.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/program.h"
#include "processor/headers/plain.h"
#include "processor/headers/service.h"

/* In a worker. */
static void parse(const void *context, const struct crew_request *request, struct buf *answer)
{
    static struct message_headers headers;
    struct err err = {0};
    int status = block_read(request->fds[0], plain_value, NULL, &headers, &err);

    (void)context;
    if (status < 0) {
        service_put_failure(answer, &err);
        return;
    }
    frame_start(answer, status == 1 ? MESSAGE_FRAME_HEADERS : MESSAGE_FRAME_NOT_PLAIN);
    if (status == 0)
        return;
    frame_put_text(answer, span_text("")); /* no digest */
    message_put_headers(answer, &headers);
}

/* A digest takes all of the message and a library. */
static bool is_ours(const struct crew_request *request)
{
    struct frame_reader reader = {.rest = request->fields};

    return request->type == MESSAGE_FRAME_PARSE && request->fd_count == 1 && frame_number(&reader) == 0 &&
           frame_is_whole(&reader);
}

static int serve(struct message_helper *mime, struct err *err)
{
    struct service service = {.requests = STDIN_FILENO, .is_ours = is_ours};
    char path[4096];
    int status;

    if (program_find(MESSAGE_PARTS_PROGRAM, path, sizeof path, err) != 0 || message_start(mime, path, err) != 0)
        return -1;
    service.colleague = mime->socket;
    if (crew_open(&service.crew, &plain_profile, parse, NULL, err) != 0)
        return -1;
    status = service_run(&service, err);
    crew_close(&service.crew);
    return status;
}

int main(void)
{
    struct message_helper mime = {.socket = -1};
    struct err err = {0};
    int status;

    (void)clearenv();
    log_open("mailmill-headers", LOG_TO_STDERR, NULL);
    status = serve(&mime, &err);
    message_end(&mime, MESSAGE_END_MS);
    if (status != 0)
        log_say(LOG_ERR, "%s", err.text);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
