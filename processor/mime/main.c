/*
 * mailmill-mime: reads and writes messages by GMime, for whoever started it with a socket on descriptor 0
 * (processor/message.h).
 */
#include <gmime/gmime.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "processor/headers/service.h"
#include "processor/mime/apart.h"
#include "processor/mime/charset.h"
#include "processor/mime/compose.h"
#include "processor/mime/digest.h"
#include "processor/mime/headers.h"
#include "processor/mime/rights.h"

/* ---- jobs: these run in a worker, and give -1 when nothing came of it ---- */

static int parse(struct frame_reader *fields, const int *fds, struct buf *answer, struct err *err)
{
    static struct message_headers headers;
    bool wants_digest = frame_number(fields) != 0;
    char digest[MESSAGE_DIGEST_SIZE] = "";

    if (headers_parse(fds[0], &headers, err) != 0 || (wants_digest && digest_make(fds[0], digest, err) != 0))
        return -1;
    frame_start(answer, MESSAGE_FRAME_HEADERS);
    frame_put_text(answer, span_text(digest));
    message_put_headers(answer, &headers);
    return 0;
}

static int compose(struct frame_reader *fields, const int *fds, struct buf *answer, struct err *err)
{
    static struct message_reply reply;

    frame_start(answer, MESSAGE_FRAME_DONE);
    return message_take_reply(fields, &reply, err) != 0 ? -1 : compose_write(&reply, fds[0], fds[1], err);
}

static int take_apart(struct frame_reader *fields, const int *fds, struct buf *answer, struct err *err)
{
    (void)fields;
    frame_start(answer, MESSAGE_FRAME_DONE);
    return apart_take(fds[0], fds[1], fds[2], err);
}

static const struct {
    int (*run)(struct frame_reader *fields, const int *fds, struct buf *answer, struct err *err);
    size_t fd_count;
} jobs[] = {
    [MESSAGE_FRAME_PARSE] = {parse, 1},
    [MESSAGE_FRAME_COMPOSE] = {compose, 2},
    [MESSAGE_FRAME_PARTS] = {take_apart, 3},
};

static bool is_known(const struct crew_request *request)
{
    return request->type < sizeof jobs / sizeof jobs[0] && jobs[request->type].run != NULL &&
           jobs[request->type].fd_count == request->fd_count;
}

static void do_job(const void *context, const struct crew_request *request, struct buf *answer)
{
    struct frame_reader fields = {.type = request->type, .rest = request->fields};
    struct err err = {0};

    (void)context;
    if (jobs[request->type].run(&fields, request->fds, answer, &err) != 0)
        service_put_failure(answer, &err);
}

/* ---- the parent ---- */

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
    struct service service = {.requests = STDIN_FILENO, .colleague = -1, .is_ours = is_known};
    struct err err = {0};
    int status;

    /* Nothing in the environment may decide which tables are loaded or how GLib behaves. */
    (void)clearenv();
    log_open("mailmill-mime", LOG_TO_STDERR, NULL);
    g_log_set_writer_func(say_nothing, NULL, NULL);
    (void)charset_open_all();
    status = crew_open(&service.crew, &mime_rights, do_job, NULL, &err);
    if (status == 0) {
        status = service_run(&service, &err);
        crew_close(&service.crew);
    }
    charset_close_all();
    if (status != 0)
        log_say(LOG_ERR, "%s", err.text);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
