/*
 * The session's rights, given up before it reads its first byte from the network.
 *
 *     sandbox_prepare_ready(&sandbox, &profile, NULL, 0, &err);    profile from session_profile(), before the fork
 *     session_enter_sandbox(session, &sandbox, &err);              in the child
 */
#ifndef RECEIVER_SESSION_SANDBOX_H
#define RECEIVER_SESSION_SANDBOX_H

#include "common/err.h"
#include "common/sandbox.h"
#include "receiver/session.h"

/* Closes what the session needs no longer, bounds its life, and applies the sandbox. */
__attribute__((warn_unused_result)) int session_enter_sandbox(const struct session *session, struct sandbox *sandbox,
                                                              struct err *err);

#endif
