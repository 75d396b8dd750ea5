#include "receiver/pace.h"

void pace_start(struct pace *pace, const struct config *config, int64_t now_ms)
{
    if (pace->rate != 0)
        return;
    pace->rate = config->min_body_rate;
    pace->ends = now_ms + config->command_timeout_ms;
    pace->rest = 0;
}

void pace_add(struct pace *pace, uint64_t bytes)
{
    if (pace->rate == 0)
        return;
    pace->rest += bytes * 1000;
    pace->ends += (int64_t)(pace->rest / pace->rate);
    pace->rest %= pace->rate;
}

void pace_stop(struct pace *pace)
{
    *pace = (struct pace){0};
}

int64_t pace_ends(const struct pace *pace)
{
    return pace->rate == 0 ? INT64_MAX : pace->ends;
}
