/*
 * The schedule: which deliveries run now. Each handler runs its oldest due delivery first, at most `concurrency` at a
 * time, and all handlers together at most `max-runs`. A place that is free goes to the handler that has the fewest
 * runs, and among equals to the one whose turn it is, so that no handler, however slow and however much waits for it,
 * keeps another from its turn. What a paused handler, `ordered` or `coalesce` put off waits for its time.
 *
 *     if (schedule_is_due(&schedule, now))
 *         schedule_pass(&schedule, &runner, now);
 *     sleep until schedule.next_ms, or until schedule_disturb() says that something changed
 */
#ifndef PROCESSOR_SCHEDULE_H
#define PROCESSOR_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "processor/runner.h"

enum {
    SCHEDULE_PAUSE_MS = 5000, /* after a delivery could not be started */
    SCHEDULE_READ_MS = 1000,  /* the longest wait for a message that is being read, which is announced */
};

struct schedule {
    int64_t next_ms; /* wall clock: when a delivery becomes due; INT64_MAX: none waits */
    int64_t wait_ms; /* wall clock: not before, after trouble */
    bool dead_first; /* whose turn it is when places are short: the on-dead programs' or the handlers' */
    size_t turn;     /* the handler whose turn it is among equals: the one after the last that was started */
};

/* Has the next pass happen now: something was queued, has ended, the operator spoke, or the configuration is new. */
void schedule_disturb(struct schedule *schedule);
/* Has it not happen before that time, whatever changes meanwhile. */
void schedule_wait(struct schedule *schedule, int64_t until_ms);
bool schedule_is_due(const struct schedule *schedule, int64_t now_ms);
/*
 * Whether a delivery that is due now may be started without a pass, as nothing is due that could go first and there
 * is a place for it. That its handler is not paused is for the caller to see.
 */
bool schedule_lets_pass(const struct schedule *schedule, const struct runner *runner,
                        const struct config_handler *handler, const char *route, int64_t now_ms);
/* Starts what is due and finds out when to look again. Costs by the handlers for which something waits. */
void schedule_pass(struct schedule *schedule, struct runner *runner, int64_t now_ms);

#endif
