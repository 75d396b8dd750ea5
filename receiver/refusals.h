/*
 * Log lines about clients that are turned away: a flood of connections must not become a flood of lines.
 *
 *     struct refusals refusals = {0};
 *     refusals_say(&refusals, LOG_NOTICE, client, "", "max-sessions");
 */
#ifndef RECEIVER_REFUSALS_H
#define RECEIVER_REFUSALS_H

#include <stdint.h>

enum { REFUSALS_SAID_MS = 10000 }; /* at most one line in that time, however many are refused */

/* A zeroed one has said nothing. */
struct refusals {
    int64_t due_ms; /* monotonic: when the next line may be written */
    uint64_t count; /* since the last one */
};

/* `proxy` is the address of the proxy that the client came through, or empty. */
void refusals_say(struct refusals *refusals, int level, const char *client, const char *proxy, const char *why);

#endif
