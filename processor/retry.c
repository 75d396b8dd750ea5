#include "processor/retry.h"

/* A step of splitmix64: spreads neighbouring seeds over the whole range. */
static uint64_t spread(uint64_t seed)
{
    seed += UINT64_C(0x9E3779B97F4A7C15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94D049BB133111EB);
    return seed ^ seed >> 31;
}

int64_t retry_delay_ms(const struct retry_policy *policy, int64_t attempt, uint64_t seed)
{
    int64_t delay = policy->first_ms;
    int64_t jitter;

    for (int64_t i = 1; i < attempt && delay < policy->max_ms; i++)
        delay = delay > policy->max_ms / 2 ? policy->max_ms : delay * 2;
    if (delay > policy->max_ms)
        delay = policy->max_ms;
    jitter = delay / 10;
    if (jitter == 0)
        return delay;
    return delay - jitter + (int64_t)(spread(seed + (uint64_t)attempt) % (uint64_t)(2 * jitter + 1));
}

bool retry_next_ms(const struct retry_policy *policy, int64_t attempt, uint64_t seed, int64_t since_ms,
                   int64_t now_ms, int64_t *due_ms)
{
    *due_ms = now_ms + retry_delay_ms(policy, attempt, seed);
    return *due_ms <= since_ms + policy->give_up_ms;
}
