/*
 * One session as the writer sees it, and the message that it may have in hand. Not for others than the writer's
 * files.
 *
 *     writer_session_hear(writer, session, &err);     a request is there: 1 served, 0 the session is gone, -1 cut it
 * off writer_session_answer(...);                     a commit has ended: what the session is told
 *     writer_session_end(writer, session);            whatever it had in hand is gone
 */
#ifndef RECEIVER_WRITER_SESSION_H
#define RECEIVER_WRITER_SESSION_H

#include "common/envelope.h"
#include "receiver/writer.h"
#include "receiver/writer_tls.h"

enum writer_state {
    WRITER_IDLE,       /* no message */
    WRITER_WRITING,    /* a file in tmp/ that the session appends to */
    WRITER_COMMITTING, /* on its way into new/; the session waits for the answer */
    WRITER_STATE_COUNT,
};

struct writer_session {
    int socket;      /* our end of the socketpair; -1: gone, and the session stays until its commit has ended */
    uint64_t number; /* by which the listener knows it */
    char client[ENVELOPE_CLIENT_SIZE];
    enum writer_state state;
    struct envelope envelope;
    int file;            /* of the message, or -1 */
    uint64_t declared;   /* bytes, by the client's word */
    uint64_t trace_size; /* bytes */
    uint64_t size;       /* bytes of the whole file, when it is committed */
    struct commit_entry entry;
    struct writer_tls tls;
    struct writer_session *next;
};

/* Opens the spool, loads what the index needs and enters the sandbox; harmless when that is done already. */
__attribute__((warn_unused_result)) int writer_session_lock_in(struct writer *writer, struct err *err);

/* Serves one request. The session is in WRITER_COMMITTING when it has completed a message. */
__attribute__((warn_unused_result)) int writer_session_hear(struct writer *writer, struct writer_session *session,
                                                            struct err *err);

/* Tells the session what became of its commit, entry.err, and forgets the message. -1: it can't be told. */
__attribute__((warn_unused_result)) int writer_session_answer(struct writer *writer, struct writer_session *session,
                                                              struct err *err);

/* Discards the message in hand, if any; not while it is WRITER_COMMITTING. */
void writer_session_end(struct writer *writer, struct writer_session *session);

#endif
