#include "processor/command/inject_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

enum { PIECE_SIZE = 64 * 1024 };

int inject_complete(const struct command_call *call, struct envelope *envelope, struct err *err)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_system(err, "getrandom");
    id_make(clock_now_ms(), random, envelope->id);
    snprintf(envelope->client_address, sizeof envelope->client_address, "local");
    snprintf(envelope->client_protocol, sizeof envelope->client_protocol, "local");
    snprintf(envelope->client_helo, sizeof envelope->client_helo, "%s", call->config.hostname);
    return 0;
}

static int write_trace(const struct command_call *call, const struct envelope *envelope, int file, struct err *err)
{
    char *storage = malloc(ENVELOPE_TRACE_MAX);
    struct buf trace;
    int status = 0;

    if (storage == NULL)
        return err_system(err, "memory for the trace block");
    trace = buf_over(storage, ENVELOPE_TRACE_MAX);
    envelope_write_trace(envelope, call->config.hostname, &trace);
    if (trace.overflowed)
        status = err_set(err, ERR_BUG, "the trace block outgrew its buffer");
    else if (io_write_all(file, buf_span(&trace)) != 0)
        status = err_system(err, "writing the message");
    free(storage);
    return status;
}

/* 0 as well where the body is refused, by its verdict. */
static int write_body(const struct command_call *call, int file, struct inject_body *body, struct err *err)
{
    static char piece[PIECE_SIZE], storage[PIECE_SIZE + 2];
    struct buf output = buf_over(storage, sizeof storage);
    ssize_t size;

    inject_body_start(body, call->config.max_message_size, call->config.max_header_size);
    do {
        size = read(STDIN_FILENO, piece, sizeof piece);
        if (size < 0 && errno != EINTR)
            return err_system(err, "reading standard input");
        buf_clear(&output);
        if (size > 0)
            inject_body_take(body, (struct span){piece, (size_t)size}, &output);
        else if (size == 0)
            inject_body_end(body, &output);
        if (body->verdict == INJECT_GOOD && io_write_all(file, buf_span(&output)) != 0)
            return err_system(err, "writing the message");
    } while (size != 0 && body->verdict == INJECT_GOOD);
    return 0;
}

int inject_write(const struct command_call *call, const struct envelope *envelope, int file,
                 enum inject_verdict *verdict, struct err *err)
{
    struct inject_body body = {0};
    int status = write_trace(call, envelope, file, err);

    if (status == 0)
        status = write_body(call, file, &body, err);
    *verdict = body.verdict;
    return status;
}
