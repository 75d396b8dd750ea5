/*
 * The session's first word with a client that a trusted proxy passes on: the header of the PROXY protocol
 * (receiver/proxy.h) is read, and the writer told whose the connection is. Before the greeting, within a few seconds.
 *
 *     reply = session_proxy_meet(&session, ends, storage, size, &input);
 *     REPLY_NONE: go on; `input` is what came behind the header, and is the client's
 *     else: the reply to hang up with
 */
#ifndef RECEIVER_SESSION_PROXY_H
#define RECEIVER_SESSION_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "receiver/reply.h"
#include "receiver/session.h"

/* How long a proxy may take: it has the header before it has connected, and may have to send it a second time. */
enum { SESSION_PROXY_MS = 5000 };

/*
 * Reads into `storage`, of which `input` is a part afterwards; `ends`, in monotonic milliseconds, is when the session
 * ends at the latest. A header that is malformed or does not come is logged. REPLY_GOODBYE: the connection or the
 * writer is gone, and there is nobody to be told.
 */
enum reply session_proxy_meet(const struct session *session, int64_t ends, char *storage, size_t size,
                              struct span *input);

#endif
