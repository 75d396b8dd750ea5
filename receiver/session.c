#include "receiver/session.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/pace.h"
#include "receiver/session_message.h"
#include "receiver/session_policy.h"
#include "receiver/session_proxy.h"
#include "receiver/session_report.h"
#include "receiver/session_sandbox.h"
#include "receiver/session_tls.h"
#include "receiver/session_wait.h"
#include "receiver/smtp.h"
#include "receiver/wire.h"

enum {
    INPUT_SIZE = 32 * 1024,
    OUTPUT_SIZE = 4096, /* a poll that says "writable" promises room for as much, so a write never blocks */
};
static_assert((int)OUTPUT_SIZE >= (int)SMTP_OUTPUT_MIN, "an answer must fit");

/* Everything the session works with. Static: the sandbox allows no memory to be asked for. What is used by all stands
 * before what is large: each page that is touched costs about as much as a reply. */
struct conversation {
    const struct session *session;
    int in, out; /* the client, or the stream that stands for it once there is TLS */
    struct smtp_policy policy;
    struct buf output;
    struct span input;    /* what was read and not yet looked at */
    int64_t session_ends; /* monotonic milliseconds */
    struct pace pace;     /* of the message that is on its way */
    bool greeted;
    struct session_message message;
    bool over;
    bool orphaned; /* over because the writer is gone */
    char output_storage[OUTPUT_SIZE];
    struct smtp smtp;
    char input_storage[INPUT_SIZE];
    char recipient_storage[WIRE_RECIPIENTS_MAX];
    char frame_storage[WIRE_FRAME_MAX];
};

/* ---- the writer ---- */

/* Without it there is nobody to receive mail for. */
static void lose_writer(struct conversation *c)
{
    c->orphaned = true;
    c->over = true;
}

static void log_through_writer(void *context, int level, struct span text)
{
    struct conversation *c = context;

    if (session_report_line(c->session->writer, level, text) != 0)
        lose_writer(c);
}

/* ---- the machine's events ---- */

static void open_message(struct conversation *c)
{
    struct buf frame = buf_over(c->frame_storage, sizeof c->frame_storage);

    smtp_opened(&c->smtp, session_message_open(&c->message, &c->smtp, frame), &c->output);
}

static void append_body(struct conversation *c, struct span body)
{
    enum reply_failure failure = session_message_append(&c->message, body);

    if (failure != FAILURE_NONE)
        smtp_write_failed(&c->smtp, failure);
}

static void commit_message(struct conversation *c)
{
    char id[ID_SIZE];
    enum reply_failure failure = session_message_commit(&c->message, id);

    smtp_committed(&c->smtp, failure, id, &c->output);
}

static void report_rejection(struct conversation *c)
{
    if (session_report_rejection(c->session->writer, &c->smtp) != 0)
        lose_writer(c);
}

/* ---- the client ---- */

/* Until when the client may take for what it is to do next. */
static int64_t deadline(const struct conversation *c, short events)
{
    const struct config *config = c->session->config;
    int64_t ends = clock_monotonic_ms() + (c->greeted ? config->command_timeout_ms : config->greet_delay_ms);

    if (events == POLLIN && pace_ends(&c->pace) < ends)
        ends = pace_ends(&c->pace);
    return ends < c->session_ends ? ends : c->session_ends;
}

/* Between two messages: one that is being received is finished first. */
static bool may_stop(const struct conversation *c)
{
    return c->session->stop > 0 && c->message.file < 0 && c->smtp.mode == SMTP_MODE_COMMAND;
}

/* As session_wait(). */
static int wait_for(struct conversation *c, int fd, short events)
{
    const struct session_wait wait = {.fd = fd,
                                      .events = events,
                                      .writer = c->session->writer,
                                      .stop = events == POLLIN && may_stop(c) ? c->session->stop : -1};
    int ready = session_wait(&wait, deadline(c, events));

    if (ready < 0)
        lose_writer(c);
    return ready;
}

/* The client has said QUIT, and nothing behind it that is here and would not be read. */
static bool is_last_word(const struct conversation *c)
{
    struct pollfd more = {.fd = c->in, .events = POLLIN};

    return c->smtp.quits && c->input.size == 0 && poll(&more, 1, 0) == 0;
}

/* Writes all that is in `output`. A client that does not take its replies in time is left without a word. */
static void flush(struct conversation *c)
{
    while (!c->over && c->output.size > 0) {
        ssize_t written = session_send(c->out, buf_span(&c->output), is_last_word(c));

        if (written == 0)
            written = wait_for(c, c->out, POLLOUT) == 1 ? write(c->out, c->output.data, c->output.size) : -1;
        if (written < 0)
            c->over = true;
        else
            buf_consume(&c->output, (size_t)written);
    }
}

static void report_end(const char *what, const struct conversation *c)
{
    session_report_end(what, &c->smtp, c->message.file >= 0 ? "message" : "command");
}

static void time_out(struct conversation *c)
{
    bool too_slow = pace_ends(&c->pace) <= clock_monotonic_ms();

    report_end(too_slow ? "too slow" : "timed out", c);
    smtp_hang_up(&c->smtp, too_slow ? REPLY_TOO_SLOW : REPLY_TIMEOUT, &c->output);
    flush(c);
    c->over = true;
}

/* Answers what is due and reads the next bytes; nothing that was received is acted on after the client has gone. */
static void read_more(struct conversation *c)
{
    ssize_t count;
    int ready;

    flush(c);
    if (c->over)
        return;
    if (smtp_in_body(&c->smtp))
        pace_start(&c->pace, c->session->config, clock_monotonic_ms());
    else
        pace_stop(&c->pace);
    ready = clock_monotonic_ms() < c->session_ends ? wait_for(c, c->in, POLLIN) : 0;
    if (ready == 0) {
        time_out(c);
        return;
    }
    if (ready == SESSION_WAIT_STOP) {
        smtp_hang_up(&c->smtp, REPLY_SHUTDOWN, &c->output);
        return;
    }
    count = ready == 1 ? read(c->in, c->input_storage, sizeof c->input_storage) : -1;
    if (count <= 0) {
        report_end("lost connection", c);
        c->over = true;
        return;
    }
    c->input = (struct span){c->input_storage, (size_t)count};
    pace_add(&c->pace, (uint64_t)count);
}

/* What stands before the client's first word: whose the connection is, where a proxy passes it on. */
static void meet(struct conversation *c)
{
    enum reply reply =
        session_proxy_meet(c->session, c->session_ends, c->input_storage, sizeof c->input_storage, &c->input);

    if (reply == REPLY_GOODBYE)
        c->over = true;
    else if (reply != REPLY_NONE)
        smtp_hang_up(&c->smtp, reply, &c->output);
}

/* A mail server waits for the greeting; who sends without listening does not. */
static void greet(struct conversation *c)
{
    int ready = 0;

    if (c->session->config->greet_delay_ms > 0)
        ready = c->input.size > 0 ? 1 : wait_for(c, c->in, POLLIN);
    c->greeted = true;
    if (ready == 0) {
        smtp_greet(&c->smtp, &c->output);
        return;
    }
    if (c->input.size == 0)
        read_more(c);
    if (c->input.size > 0) {
        smtp_refuse_early(&c->smtp, &c->output);
        report_rejection(c);
    }
}

/* From here on another process has the client, and this one has a stream to it. */
static void start_tls(struct conversation *c)
{
    const int client[] = {c->in, c->out};
    int stream = session_tls_ask(c->session->writer, client);

    if (stream < 0) {
        c->policy.offer_starttls = false; /* what failed is not started again and again for whoever asks */
        smtp_not_secured(&c->smtp, &c->output);
        return;
    }
    session_tls_clear(c->in);
    flush(c);
    (void)close(c->in);
    if (c->out != c->in)
        (void)close(c->out);
    c->in = c->out = stream;
    c->over = c->over || session_tls_go(stream) != 0;
    smtp_secured(&c->smtp);
}

static void step(struct conversation *c)
{
    struct span body = {0};

    switch (smtp_step(&c->smtp, &c->input, &c->output, &body)) {
    case SMTP_MORE:
        read_more(c);
        break;
    case SMTP_FLUSH:
        flush(c);
        break;
    case SMTP_OPEN:
        open_message(c);
        break;
    case SMTP_BODY:
        append_body(c, body);
        break;
    case SMTP_COMMIT:
        commit_message(c);
        break;
    case SMTP_ABORT:
        report_rejection(c);
        session_message_discard(&c->message);
        break;
    case SMTP_WITHDRAWN:
        session_message_discard(&c->message);
        break;
    case SMTP_DISCARDED:
        session_report_discarded(&c->smtp);
        break;
    case SMTP_REJECTED:
        report_rejection(c);
        break;
    case SMTP_STARTTLS:
        start_tls(c);
        break;
    case SMTP_CLOSE:
        flush(c);
        c->over = true;
        break;
    }
    if (c->message.is_orphaned)
        lose_writer(c);
}

/* To a client that has lost its session through no fault of its own, as far as it takes it at once. */
static void apologise(struct conversation *c)
{
    smtp_hang_up(&c->smtp, REPLY_UNAVAILABLE, &c->output);
    (void)session_send(c->out, buf_span(&c->output), false);
}

static void begin(struct conversation *c, const struct session *session)
{
    const struct config *config = session->config;

    c->session = session;
    c->in = session->in;
    c->out = session->out;
    c->policy = session_policy(session);
    c->output = buf_over(c->output_storage, sizeof c->output_storage);
    c->session_ends = clock_monotonic_ms() + config->session_timeout_ms;
    c->message = (struct session_message){.writer = session->writer, .file = -1};
    smtp_init(&c->smtp, &c->policy, c->recipient_storage, sizeof c->recipient_storage);
    log_redirect(log_through_writer, c);
}

int session_run(const struct session *session, struct sandbox *sandbox)
{
    static _Alignas(4096) struct conversation c; /* on pages of its own: none is a copy of the listener's */
    struct err err;

    begin(&c, session);
    if (session_enter_sandbox(session, sandbox, &err) != 0) {
        log_say(LOG_CRIT, "no session without its sandbox: %s", err.text);
        smtp_hang_up(&c.smtp, REPLY_UNAVAILABLE, &c.output);
        flush(&c);
        return EX_OSERR;
    }
    if (session->is_proxied)
        meet(&c);
    if (!c.over && c.smtp.mode != SMTP_MODE_CLOSED)
        greet(&c);
    while (!c.over)
        step(&c);
    if (c.orphaned) {
        apologise(&c);
        return EX_OK;
    }
    return session_report_sent_away(session->writer, &c.smtp) == 0 ? EX_OK : EX_UNAVAILABLE;
}
