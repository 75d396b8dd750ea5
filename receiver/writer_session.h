/*
 * One session as the writer sees it, and the message that it may have in hand. Not for others than the writer's
 * files.
 *
 *     writer_session_init(session, &config, socket, client);
 *     writer_session_hear(writer, session, &err);     a request is there: 1 served, 0 it is gone, -1 cut it off
 *     writer_session_answer(writer, session, &err);   a commit has ended: what the session is told
 *     writer_session_end(writer, session);            whatever it had in hand is gone
 */
#ifndef RECEIVER_WRITER_SESSION_H
#define RECEIVER_WRITER_SESSION_H

#include "common/envelope.h"
#include "receiver/writer.h"
#include "receiver/writer_proxy.h"
#include "receiver/writer_tls.h"

enum writer_state {
    WRITER_IDLE,       /* no message */
    WRITER_WRITING,    /* a file in tmp/ that the session appends to */
    WRITER_COMMITTING, /* on its way into new/; the session waits for the answer */
    WRITER_MEETING,    /* no message yet: whose connection it is that a proxy passes on is still to be said */
    WRITER_LEAVING,    /* no message: the client has too many sessions */
    WRITER_STATE_COUNT,
};

struct writer_session {
    int socket;      /* our end of the socketpair; -1: gone, and the session stays until its commit has ended */
    uint64_t number; /* by which the listener knows it */
    char client[ENVELOPE_CLIENT_SIZE];
    struct writer_proxy proxy;
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

/* A session for a client, by its address or, where that is a trusted proxy's, until another one is named. */
void writer_session_init(struct writer_session *session, const struct config *config, int socket, struct span client);

/* Whether it has a message in hand: a file in tmp/, or on its way into new/. */
bool writer_session_has_message(const struct writer_session *session);

/* Opens the spool and enters the sandbox; harmless when that is done already. */
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
