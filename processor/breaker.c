#include "processor/breaker.h"

#include <assert.h>
#include <stddef.h>

struct step {
    const struct breaker_policy *policy;
    int64_t started_ms, now_ms;
};

typedef enum breaker_change action(struct breaker *breaker, const struct step *step);

static enum breaker_change keep(struct breaker *breaker, const struct step *step)
{
    (void)breaker;
    (void)step;
    return BREAKER_SAME;
}

static enum breaker_change forget(struct breaker *breaker, const struct step *step)
{
    enum breaker_change change = breaker->failures == 0 ? BREAKER_SAME : BREAKER_COUNTED;

    (void)step;
    breaker->failures = 0;
    return change;
}

static enum breaker_change resume(struct breaker *breaker, const struct step *step)
{
    (void)step;
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
    return BREAKER_RESUMES;
}

static enum breaker_change count(struct breaker *breaker, const struct step *step)
{
    (void)step;
    breaker->failures++;
    return BREAKER_COUNTED;
}

static enum breaker_change pause_for(struct breaker *breaker, int64_t pause_ms, int64_t now_ms)
{
    breaker->state = BREAKER_PAUSED;
    breaker->pause_ms = pause_ms < BREAKER_PAUSE_MAX_MS ? pause_ms : BREAKER_PAUSE_MAX_MS;
    breaker->until_ms = now_ms + breaker->pause_ms;
    return BREAKER_PAUSES;
}

static enum breaker_change count_up(struct breaker *breaker, const struct step *step)
{
    breaker->failures++;
    if (step->policy->pause_after == 0 || breaker->failures < step->policy->pause_after)
        return BREAKER_COUNTED;
    breaker->paused_ms = step->now_ms;
    return pause_for(breaker, step->policy->first_ms, step->now_ms);
}

/* Those that ran already when the pause began say nothing new. */
static enum breaker_change pause_again(struct breaker *breaker, const struct step *step)
{
    if (step->policy->pause_after == 0)
        return resume(breaker, step);
    breaker->failures++;
    if (step->started_ms < breaker->until_ms)
        return BREAKER_COUNTED;
    return pause_for(breaker, breaker->pause_ms * 2, step->now_ms);
}

static enum breaker_change hold(struct breaker *breaker, const struct step *step)
{
    if (breaker->state == BREAKER_CLOSED)
        breaker->paused_ms = step->now_ms;
    breaker->state = BREAKER_HELD;
    breaker->until_ms = breaker->pause_ms = 0;
    return BREAKER_PAUSES;
}

/* clang-format off */
static action *const actions[BREAKER_STATE_COUNT][BREAKER_EVENT_COUNT] = {
    /*                  SILENT  WORKED  FAILED       PAUSE  RESUME */
    [BREAKER_CLOSED] = {keep,   forget, count_up,    hold,  forget},
    [BREAKER_PAUSED] = {keep,   resume, pause_again, hold,  resume},
    [BREAKER_HELD]   = {keep,   forget, count,       hold,  resume},
};
/* clang-format on */

enum breaker_change breaker_step(struct breaker *breaker, const struct breaker_policy *policy,
                                 enum breaker_event event, int64_t started_ms, int64_t now_ms)
{
    const struct step step = {policy, started_ms, now_ms};

    assert(breaker->state < BREAKER_STATE_COUNT && event < BREAKER_EVENT_COUNT);
    return actions[breaker->state][event](breaker, &step);
}

int64_t breaker_ready_ms(const struct breaker *breaker, const struct breaker_policy *policy, unsigned running,
                         int64_t due_ms)
{
    if (breaker->state == BREAKER_HELD)
        return INT64_MAX;
    if (breaker->state == BREAKER_CLOSED || policy->pause_after == 0)
        return due_ms;
    if (running > 0)
        return INT64_MAX;
    return due_ms > breaker->until_ms ? due_ms : breaker->until_ms;
}

const char *breaker_word(enum breaker_state state)
{
    static const char *const words[] = {
        [BREAKER_CLOSED] = NULL, [BREAKER_PAUSED] = "failures", [BREAKER_HELD] = "operator"};

    static_assert(sizeof words / sizeof words[0] == BREAKER_STATE_COUNT, "every state has its word");
    return words[state];
}
