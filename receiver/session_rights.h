/*
 * What a session's process has from the one that it was forked from, and lets go of before its sandbox closes.
 */
#ifndef RECEIVER_SESSION_RIGHTS_H
#define RECEIVER_SESSION_RIGHTS_H

#include "receiver/session.h"

/*
 * The session holds the client and the way to the writer, no log and nothing that a super-server may have left open;
 * and it dies with the process it came from, which may have turned its back on it. `ruleset` is still needed; -1:
 * none.
 */
__attribute__((warn_unused_result)) int session_let_go(const struct session *session, int ruleset, struct err *err);

#endif
