/*
 * One client's TLS: the handshake, then bytes both ways between the client and its session, until either leaves.
 *
 *     relay_init(&relay, in, out, session);                  descriptors that do not block
 *     relay_shake_hands(&relay, server, ends_ms, &err);      relay.tls, then, has protocol and cipher
 *     relay_run(&relay);
 *     relay_leave(&relay);                                   also after a handshake that failed
 *
 * What is on its way is bounded by one buffer for each direction: who does not read is not written to, and who
 * writes to it waits.
 */
#ifndef RECEIVER_STARTTLS_RELAY_H
#define RECEIVER_STARTTLS_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tls.h>

#include "common/err.h"

enum {
    RELAY_BUFFER_SIZE = 16 * 1024, /* a TLS record */
    RELAY_LINGER_MS = 5000,        /* for the last words to a client whose session has ended */
};

/* What is on its way in one direction. */
struct relay_flow {
    char bytes[RELAY_BUFFER_SIZE];
    size_t from, to;
    bool ended; /* nothing more comes */
};

struct relay {
    struct tls *tls;
    int in, out; /* the client; may be the same descriptor */
    int session;
    struct relay_flow up;   /* to the session */
    struct relay_flow down; /* to the client */
    bool up_closed;         /* the session has been told that nothing more comes */
    bool session_gone;
    int64_t ends_ms; /* monotonic; once the session is gone */
    /* What each descriptor is waited for, worked out anew each turn: POLLIN, POLLOUT. */
    short client_wants, session_wants;
};

void relay_init(struct relay *relay, int in, int out, int session);

/* The handshake as the server's side. Fails (protocol) when the client does it wrong, leaves or is too late. */
__attribute__((warn_unused_result)) int relay_shake_hands(struct relay *relay, struct tls *server, int64_t ends_ms,
                                                          struct err *err);

void relay_run(struct relay *relay);

/* Says goodbye in TLS and lets the client take it: a connection that is just closed may lose what was sent last. */
void relay_leave(struct relay *relay);

#endif
