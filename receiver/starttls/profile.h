/* What mailmill-tls may do once it has its key: the whole list of its system calls, and its limits. */
#ifndef RECEIVER_STARTTLS_PROFILE_H
#define RECEIVER_STARTTLS_PROFILE_H

#include "common/sandbox.h"

extern const struct sandbox_profile profile_sandbox;

#endif
