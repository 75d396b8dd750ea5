#include "receiver/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/route.h"
#include "receiver/reply.h"
#include "receiver/wire.h"
#include "receiver/writer_sandbox.h"

/* ---- answers ---- */

static int answer(struct writer *writer, const struct buf *frame, const int *fd, struct err *err)
{
    return frame_send(writer->session, frame, fd, fd == NULL ? 0 : 1, err);
}

/* Logs why, and tells the session what to tell the client. The message, if one was begun, is gone. */
static int answer_failure(struct writer *writer, const struct err *why, struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    enum reply_failure failure = reply_failure_of(why->number);

    if (failure == FAILURE_NONE)
        failure = why->kind == ERR_PERMANENT ? FAILURE_REFUSED : FAILURE_TEMPORARY;
    log_say(LOG_ERR, "%s", why->text);
    frame_start(&frame, WIRE_FAILED);
    frame_put_number(&frame, failure);
    return answer(writer, &frame, NULL, err);
}

/* ---- one message ---- */

static void forget_message(struct writer *writer)
{
    if (writer->file >= 0)
        (void)close(writer->file);
    writer->file = -1;
    envelope_free(&writer->envelope);
    writer->state = WRITER_IDLE;
}

static void discard_message(struct writer *writer)
{
    if (writer->state == WRITER_WRITING)
        spool_discard(&writer->spool, writer->envelope.id);
    forget_message(writer);
}

/* Only now: a client that never gets as far as a message costs no more than the configuration. */
static int open_spool(struct writer *writer, struct err *err)
{
    if (writer->spool.is_open)
        return 0;
    if (spool_open(&writer->spool, writer->config->spool, true, err) != 0)
        return -1;
    writer_tls_leave_starter(&writer->tls, &writer->starttls);
    if (writer_enter_sandbox(writer->config, err) == 0)
        return 0;
    spool_close(&writer->spool);
    return -1;
}

static int make_id(char id[static ID_SIZE], struct err *err)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_system(err, "getrandom");
    id_make(clock_now_ms(), random, id);
    return 0;
}

static int copy_text(struct span from, char *to, size_t size, const char *what, struct err *err)
{
    struct buf copy = buf_over(to, size);

    buf_put(&copy, from);
    if (copy.overflowed || span_find(from, '\0') < from.size)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed %s", what);
    return 0;
}

/* The session has looked all of them up already; but it is the session that talks to strangers. */
static int read_recipients(struct writer *writer, struct span list, struct err *err)
{
    while (list.size > 0) {
        size_t size = span_find(list, '\0');
        struct address recipient;
        enum route_verdict verdict;

        if (address_parse(&recipient, span_slice(list, 0, size), err) != 0) {
            err->kind = ERR_PROTOCOL;
            return -1;
        }
        verdict = route_find(writer->config, &recipient).verdict;
        if (verdict != ROUTE_FOUND && verdict != ROUTE_KEPT)
            return err_set(err, ERR_PROTOCOL, "the session sent a recipient that is not ours: %s", recipient.text);
        if (envelope_add_recipient(&writer->envelope, &recipient, err) != 0)
            return -1;
        list = span_slice(list, size + 1, list.size);
    }
    if (writer->envelope.recipient_count == 0 || writer->envelope.recipient_count > writer->config->max_recipients)
        return err_set(err, ERR_PROTOCOL, "the session sent %zu recipients", writer->envelope.recipient_count);
    return 0;
}

static int read_envelope(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    struct envelope *envelope = &writer->envelope;
    struct span protocol = frame_text(frame, ENVELOPE_PROTOCOL_SIZE - 1);
    struct span helo = frame_text(frame, ENVELOPE_HELO_SIZE - 1);
    struct span sender = frame_text(frame, ADDRESS_SIZE - 1);
    struct span recipients = frame_text(frame, WIRE_RECIPIENTS_MAX);

    if (!frame_is_whole(frame) || !envelope_helo_is_valid(helo) || !envelope_helo_is_valid(protocol))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed envelope");
    if (copy_text(protocol, envelope->client_protocol, ENVELOPE_PROTOCOL_SIZE, "protocol", err) != 0 ||
        copy_text(helo, envelope->client_helo, ENVELOPE_HELO_SIZE, "name", err) != 0 ||
        copy_text(span_text(writer->client), envelope->client_address, ENVELOPE_CLIENT_SIZE, "client", err) != 0 ||
        writer_tls_fill_in(&writer->tls, writer->client, envelope, err) != 0)
        return -1;
    if (sender.size > 0 && address_parse(&envelope->sender, sender, err) != 0) {
        err->kind = ERR_PROTOCOL;
        return -1;
    }
    return read_recipients(writer, recipients, err);
}

static int write_all(int fd, struct span bytes, struct err *err)
{
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);

        if (written < 0 && errno != EINTR)
            return err_system(err, "writing the trace block");
        if (written > 0)
            bytes = span_slice(bytes, (size_t)written, bytes.size);
    }
    return 0;
}

static int write_trace(struct writer *writer, struct err *err)
{
    size_t capacity = 1024 + (writer->envelope.recipient_count + 1) * (ADDRESS_SIZE + 20);
    char *storage = malloc(capacity);
    struct buf trace;
    int status;

    if (storage == NULL)
        return err_system(err, "memory for the trace block");
    trace = buf_over(storage, capacity);
    envelope_write_trace(&writer->envelope, writer->config->hostname, &trace);
    writer->trace_size = trace.size;
    status = trace.overflowed ? err_set(err, ERR_BUG, "the trace block outgrew its buffer")
                              : write_all(writer->file, buf_span(&trace), err);
    free(storage);
    return status;
}

static int start_file(struct writer *writer, struct err *err)
{
    if (make_id(writer->envelope.id, err) != 0)
        return -1;
    writer->file = spool_create(&writer->spool, writer->envelope.id, err);
    if (writer->file < 0)
        return -1;
    writer->state = WRITER_WRITING;
    return write_trace(writer, err);
}

/* ---- requests ---- */

static int on_begin(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf ready = buf_over(storage, sizeof storage);
    struct err why = {0};

    /* The sandbox comes before the first look at what the session wrote. */
    if (open_spool(writer, &why) != 0)
        return answer_failure(writer, &why, err);
    if (read_envelope(writer, frame, err) != 0) {
        if (err->kind == ERR_PROTOCOL)
            return -1;
        why = *err;
        forget_message(writer);
        return answer_failure(writer, &why, err);
    }
    if (start_file(writer, &why) != 0) {
        discard_message(writer);
        return answer_failure(writer, &why, err);
    }
    FAULT_POINT("writer-begun");
    frame_start(&ready, WIRE_READY);
    return answer(writer, &ready, &writer->file, err);
}

static void log_accepted(const struct writer *writer, uint64_t size)
{
    const struct envelope *envelope = &writer->envelope;
    struct log_line line;

    log_start(&line, LOG_INFO, "accepted");
    log_text(&line, "id", span_text(envelope->id));
    log_text(&line, "client", span_text(envelope->client_address));
    log_text(&line, "helo", span_text(envelope->client_helo));
    log_text(&line, "from", span_text(envelope->sender.text));
    log_number(&line, "size", (int64_t)size);
    log_number(&line, "recipients", (int64_t)envelope->recipient_count);
    log_text(&line, "to", span_text(envelope->recipients[0].text));
    log_end(&line);
}

/*
 * The message is safe in the spool already and the processor adopts files that have no row: a failure here is worth a
 * line in the log, and not a 451, after which the client would send the message a second time.
 */
static void add_to_index(struct writer *writer, uint64_t size)
{
    struct err err = {0};

    if (writer->index.db == NULL && index_open(&writer->index, writer->config->index, INDEX_RECEIVER, &err) != 0) {
        log_say(LOG_WARNING, "%s has no index row yet: %s", writer->envelope.id, err.text);
        return;
    }
    if (index_add_message(&writer->index, &writer->envelope, size, &err) != 0)
        log_say(LOG_WARNING, "%s has no index row yet: %s", writer->envelope.id, err.text);
}

static int check_size(struct writer *writer, uint64_t appended, uint64_t *size, struct err *err)
{
    struct stat status;

    if (fstat(writer->file, &status) != 0)
        return err_system(err, "looking at %s", writer->envelope.id);
    *size = (uint64_t)status.st_size;
    if (*size != writer->trace_size + appended)
        return err_set(err, ERR_PROTOCOL, "the session appended %llu bytes and says %llu",
                       (unsigned long long)(*size - writer->trace_size), (unsigned long long)appended);
    return 0;
}

static int on_commit(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    uint64_t appended = frame_number(frame);
    char storage[WIRE_ANSWER_MAX];
    struct buf committed = buf_over(storage, sizeof storage);
    struct err why = {0};
    uint64_t size = 0;

    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed commit");
    if (check_size(writer, appended, &size, err) != 0)
        return -1;
    if (spool_commit(&writer->spool, writer->envelope.id, writer->file, &why) != 0) {
        discard_message(writer);
        return answer_failure(writer, &why, err);
    }
    add_to_index(writer, size);
    FAULT_POINT("writer-before-answer");
    log_accepted(writer, size);
    frame_start(&committed, WIRE_COMMITTED);
    frame_put_text(&committed, span_text(writer->envelope.id));
    forget_message(writer);
    return answer(writer, &committed, NULL, err);
}

static int on_discard(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed discard");
    discard_message(writer);
    return 0;
}

static int on_rejected(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    struct span recipient = frame_text(frame, ADDRESS_SIZE - 1);
    struct span reply = frame_text(frame, REPLY_LINE_MAX);
    struct span helo = frame_text(frame, ENVELOPE_HELO_SIZE - 1);
    struct span sender = frame_text(frame, ADDRESS_SIZE - 1);
    struct log_line line;

    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed rejection");
    log_start(&line, LOG_INFO, "rejected");
    log_text(&line, "client", span_text(writer->client));
    log_text(&line, "helo", helo);
    log_text(&line, "from", sender);
    log_text(&line, "to", recipient);
    log_text(&line, "reply", reply);
    log_end(&line);
    return 0;
}

static int on_log(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    uint64_t level = frame_number(frame);
    struct span text = frame_text(frame, WIRE_LOG_MAX);
    char storage[WIRE_LOG_MAX + ENVELOPE_CLIENT_SIZE + 16];
    struct buf line = buf_over(storage, sizeof storage);

    if (!frame_is_whole(frame) || level > LOG_DEBUG)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed log line");
    buf_put(&line, text);
    buf_printf(&line, " client=%s", writer->client);
    log_relay((int)level, buf_span(&line));
    return 0;
}

static int on_starttls(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf securing = buf_over(storage, sizeof storage);
    struct err why = {0};
    int stream;
    int status;

    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed request for TLS");
    if (writer_tls_start(&writer->tls, &writer->starttls, &stream, err) != 0) {
        if (err->kind == ERR_PROTOCOL)
            return -1;
        why = *err;
        return answer_failure(writer, &why, err);
    }
    frame_start(&securing, WIRE_SECURING);
    status = answer(writer, &securing, &stream, err);
    (void)close(stream);
    return status;
}

#define IN(state) (1U << (state))

/* Which request is permitted when, and what is done for it. */
static const struct {
    unsigned states;
    int (*act)(struct writer *writer, struct frame_reader *frame, struct err *err);
} requests[] = {
    [WIRE_BEGIN] = {IN(WRITER_IDLE), on_begin},
    [WIRE_COMMIT] = {IN(WRITER_WRITING), on_commit},
    [WIRE_DISCARD] = {IN(WRITER_WRITING), on_discard},
    [WIRE_REJECTED] = {IN(WRITER_IDLE) | IN(WRITER_WRITING), on_rejected},
    [WIRE_LOG] = {IN(WRITER_IDLE) | IN(WRITER_WRITING), on_log},
    [WIRE_STARTTLS] = {IN(WRITER_IDLE), on_starttls},
};
static_assert(sizeof requests / sizeof requests[0] == WIRE_REQUEST_END, "every request has its row");

static int serve(struct writer *writer, struct frame_reader *frame, struct err *err)
{
    if (frame->bad || frame->type >= WIRE_REQUEST_END || requests[frame->type].act == NULL)
        return err_set(err, ERR_PROTOCOL, "the session sent an unknown request %d", frame->type);
    if ((requests[frame->type].states & IN(writer->state)) == 0)
        return err_set(err, ERR_PROTOCOL, "the session sent request %d out of turn", frame->type);
    return requests[frame->type].act(writer, frame, err);
}

int writer_run(struct writer *writer)
{
    static char storage[WIRE_FRAME_MAX];
    struct frame_reader frame;
    struct err err = {0};
    int status;

    writer->file = -1;
    writer_tls_init(&writer->tls);
    do {
        status = frame_receive(writer->session, storage, sizeof storage, &frame, writer->tls.passed,
                               &writer->tls.passed_count, &err);
        if (status == 1 && serve(writer, &frame, &err) != 0)
            status = -1;
        writer_tls_close_passed(&writer->tls);
    } while (status == 1);
    if (status < 0)
        log_say(LOG_ERR, "session of %s cut off: %s", writer->client, err.text);
    discard_message(writer);
    index_close(&writer->index);
    spool_close(&writer->spool);
    /* With this process ends mailmill-tls. */
    writer_tls_end(&writer->tls, writer->client, status == 0 ? STARTTLS_END_MS : 0);
    return status;
}
