#include "receiver/starttls/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

void relay_init(struct relay *relay, int in, int out, int session)
{
    relay->tls = NULL;
    relay->in = in;
    relay->out = out;
    relay->session = session;
    relay->up.from = relay->up.to = relay->down.from = relay->down.to = 0;
    relay->up.ended = relay->down.ended = relay->up_closed = relay->session_gone = false;
    relay->ends_ms = INT64_MAX;
}

static bool is_empty(const struct relay_flow *flow)
{
    return flow->from == flow->to;
}

/* What libtls waits for, as poll(2) has it. False: it waits for nothing, it has an answer. */
static bool note_want(struct relay *relay, ssize_t answer)
{
    if (answer == TLS_WANT_POLLIN)
        relay->client_wants |= POLLIN;
    else if (answer == TLS_WANT_POLLOUT)
        relay->client_wants |= POLLOUT;
    return answer == TLS_WANT_POLLIN || answer == TLS_WANT_POLLOUT;
}

/* Milliseconds from now, for poll(2). */
static int time_left(int64_t ends_ms)
{
    int64_t left;

    if (ends_ms == INT64_MAX)
        return -1;
    left = ends_ms - clock_monotonic_ms();
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* A descriptor that nothing is wanted of is left out: its end would be reported again and again. */
static struct pollfd entry(int fd, short wants)
{
    return (struct pollfd){.fd = wants == 0 ? -1 : fd, .events = wants};
}

/* Waits for what is wanted. The session's end is always looked for. False: too late. */
static bool wait_turn(struct relay *relay, bool with_session, int64_t ends_ms)
{
    struct pollfd polled[] = {
        entry(relay->in, relay->client_wants & POLLIN),
        entry(relay->out, relay->client_wants & POLLOUT),
        entry(relay->session, relay->session_wants),
    };
    int ready;

    if (with_session && !relay->session_gone)
        polled[2].fd = relay->session;
    ready = poll(polled, sizeof polled / sizeof polled[0], time_left(ends_ms));
    if (ready < 0)
        return errno == EINTR;
    if ((polled[2].revents & (POLLHUP | POLLERR)) != 0 && !relay->session_gone) {
        relay->session_gone = true;
        relay->ends_ms = clock_monotonic_ms() + RELAY_LINGER_MS;
    }
    return ready > 0;
}

int relay_shake_hands(struct relay *relay, struct tls *server, int64_t ends_ms, struct err *err)
{
    int status;

    if (tls_accept_fds(server, &relay->tls, relay->in, relay->out) != 0)
        return err_set(err, ERR_TEMPORARY, "TLS: %s", tls_error(server));
    relay->session_wants = 0;
    for (;;) {
        relay->client_wants = 0;
        status = tls_handshake(relay->tls);
        if (!note_want(relay, status))
            break;
        if (!wait_turn(relay, true, ends_ms))
            return err_set(err, ERR_PROTOCOL, "the client took too long for the handshake");
        if (relay->session_gone)
            return err_set(err, ERR_PROTOCOL, "the session left during the handshake");
    }
    return status == 0 ? 0 : err_set(err, ERR_PROTOCOL, "%s", tls_error(relay->tls));
}

/* ---- one turn; each of these gives whether it got anything done ---- */

static bool take_from_client(struct relay *relay)
{
    struct relay_flow *flow = &relay->up;
    ssize_t got;

    if (flow->ended || !is_empty(flow))
        return false;
    got = tls_read(relay->tls, flow->bytes, sizeof flow->bytes);
    if (note_want(relay, got))
        return false;
    flow->from = 0;
    flow->to = got > 0 ? (size_t)got : 0;
    flow->ended = got <= 0; /* whether it said goodbye or not: the end of a message is SMTP's to see */
    return true;
}

static bool give_to_session(struct relay *relay)
{
    struct relay_flow *flow = &relay->up;
    ssize_t written;

    if (is_empty(flow)) {
        if (!flow->ended || relay->up_closed)
            return false;
        relay->up_closed = true;
        (void)shutdown(relay->session, SHUT_WR);
        return true;
    }
    written = write(relay->session, flow->bytes + flow->from, flow->to - flow->from);
    if (written < 0 && errno == EAGAIN) {
        relay->session_wants |= POLLOUT;
        return false;
    }
    if (written < 0) {
        flow->from = flow->to;
        flow->ended = true;
    } else {
        flow->from += (size_t)written;
    }
    return true;
}

static bool take_from_session(struct relay *relay)
{
    struct relay_flow *flow = &relay->down;
    ssize_t got;

    if (flow->ended || !is_empty(flow))
        return false;
    got = read(relay->session, flow->bytes, sizeof flow->bytes);
    if (got < 0 && errno == EAGAIN) {
        relay->session_wants |= POLLIN;
        return false;
    }
    flow->from = 0;
    flow->to = got > 0 ? (size_t)got : 0;
    flow->ended = got <= 0;
    return true;
}

static bool give_to_client(struct relay *relay)
{
    struct relay_flow *flow = &relay->down;
    ssize_t written;

    if (is_empty(flow))
        return false;
    written = tls_write(relay->tls, flow->bytes + flow->from, flow->to - flow->from);
    if (note_want(relay, written))
        return false;
    if (written <= 0) {
        flow->from = flow->to;
        flow->ended = true;
    } else {
        flow->from += (size_t)written;
    }
    return true;
}

void relay_run(struct relay *relay)
{
    while (!relay->down.ended || !is_empty(&relay->down)) {
        bool busy;

        relay->client_wants = 0;
        relay->session_wants = 0;
        busy = take_from_client(relay);
        busy |= give_to_session(relay);
        busy |= take_from_session(relay);
        busy |= give_to_client(relay);
        if (!busy && !wait_turn(relay, true, relay->ends_ms))
            return;
    }
}

/* ---- the end ---- */

/* Reads on, and drops it, until the client has closed its side. */
static void await_client(struct relay *relay, int64_t ends_ms)
{
    ssize_t got;

    relay->client_wants = POLLIN;
    do
        got = read(relay->in, relay->up.bytes, sizeof relay->up.bytes);
    while (got > 0 || (got < 0 && errno == EAGAIN && wait_turn(relay, false, ends_ms)));
}

void relay_leave(struct relay *relay)
{
    int64_t ends_ms = clock_monotonic_ms() + RELAY_LINGER_MS;

    if (ends_ms > relay->ends_ms)
        ends_ms = relay->ends_ms;
    relay->session_wants = 0;
    do
        relay->client_wants = 0;
    while (relay->tls != NULL && note_want(relay, tls_close(relay->tls)) && wait_turn(relay, false, ends_ms));
    (void)close(relay->session);
    if (shutdown(relay->out, SHUT_WR) == 0)
        await_client(relay, ends_ms);
}
