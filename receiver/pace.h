/*
 * How fast a message must come: so many bytes a second on average, after a grace of `command-timeout`. Whoever is
 * fast for a while may be slow for a while. Pure: time is passed in.
 *
 *     pace_start(&pace, config, now);       a message is on its way; again and again while it is, without effect
 *     ... read before pace_ends(&pace), or the client is too slow ...
 *     pace_add(&pace, bytes);
 *     pace_stop(&pace);                     it has ended
 */
#ifndef RECEIVER_PACE_H
#define RECEIVER_PACE_H

#include <stdint.h>

#include "common/config.h"

/* A zeroed one is stopped. Times are monotonic milliseconds. */
struct pace {
    uint64_t rate; /* bytes a second; 0: stopped, or there is no limit */
    int64_t ends;  /* by when the next bytes must come, if these were all */
    uint64_t rest; /* what the bytes so far have earned beyond whole milliseconds, in bytes times 1000 */
};

void pace_start(struct pace *pace, const struct config *config, int64_t now_ms);
void pace_add(struct pace *pace, uint64_t bytes);
void pace_stop(struct pace *pace);

/* By when the next bytes must come; INT64_MAX when stopped. */
int64_t pace_ends(const struct pace *pace);

#endif
