#include "receiver/session_proxy.h"

#include <poll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/proxy.h"
#include "receiver/session_wait.h"
#include "receiver/wire.h"

/* The log's line for a header that did not come; the writer puts the proxy's address behind it. */
static enum reply give_up(int level, const char *what, const char *why, enum reply reply)
{
    struct log_line line;

    log_start(&line, level, what);
    log_text(&line, "in", span_text("PROXY header"));
    if (why != NULL)
        log_text(&line, "why", span_text(why));
    log_end(&line);
    return reply;
}

/* What the writer says to the client's name; "" is the proxy's own connection. */
static enum reply tell_writer(const struct session *session, const char *client)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader answer;
    struct err err;

    frame_start(&frame, WIRE_CLIENT);
    frame_put_text(&frame, span_text(client));
    if (frame_send(session->writer, &frame, NULL, 0, &err) != 0 ||
        frame_receive(session->writer, storage, sizeof storage, &answer, NULL, NULL, &err) != 1)
        return REPLY_GOODBYE;
    if (answer.type == WIRE_TOO_MANY)
        return REPLY_TOO_MANY_FROM_CLIENT;
    return answer.type == WIRE_WELCOME ? REPLY_NONE : REPLY_GOODBYE;
}

enum reply session_proxy_meet(const struct session *session, int64_t ends, char *storage, size_t size,
                              struct span *input)
{
    const struct session_wait wait = {.fd = session->in,
                                      .events = POLLIN,
                                      .writer = session->writer,
                                      .stop = session->stop > 0 ? session->stop : -1};
    int64_t now = clock_monotonic_ms();
    enum proxy_verdict verdict = PROXY_MORE;
    struct proxy proxy = {0};

    if (ends > now + SESSION_PROXY_MS)
        ends = now + SESSION_PROXY_MS;
    while (verdict == PROXY_MORE) {
        /* What trickles in without a pause is too late as well. */
        int ready = clock_monotonic_ms() < ends ? session_wait(&wait, ends) : 0;
        ssize_t count;

        if (ready == 0)
            return give_up(LOG_NOTICE, "timed out", NULL, REPLY_NO_PROXY_HEADER);
        if (ready == SESSION_WAIT_STOP)
            return REPLY_SHUTDOWN;
        count = ready == 1 ? read(session->in, storage, size) : -1;
        /* A proxy may look every second whether anybody listens, without a word: that is worth no line. */
        if (count <= 0)
            return proxy.size == 0 ? REPLY_GOODBYE : give_up(LOG_INFO, "lost connection", NULL, REPLY_GOODBYE);
        *input = (struct span){storage, (size_t)count};
        verdict = proxy_take(&proxy, input);
    }
    if (verdict == PROXY_MALFORMED)
        return give_up(LOG_NOTICE, "malformed", proxy.mistake, REPLY_NO_PROXY_HEADER);
    return tell_writer(session, verdict == PROXY_CLIENT ? proxy.client : "");
}
