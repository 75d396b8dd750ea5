/*
 * The session: the sandboxed process that talks to the client. It holds the client's descriptors, one end of a
 * socketpair to the writer and, while a message comes in, a descriptor that appends to that message's file. It drives
 * the SMTP machine (receiver/smtp.h) against deadlines, and allocates nothing.
 *
 *     sandbox_prepare_ready(&sandbox, &profile, NULL, 0, &err);   profile from session_profile(), before the fork
 *     _exit(session_run(&session, &sandbox));                     in the child
 */
#ifndef RECEIVER_SESSION_H
#define RECEIVER_SESSION_H

#include <stdbool.h>

#include "common/config.h"
#include "common/sandbox.h"

struct session {
    const struct config *config;
    int in, out; /* the client; may be the same descriptor, or two pipes */
    int writer;  /* our end of the socketpair */
    bool offers_tls;
    bool is_proxied; /* the peer is a trusted proxy, which says first whose the connection is */
    int stop;        /* hangs up when the session is to end at the next good moment; 0: nothing of the kind */
};

/* What the session may do once it runs: the whole list of its system calls. */
extern const struct sandbox_call session_calls[];

/* The profile for a configuration: its size limit bounds what the session can write to a file. */
struct sandbox_profile session_profile(const struct config *config);

/* Applies the sandbox, then serves the client until the end. Returns the process's exit status. */
int session_run(const struct session *session, struct sandbox *sandbox);

#endif
