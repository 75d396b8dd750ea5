/*
 * STARTTLS, as seen from the side that holds neither key nor ciphers: starts mailmill-tls (receiver/starttls/) for a
 * client that asks, and hears from it, the verdict on certificate and key (receiver/starttls_verdict.h) included.
 *
 *     writer                                            session
 *     starttls_start(&starttls, fds, &session, &link)   gets the end `session` of a stream
 *                                                       (receiver/session_tls.h)
 *     starttls_hear(&link, client, 0)                   before what depends on link.tls
 *     starttls_hear(&link, client, STARTTLS_END_MS)     at the end
 *     starttls_close(&link)
 *
 * On the stream mailmill-tls writes one byte when it has its key and is in its sandbox; it reads nothing from the
 * client before the session has written one byte in turn. Then come the client's bytes, decrypted, and the answers.
 *
 * A sandbox is for good and for the programs that are started in it, and mailmill-tls has to load libraries and read
 * its key. So the writer, which may not from its own sandbox on (receiver/writer_sandbox.h), leaves a process behind
 * that may: it takes one descriptor for each request, no path and no command line, and starts nothing else.
 */
#ifndef RECEIVER_STARTTLS_H
#define RECEIVER_STARTTLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/envelope.h"
#include "common/err.h"
#include "receiver/starttls_verdict.h"

enum {
    STARTTLS_READY_MS = 15000,     /* longest wait of a session for mailmill-tls to be ready */
    STARTTLS_HANDSHAKE_MS = 30000, /* longest handshake; command-timeout if that is shorter */
    STARTTLS_LOOK_MS = 5000,       /* for mailmill-tls to look at the pair */
    STARTTLS_END_MS = 10000,       /* what mailmill-tls gets at most to take leave of a client, and some */
};

/* What is said on the stream's first two bytes. */
enum { STARTTLS_READY = 'R', STARTTLS_GO = 'G' };

/* The frames between mailmill-tls, whose descriptor 0 they go by, and who started it. */
enum starttls_word {
    STARTTLS_SERVE = 1, /* to it: milliseconds for the handshake; the client's two descriptors and the stream's end */
    STARTTLS_SECURED,   /* from it, before the first byte of the client's: protocol and cipher */
    STARTTLS_FAILED,    /* the log level, and why there is no TLS */
    STARTTLS_ENDED,     /* the last word; without one it was killed */
    STARTTLS_LOOK,      /* to it: no client, only the pair is to be judged */
    STARTTLS_JUDGED,    /* its first word: from and until when the certificate is valid, and why the pair won't do */
};

struct starttls {
    const struct config *config; /* with a certificate and a key; NULL: TLS is not offered */
    int starter;                 /* the way to the process left behind, or -1 */
    pid_t starter_process;       /* valid with it */
};

/* What there is to know about one client's mailmill-tls. */
struct starttls_link {
    int control;                   /* the way to it, or -1 */
    const struct config *config;   /* the pair's, and where the verdict on it is kept; NULL: nowhere */
    char pair[STARTTLS_PAIR_SIZE]; /* as it was before it was read */
    bool judged;                   /* the verdict has come */
    bool failed;                   /* it has said why there is no TLS */
    char tls[ENVELOPE_TLS_SIZE];   /* protocol and cipher; empty until the handshake is done */
};

/* Has mailmill-tls look at the pair, and waits for its verdict, which is kept (receiver/starttls_verdict.h). */
__attribute__((warn_unused_result)) int starttls_look(const struct config *config, struct err *err);

/* Leaves a process behind that can start mailmill-tls when this one no longer may. It ends with this one. */
__attribute__((warn_unused_result)) int starttls_leave_starter(struct starttls *starttls, struct err *err);
/* Ends it by hand, where there is one, when all that it started have taken leave of their clients. */
void starttls_end_starter(struct starttls *starttls);

/*
 * Starts mailmill-tls for a client, without waiting for it. `client` has the descriptors that are read and written,
 * which stay the caller's; `session` is the end of the stream for the session, the caller's to close. `link` must be
 * zeroed but for control -1.
 */
__attribute__((warn_unused_result)) int starttls_start(const struct starttls *starttls, const int client[static 2],
                                                       int *session, struct starttls_link *link, struct err *err);

/*
 * Takes what mailmill-tls has said, waiting for its last word up to `wait_ms`; a failure, or a death without a word,
 * goes to the log. Harmless without a link.
 */
void starttls_hear(struct starttls_link *link, const char *client, int wait_ms);
void starttls_close(struct starttls_link *link);

#endif
