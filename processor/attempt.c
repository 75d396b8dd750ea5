#include "processor/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/route.h"

void attempt_close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

struct attempt *attempt_new(const struct config_handler *handler, uint64_t number, int64_t now_ms, struct err *err)
{
    struct attempt *attempt = malloc(sizeof *attempt);

    if (attempt == NULL) {
        err_system(err, "memory for an attempt");
        return NULL;
    }
    memset(attempt, 0, offsetof(struct attempt, delivery));
    attempt->out_tail.at = attempt->errors_tail.at = 0;
    attempt->out_tail.wrapped = attempt->errors_tail.wrapped = false;
    attempt->number = number;
    attempt->kind = handler->kind;
    attempt->retry = (struct retry_policy){handler->retry_first_ms, handler->retry_max_ms, handler->give_up_ms};
    attempt->breaker = (struct breaker_policy){handler->pause_after, handler->retry_first_ms};
    attempt->coalesces = handler->coalesce_ms > 0;
    attempt->go_on = handler->go_on;
    memcpy(attempt->exit_codes, handler->exit_codes, sizeof attempt->exit_codes);
    attempt->out = attempt->errors = attempt->whole = attempt->composed = attempt->message = -1;
    attempt->end = RUN_NOT_STARTED; /* as long as nothing has ended */
    attempt->started_ms = now_ms;
    return attempt;
}

void attempt_free(struct attempt *attempt)
{
    attempt_close_fd(&attempt->out);
    attempt_close_fd(&attempt->errors);
    attempt_close_fd(&attempt->whole);
    attempt_close_fd(&attempt->composed);
    attempt_close_fd(&attempt->message);
    ledger_group_free(&attempt->group);
    free(attempt);
}

int attempt_open_message(const struct attempt_context *context, const struct attempt *attempt, struct err *err)
{
    char output[LEDGER_KEY_SIZE];
    int filtered = ledger_filtered(context->index, &attempt->delivery, output, err);

    if (filtered < 0)
        return -1;
    return filtered == 1 ? outbox_read(context->outbox, output, err)
                         : spool_open_message(context->spool, attempt->delivery.message_id, err);
}

/* ---- its program ---- */

static int make_pipe(int ends[static 2], struct err *err)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_system(err, "pipe");
    /* Only our end: a program that finds its output not blocking loses some of it. */
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return err_system(err, "pipe");
    return 0;
}

int attempt_launch(struct attempt *attempt, const struct launcher *launcher, uint64_t program, int in,
                   const struct environment *environment, struct err *err)
{
    int out[2] = {-1, -1};
    int errors[2] = {-1, -1};
    int status = -1;

    if (make_pipe(out, err) == 0 && make_pipe(errors, err) == 0)
        status =
            launcher_run(launcher, attempt->number, program, environment, (const int[]){in, out[1], errors[1]}, err);
    attempt_close_fd(&out[1]);
    attempt_close_fd(&errors[1]);
    if (status != 0) {
        attempt_close_fd(&out[0]);
        attempt_close_fd(&errors[0]);
        return -1;
    }
    attempt->out = out[0];
    attempt->errors = errors[0];
    return 0;
}

bool attempt_read(struct attempt *attempt, int *fd, struct span *bytes)
{
    static char storage[ATTEMPT_READ_SIZE];
    ssize_t size = *fd < 0 ? 0 : read(*fd, storage, sizeof storage);

    *bytes = (struct span){storage, size > 0 ? (size_t)size : 0};
    if (size > 0)
        capture_add(fd == &attempt->out ? &attempt->out_tail : &attempt->errors_tail, *bytes);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        attempt_close_fd(fd);
    return size > 0;
}

bool attempt_save(struct attempt *attempt, struct span bytes, uint64_t max)
{
    attempt->whole_size += bytes.size;
    if (attempt->whole_size > max)
        attempt->is_too_much = true;
    while (bytes.size > 0 && !attempt->is_too_much) {
        ssize_t written = FAULT_ERRNO("attempt-save") ? -1 : write(attempt->whole, bytes.data, bytes.size);

        if (written < 0 && errno != EINTR) {
            attempt->save_errno = errno;
            return false;
        }
        if (written > 0)
            bytes = span_slice(bytes, (size_t)written, bytes.size);
    }
    return !attempt->is_too_much;
}

void attempt_take_end(struct attempt *attempt, enum run_end end, int64_t number)
{
    attempt->end = end;
    attempt->end_number = number;
    if (attempt->is_too_much) {
        attempt->end = RUN_TOO_MUCH;
    } else if (attempt->save_errno != 0) {
        attempt->end = RUN_NOT_SAVED;
        attempt->end_number = attempt->save_errno;
    }
}

/* ---- its environment ---- */

static void put_address(struct environment *environment, const struct delivery *d, struct span extension)
{
    char local[ADDRESS_LOCAL_MAX + 1];
    struct span address = span_text(d->address.text);
    struct span domain = address_domain(&d->address);
    struct span octets = {local, address_local_octets(&d->address, local)};

    environment_put(environment, ENVIRONMENT_SENDER, span_text(d->sender.text));
    environment_put(environment, ENVIRONMENT_RECIPIENT, address);
    environment_put(environment, ENVIRONMENT_ORIGINAL_RECIPIENT, address);
    environment_put(environment, ENVIRONMENT_LOCAL, octets);
    environment_put(environment, ENVIRONMENT_EXTENSION, extension);
    environment_put(environment, ENVIRONMENT_EXT, extension);
    environment_put(environment, ENVIRONMENT_DOMAIN, domain);
    environment_put(environment, ENVIRONMENT_HOST, domain);
}

static void put_message(struct environment *environment, const struct delivery *d)
{
    const struct message_headers *h = &d->headers;

    environment_put(environment, ENVIRONMENT_CLIENT_ADDRESS, span_text(d->client_address));
    environment_put(environment, ENVIRONMENT_CLIENT_HELO, span_text(d->client_helo));
    environment_put(environment, ENVIRONMENT_CLIENT_PROTOCOL, span_text(d->client_protocol));
    environment_put(environment, ENVIRONMENT_HEADER_SUBJECT, span_text(h->subject));
    environment_put(environment, ENVIRONMENT_HEADER_FROM, span_text(h->from));
    environment_put(environment, ENVIRONMENT_HEADER_TO, span_text(h->to));
    environment_put(environment, ENVIRONMENT_HEADER_DATE, span_text(h->date));
    environment_put(environment, ENVIRONMENT_HEADER_REPLY_TO, span_text(h->reply_to));
    environment_put(environment, ENVIRONMENT_HEADER_MESSAGE_ID, span_text(h->message_id));
    environment_put(environment, ENVIRONMENT_HEADER_LIST_ID, span_text(h->list_id));
    environment_put(environment, ENVIRONMENT_MAILMILL_TLS, span_text(d->tls));
}

static void put_delivery(struct environment *environment, const struct attempt *attempt)
{
    const struct delivery *d = &attempt->delivery;
    char number[24];
    char sharing[24];

    snprintf(number, sizeof number, "%" PRId64, d->attempts);
    snprintf(sharing, sizeof sharing, "%zu", attempt->group.count + 1);
    environment_put(environment, ENVIRONMENT_MAILMILL_ID, span_text(d->message_id));
    environment_put(environment, ENVIRONMENT_MAILMILL_DELIVERY, span_text(attempt->key));
    environment_put(environment, ENVIRONMENT_MAILMILL_ROUTE, span_text(d->route));
    environment_put(environment, ENVIRONMENT_MAILMILL_HANDLER, span_text(d->handler));
    environment_put(environment, ENVIRONMENT_MAILMILL_ATTEMPT, span_text(number));
    environment_put(environment, ENVIRONMENT_MAILMILL_REPLAY, span_text(d->replay > 0 ? "1" : "0"));
    environment_put(environment, ENVIRONMENT_MAILMILL_COALESCED, span_text(sharing));
    environment_put(environment, ENVIRONMENT_MAILMILL_AUTO_REPLY_OK, span_text(attempt->may_reply ? "1" : "0"));
    if (attempt->is_on_dead)
        environment_put(environment, ENVIRONMENT_MAILMILL_REASON, span_text(attempt->reason));
}

int attempt_launch_handler(const struct attempt_context *context, struct attempt *attempt, struct err *err)
{
    static struct environment environment;
    struct span extension = route_find(context->config, &attempt->delivery.address).extension;

    environment_start(&environment);
    put_address(&environment, &attempt->delivery, extension);
    put_message(&environment, &attempt->delivery);
    put_delivery(&environment, attempt);
    return attempt_launch(attempt, context->launcher, attempt->program, attempt->message, &environment, err);
}
