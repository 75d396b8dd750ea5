/*
 * When to try again: pure arithmetic, from the number of an attempt to a time.
 */
#ifndef PROCESSOR_RETRY_H
#define PROCESSOR_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
    int64_t first_ms;   /* after the first attempt */
    int64_t max_ms;     /* the doubling stops here */
    int64_t give_up_ms; /* no attempt starts later than this after the first */
};

/*
 * The wait after attempt number `attempt` (from 1): first, doubled each time up to max, and up to a tenth more or
 * less, so that what failed together does not come back together. The same `seed` gives the same wait.
 */
int64_t retry_delay_ms(const struct retry_policy *policy, int64_t attempt, uint64_t seed);

/* When the next attempt is due; false when that would be past the give-up time, which counts from `since_ms`. */
bool retry_next_ms(const struct retry_policy *policy, int64_t attempt, uint64_t seed, int64_t since_ms,
                   int64_t now_ms, int64_t *due_ms);

#endif
