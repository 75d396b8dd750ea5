#include "receiver/writer_message.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/io.h"
#include "common/route.h"
#include "receiver/wire.h"

/* ---- the envelope ---- */

static int copy_text(struct span from, char *to, size_t size, const char *what, struct err *err)
{
    struct buf copy = buf_over(to, size);

    buf_put(&copy, from);
    if (copy.overflowed || span_find(from, '\0') < from.size)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed %s", what);
    return 0;
}

/* The session has looked all of them up already; but it is the session that talks to strangers. */
static int read_recipients(const struct config *config, struct envelope *envelope, struct span list, struct err *err)
{
    while (list.size > 0) {
        size_t size = span_find(list, '\0');
        struct address recipient;
        enum route_verdict verdict;

        if (address_parse(&recipient, span_slice(list, 0, size), err) != 0) {
            err->kind = ERR_PROTOCOL;
            return -1;
        }
        verdict = route_find(config, &recipient).verdict;
        if (verdict != ROUTE_FOUND && verdict != ROUTE_KEPT)
            return err_set(err, ERR_PROTOCOL, "the session sent a recipient that is not ours: %s", recipient.text);
        if (envelope_add_recipient(envelope, &recipient, err) != 0)
            return -1;
        list = span_slice(list, size + 1, list.size);
    }
    if (envelope->recipient_count == 0 || envelope->recipient_count > config->max_recipients)
        return err_set(err, ERR_PROTOCOL, "the session sent %zu recipients", envelope->recipient_count);
    return 0;
}

int writer_message_read(const struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                        struct err *err)
{
    struct envelope *envelope = &session->envelope;
    struct span protocol = frame_text(frame, ENVELOPE_PROTOCOL_SIZE - 1);
    struct span helo = frame_text(frame, ENVELOPE_HELO_SIZE - 1);
    struct span sender = frame_text(frame, ADDRESS_SIZE - 1);
    struct span recipients = frame_text(frame, WIRE_RECIPIENTS_MAX);

    session->declared = frame_number(frame);
    if (!frame_is_whole(frame) || !envelope_helo_is_valid(helo) || !envelope_helo_is_valid(protocol) ||
        session->declared > writer->config->max_message_size)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed envelope");
    if (copy_text(protocol, envelope->client_protocol, ENVELOPE_PROTOCOL_SIZE, "protocol", err) != 0 ||
        copy_text(helo, envelope->client_helo, ENVELOPE_HELO_SIZE, "name", err) != 0 ||
        copy_text(span_text(session->client), envelope->client_address, ENVELOPE_CLIENT_SIZE, "client", err) != 0 ||
        writer_tls_fill_in(&session->tls, session->client, envelope, err) != 0)
        return -1;
    if (sender.size > 0 && address_parse(&envelope->sender, sender, err) != 0) {
        err->kind = ERR_PROTOCOL;
        return -1;
    }
    return read_recipients(writer->config, envelope, recipients, err);
}

/* ---- the file ---- */

static int make_id(char id[static ID_SIZE], struct err *err)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_system(err, "getrandom");
    id_make(clock_now_ms(), random, id);
    return 0;
}

/* Before the disk is full: everything else on this machine goes on, and the client comes again. */
static int check_reserve(const struct writer *writer, const struct writer_session *session, struct err *err)
{
    uint64_t wanted = writer->config->reserve + writer->promised + session->declared;
    uint64_t free_bytes;

    if (writer->config->reserve == 0)
        return 0;
    if (spool_free_bytes(&writer->spool, &free_bytes, err) != 0)
        return -1;
    if (free_bytes >= wanted)
        return 0;
    err_set(err, ERR_TEMPORARY, "no room in %s: %llu bytes are free, %llu wanted for the reserve and what comes in",
            writer->spool.path, (unsigned long long)free_bytes, (unsigned long long)wanted);
    err->number = ENOSPC;
    return -1;
}

static int write_trace(const struct writer *writer, struct writer_session *session, struct err *err)
{
    size_t capacity = 1024 + (session->envelope.recipient_count + 1) * (ADDRESS_SIZE + 20);
    char *storage = malloc(capacity);
    struct buf trace;
    int status = 0;

    if (storage == NULL)
        return err_system(err, "memory for the trace block");
    trace = buf_over(storage, capacity);
    envelope_write_trace(&session->envelope, writer->config->hostname, &trace);
    session->trace_size = trace.size;
    if (trace.overflowed)
        status = err_set(err, ERR_BUG, "the trace block outgrew its buffer");
    else if (io_write_all(session->file, buf_span(&trace)) != 0)
        status = err_system(err, "writing the trace block");
    free(storage);
    return status;
}

int writer_message_start(struct writer *writer, struct writer_session *session, struct err *err)
{
    if (check_reserve(writer, session, err) != 0 || make_id(session->envelope.id, err) != 0)
        return -1;
    session->file = spool_create(&writer->spool, session->envelope.id, err);
    if (session->file < 0)
        return -1;
    session->state = WRITER_WRITING;
    writer->promised += session->declared;
    return write_trace(writer, session, err);
}

void writer_message_forget(struct writer *writer, struct writer_session *session)
{
    if (session->file >= 0)
        (void)close(session->file);
    session->file = -1;
    envelope_free(&session->envelope);
    if (writer_session_has_message(session)) {
        writer->promised -= session->declared;
        session->state = WRITER_IDLE;
    }
}

void writer_message_discard(struct writer *writer, struct writer_session *session)
{
    if (writer_session_has_message(session))
        spool_discard(&writer->spool, session->envelope.id);
    writer_message_forget(writer, session);
}
