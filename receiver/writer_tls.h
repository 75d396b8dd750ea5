/*
 * The writer's part in STARTTLS: it has mailmill-tls started (receiver/starttls.h), and writes into the envelope what
 * that one, not the session, says of protocol and cipher.
 */
#ifndef RECEIVER_WRITER_TLS_H
#define RECEIVER_WRITER_TLS_H

#include <stdbool.h>

#include "common/err.h"
#include "receiver/writer.h"

void writer_tls_init(struct writer_tls *tls, const struct config *config);

/* Before the writer's sandbox: a client may ask for TLS after its first message. */
void writer_tls_leave_starter(struct writer *writer);

/* The client's two descriptors have come, TLS is offered, and was not asked for before. */
bool writer_tls_may_start(const struct writer *writer);
/* Gives the client away; `stream` is what the session gets in its place, the caller's to close. */
__attribute__((warn_unused_result)) int writer_tls_start(struct writer *writer, int *stream, struct err *err);
void writer_tls_close_passed(struct writer_tls *tls);

/* Puts protocol and cipher into the envelope, whose client_protocol is there. A protocol error when that does not
 * fit.
 */
__attribute__((warn_unused_result)) int writer_tls_fill_in(struct writer *writer, struct err *err);

/* The session is over; with `patience` mailmill-tls, which ends with this process, gets time for its last words. */
void writer_tls_end(struct writer *writer, bool patience);

#endif
