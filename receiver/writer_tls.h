/*
 * The writer's part in one session's STARTTLS: it has mailmill-tls started (receiver/starttls.h), and writes into the
 * envelope what that one, not the session, says of protocol and cipher.
 *
 *     writer_tls_init(&tls);
 *     frame_receive(..., tls.passed, &tls.passed_count, &err);     each request
 *     writer_tls_start(&tls, &starttls, &stream, &err);            the session asks for TLS, and gets the stream
 *     writer_tls_fill_in(&tls, client, &envelope, &err);           a message begins
 *     writer_tls_close_passed(&tls);                               after each request
 *     writer_tls_end(&tls, client, wait_ms);                       the session is gone
 */
#ifndef RECEIVER_WRITER_TLS_H
#define RECEIVER_WRITER_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/envelope.h"
#include "common/err.h"
#include "common/frame.h"
#include "receiver/starttls.h"

struct writer_tls {
    struct starttls_link link; /* to the process that has the client since it asked for TLS */
    bool was_asked_for;
    int passed[FRAME_FDS_MAX]; /* descriptors that came with a request; closed after it */
    size_t passed_count;
};

void writer_tls_init(struct writer_tls *tls);

/* Before the writer's sandbox: a client may ask for TLS after a message, but not twice. */
void writer_tls_leave_starter(const struct writer_tls *tls, struct starttls *starttls);

/*
 * Gives the client, whose two descriptors have come, away; `stream` is what the session gets in its place, the
 * caller's to close. A protocol error when TLS is not offered (no config in `starttls`) or was asked for before.
 */
__attribute__((warn_unused_result)) int writer_tls_start(struct writer_tls *tls, const struct starttls *starttls,
                                                         int *stream, struct err *err);
void writer_tls_close_passed(struct writer_tls *tls);

/* Puts protocol and cipher into the envelope, whose client_protocol is there. A protocol error when that does not
 * fit.
 */
__attribute__((warn_unused_result)) int writer_tls_fill_in(struct writer_tls *tls, const char *client,
                                                           struct envelope *envelope, struct err *err);

/*
 * Forgets the link. Where mailmill-tls ends with this process, it gets `wait_ms` for its last words to the client;
 * else 0.
 */
void writer_tls_end(struct writer_tls *tls, const char *client, int wait_ms);

#endif
