/*
 * The writer: the process that sees the spool and the index, and never the network. It answers the requests of
 * sessions (receiver/wire.h) until they are gone. File first, then the index row, then the answer from which the
 * client gets its 250.
 *
 *     struct writer writer = {.config = &config};
 *     status = writer_run(&writer, session, "192.0.2.1");      one session
 *     status = writer_run_all(&writer, listener);              all those that a listener sends along
 *
 * Messages of several sessions that complete together share their flushes and one transaction of the index
 * (receiver/writer_commit.h); a single session's are written by this process alone, without threads.
 */
#ifndef RECEIVER_WRITER_H
#define RECEIVER_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/index.h"
#include "common/log_limit.h"
#include "common/spool.h"
#include "receiver/refusals.h"
#include "receiver/starttls.h"
#include "receiver/writer_commit.h"

struct writer {
    const struct config *config;
    struct starttls starttls; /* without a config: TLS is not offered */

    /* Private to the writer. */
    /* Opened, and the sandbox applied, at the start of many sessions, or when the first message begins. */
    struct spool spool;
    struct index index;   /* opened when the first message is committed */
    bool has_one_session; /* whose messages are for others to add to the index, where they can */
    int64_t index_due_ms; /* after a failure: when the index is looked at again */
    struct writer_commit commit;
    struct writer_session *sessions; /* a list; of one session by itself empty */
    struct writer_session *leaving;  /* another, of those that are gone, and mailmill-tls is not yet */
    struct refusals refusals;        /* of clients behind a proxy, and of TLS */
    struct log_limit noise;          /* lines about what clients did that brought no mail */
    bool unrecorded;                 /* the last rejection could not be recorded: it was said in the log */
    uint64_t promised;               /* bytes of the messages in hand, by the clients' word */
    int listener;                    /* a socket, or -1 */
    int events;                      /* an epoll descriptor, or -1 */
};

/*
 * Serves a session to its end; the socket, `session`, stays the caller's. `client` is its address. 0, or -1 when the
 * session broke the rules and was cut off.
 */
int writer_run(struct writer *writer, int session, const char *client);

/* Serves the sessions that come along `listener`, until it and all of them are gone. 0, or -1 when nothing can be
 * served. */
int writer_run_all(struct writer *writer, int listener);

#endif
