/* What the SMTP machine holds a client to: the configuration, in the machine's terms. */
#ifndef RECEIVER_SESSION_POLICY_H
#define RECEIVER_SESSION_POLICY_H

#include "receiver/session.h"
#include "receiver/smtp.h"

/* Borrows the session, for as long as the policy is used. */
struct smtp_policy session_policy(const struct session *session);

#endif
