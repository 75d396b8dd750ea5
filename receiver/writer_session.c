#include "receiver/writer_session.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/rejection.h"
#include "receiver/reply.h"
#include "receiver/wire.h"
#include "receiver/writer_message.h"
#include "receiver/writer_sandbox.h"

void writer_session_init(struct writer_session *session, const struct config *config, int socket, struct span client)
{
    *session = (struct writer_session){.socket = socket, .file = -1};
    writer_tls_init(&session->tls);
    client = span_slice(client, 0, sizeof session->client - 1);
    memcpy(session->client, client.data, client.size); /* the NUL is there already */
    if (writer_proxy_join(&session->proxy, config, session->client))
        session->state = WRITER_MEETING;
}

bool writer_session_has_message(const struct writer_session *session)
{
    return session->state == WRITER_WRITING || session->state == WRITER_COMMITTING;
}

/* ---- answers ---- */

static int answer(const struct writer_session *session, const struct buf *frame, const int *fd, struct err *err)
{
    if (session->socket < 0)
        return 0; /* it left; there is nobody to be told */
    if (frame_send(session->socket, frame, fd, fd == NULL ? 0 : 1, err) == 0)
        return 0;
    return err->number == EAGAIN ? err_set(err, ERR_PROTOCOL, "the session takes no answers") : -1;
}

static int answer_failed(const struct writer_session *session, enum reply_failure failure, struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, WIRE_FAILED);
    frame_put_number(&frame, failure);
    return answer(session, &frame, NULL, err);
}

/* Logs why, and tells the session what to tell the client. The message, if one was begun, is gone. */
static int answer_failure(const struct writer_session *session, const struct err *why, struct err *err)
{
    enum reply_failure failure = reply_failure_of(why->number);

    if (failure == FAILURE_NONE)
        failure = why->kind == ERR_PERMANENT ? FAILURE_REFUSED : FAILURE_TEMPORARY;
    log_say(LOG_ERR, "%s", why->text);
    return answer_failed(session, failure, err);
}

static void log_accepted(const struct writer_session *session)
{
    const struct envelope *envelope = &session->envelope;
    struct log_line line;

    log_start(&line, LOG_INFO, "accepted");
    log_text(&line, "id", span_text(envelope->id));
    log_text(&line, "client", span_text(envelope->client_address));
    writer_proxy_log(&session->proxy, &line);
    log_text(&line, "helo", span_text(envelope->client_helo));
    log_text(&line, "from", span_text(envelope->sender.text));
    log_number(&line, "size", (int64_t)session->size);
    log_number(&line, "recipients", (int64_t)envelope->recipient_count);
    log_text(&line, "to", span_text(envelope->recipients[0].text));
    log_end(&line);
}

int writer_session_answer(struct writer *writer, struct writer_session *session, struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf committed = buf_over(storage, sizeof storage);

    if (session->entry.err.kind != ERR_NONE) {
        writer_message_discard(writer, session);
        return answer_failure(session, &session->entry.err, err);
    }
    FAULT_POINT("writer-before-answer");
    log_accepted(session);
    frame_start(&committed, WIRE_COMMITTED);
    frame_put_text(&committed, span_text(session->envelope.id));
    writer_message_forget(writer, session);
    return answer(session, &committed, NULL, err);
}

/* ---- requests ---- */

int writer_session_lock_in(struct writer *writer, struct err *err)
{
    if (writer->spool.is_open)
        return 0;
    if (spool_open(&writer->spool, writer->config->spool, SPOOL_RECEIVER, err) != 0)
        return -1;
    if (writer_enter_sandbox(writer->config, err) == 0)
        return 0;
    spool_close(&writer->spool);
    return -1;
}

/* Only now: a client that never gets as far as a message costs no more than the configuration. */
static int open_spool(struct writer *writer, const struct writer_session *session, struct err *err)
{
    if (!writer->spool.is_open)
        writer_tls_leave_starter(&session->tls, &writer->starttls);
    return writer_session_lock_in(writer, err);
}

static int on_begin(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                    struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf ready = buf_over(storage, sizeof storage);
    struct err why = {0};

    /* The sandbox comes before the first look at what the session wrote. */
    if (open_spool(writer, session, &why) != 0)
        return answer_failure(session, &why, err);
    if (writer_message_read(writer, session, frame, err) != 0) {
        if (err->kind == ERR_PROTOCOL)
            return -1;
        why = *err;
        writer_message_forget(writer, session);
        return answer_failure(session, &why, err);
    }
    if (writer_message_start(writer, session, &why) != 0) {
        writer_message_discard(writer, session);
        return answer_failure(session, &why, err);
    }
    FAULT_POINT("writer-begun");
    frame_start(&ready, WIRE_READY);
    return answer(session, &ready, &session->file, err);
}

static int check_size(struct writer_session *session, uint64_t appended, struct err *err)
{
    struct stat status;

    if (fstat(session->file, &status) != 0)
        return err_system(err, "looking at %s", session->envelope.id);
    session->size = (uint64_t)status.st_size;
    if (session->size != session->trace_size + appended)
        return err_set(err, ERR_PROTOCOL, "the session appended %llu bytes and says %llu",
                       (unsigned long long)(session->size - session->trace_size), (unsigned long long)appended);
    return 0;
}

static int on_commit(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                     struct err *err)
{
    uint64_t appended = frame_number(frame);

    (void)writer;
    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed commit");
    if (check_size(session, appended, err) != 0)
        return -1;
    session->entry = (struct commit_entry){
        .id = session->envelope.id, .file = session->file, .size = session->size, .owner = session};
    session->state = WRITER_COMMITTING;
    return 0;
}

static int on_discard(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                      struct err *err)
{
    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed discard");
    writer_message_discard(writer, session);
    return 0;
}

/* Mail goes on without; and one line says as much as one for each. */
static void record(struct writer *writer, const struct rejection *rejection)
{
    struct rejection_paths paths;
    struct err err;
    int status = rejection_paths(&paths, writer->config->index, &err);

    if (status == 0)
        status = rejection_append(&paths, rejection, &err);
    if (status != 0 && !writer->unrecorded)
        log_say(LOG_ERR, "a rejection is not in the history: %s", err.text);
    writer->unrecorded = status != 0;
}

/* Whether there may be one more line about a client that brought no mail. The history has its rejections all the
 * same. */
static bool may_log(struct writer *writer)
{
    uint64_t left_out;
    enum log_limit_answer answer = log_limit_ask(&writer->noise, clock_monotonic_ms(), &left_out);

    if (left_out > 0)
        log_say(LOG_NOTICE, "%llu lines about clients were left out", (unsigned long long)left_out);
    if (answer == LOG_LIMIT_LAST)
        log_say(LOG_NOTICE, "more than %d lines about clients in %d s: the rest is left out", LOG_LIMIT_LINES,
                LOG_LIMIT_MS / 1000);
    return answer == LOG_LIMIT_SAY;
}

static void log_rejected(const struct writer_session *session, const struct rejection *rejection)
{
    struct log_line line;

    log_start(&line, LOG_INFO, "rejected");
    log_text(&line, "client", rejection->client);
    writer_proxy_log(&session->proxy, &line);
    log_text(&line, "helo", rejection->helo);
    log_text(&line, "from", rejection->sender);
    log_text(&line, "to", rejection->recipient);
    log_text(&line, "reply", rejection->reply);
    log_end(&line);
}

static int on_rejected(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                       struct err *err)
{
    uint64_t of_mail = frame_number(frame);
    struct rejection rejection = {.time_ms = clock_now_ms(), .client = span_text(session->client)};

    rejection.recipient = frame_text(frame, ADDRESS_SIZE - 1);
    rejection.reply = frame_text(frame, REPLY_LINE_MAX);
    rejection.helo = frame_text(frame, ENVELOPE_HELO_SIZE - 1);
    rejection.sender = frame_text(frame, ADDRESS_SIZE - 1);
    if (!frame_is_whole(frame) || of_mail > 1)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed rejection");
    if (may_log(writer))
        log_rejected(session, &rejection);
    if (of_mail == 1 && writer->config->record_rejections)
        record(writer, &rejection);
    return 0;
}

static int on_log(struct writer *writer, struct writer_session *session, struct frame_reader *frame, struct err *err)
{
    uint64_t level = frame_number(frame);
    struct span text = frame_text(frame, WIRE_LOG_MAX);
    char storage[WIRE_LOG_MAX + 2 * ENVELOPE_CLIENT_SIZE + 16];
    struct buf line = buf_over(storage, sizeof storage);

    if (!frame_is_whole(frame) || level > LOG_DEBUG)
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed log line");
    if (!may_log(writer))
        return 0;
    buf_put(&line, text);
    buf_printf(&line, " client=%s", session->client);
    if (session->proxy.via[0] != '\0')
        buf_printf(&line, " via=%s", session->proxy.via);
    log_relay((int)level, buf_span(&line));
    return 0;
}

/*
 * A client that is done and does not leave keeps its mailmill-tls for a while, but no slot of the listener's. Of
 * these there are no more than of sessions, lest who comes again and again has the machine full of them.
 */
static bool too_many_leave(const struct writer *writer, const struct writer_session *session)
{
    size_t count = 0;
    size_t same = 0;

    for (const struct writer_session *other = writer->leaving; other != NULL; other = other->next) {
        count++;
        same += strcmp(other->client, session->client) == 0;
    }
    return count >= writer->config->max_sessions || same >= writer->config->max_client_sessions;
}

static int on_starttls(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                       struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf securing = buf_over(storage, sizeof storage);
    struct err why = {0};
    int stream;
    int status;

    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed request for TLS");
    if (too_many_leave(writer, session)) {
        refusals_say(&writer->refusals, LOG_NOTICE, session->client, session->proxy.via,
                     "too many have not left STARTTLS yet");
        return answer_failed(session, FAILURE_NO_RESOURCES, err);
    }
    if (writer_tls_start(&session->tls, &writer->starttls, &stream, err) != 0) {
        if (err->kind == ERR_PROTOCOL)
            return -1;
        why = *err;
        return answer_failure(session, &why, err);
    }
    frame_start(&securing, WIRE_SECURING);
    status = answer(session, &securing, &stream, err);
    (void)close(stream);
    return status;
}

/* How many other sessions the client has, whichever way they came. */
static size_t count_same(const struct writer *writer, const struct writer_session *session)
{
    size_t count = 0;

    for (const struct writer_session *other = writer->sessions; other != NULL; other = other->next)
        if (other != session && other->state != WRITER_LEAVING && other->socket >= 0 &&
            writer_proxy_is_same(&other->proxy, &session->proxy))
            count++;
    return count;
}

static int on_client(struct writer *writer, struct writer_session *session, struct frame_reader *frame,
                     struct err *err)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf met = buf_over(storage, sizeof storage);
    struct span named = frame_text(frame, ENVELOPE_CLIENT_SIZE - 1);
    bool too_many;

    if (!frame_is_whole(frame))
        return err_set(err, ERR_PROTOCOL, "the session sent a malformed client");
    if (writer_proxy_name(&session->proxy, session->client, named, err) != 0)
        return -1;
    too_many = session->proxy.is_client && count_same(writer, session) >= writer->config->max_client_sessions;
    if (too_many)
        refusals_say(&writer->refusals, LOG_NOTICE, session->client, session->proxy.via, "max-sessions-per-client");
    session->state = too_many ? WRITER_LEAVING : WRITER_IDLE;
    frame_start(&met, too_many ? WIRE_TOO_MANY : WIRE_WELCOME);
    return answer(session, &met, NULL, err);
}

#define IN(state) (1U << (state))

/* Which request is permitted when, and what is done for it. */
static const struct {
    unsigned states;
    int (*act)(struct writer *writer, struct writer_session *session, struct frame_reader *frame, struct err *err);
} requests[] = {
    [WIRE_BEGIN] = {IN(WRITER_IDLE), on_begin},
    [WIRE_COMMIT] = {IN(WRITER_WRITING), on_commit},
    [WIRE_DISCARD] = {IN(WRITER_WRITING), on_discard},
    [WIRE_REJECTED] = {IN(WRITER_IDLE) | IN(WRITER_WRITING), on_rejected},
    [WIRE_LOG] = {IN(WRITER_IDLE) | IN(WRITER_WRITING) | IN(WRITER_MEETING) | IN(WRITER_LEAVING), on_log},
    [WIRE_STARTTLS] = {IN(WRITER_IDLE), on_starttls},
    [WIRE_CLIENT] = {IN(WRITER_MEETING), on_client},
};
static_assert(sizeof requests / sizeof requests[0] == WIRE_REQUEST_END, "every request has its row");

static int serve(struct writer *writer, struct writer_session *session, struct frame_reader *frame, struct err *err)
{
    if (frame->bad || frame->type >= WIRE_REQUEST_END || requests[frame->type].act == NULL)
        return err_set(err, ERR_PROTOCOL, "the session sent an unknown request %d", frame->type);
    if ((requests[frame->type].states & IN(session->state)) == 0)
        return err_set(err, ERR_PROTOCOL, "the session sent request %d out of turn", frame->type);
    return requests[frame->type].act(writer, session, frame, err);
}

int writer_session_hear(struct writer *writer, struct writer_session *session, struct err *err)
{
    static char storage[WIRE_FRAME_MAX];
    struct frame_reader frame;
    struct writer_tls *tls = &session->tls;
    int status =
        frame_receive(session->socket, storage, sizeof storage, &frame, tls->passed, &tls->passed_count, err);

    if (status == 1 && serve(writer, session, &frame, err) != 0)
        status = -1;
    writer_tls_close_passed(tls);
    return status;
}

void writer_session_end(struct writer *writer, struct writer_session *session)
{
    writer_message_discard(writer, session);
}
