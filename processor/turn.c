#include "processor/turn.h"

#include "common/log.h"

static void committed(const struct turn *turn, int64_t now_ms)
{
    runner_committed(turn->runner, now_ms);
    intake_committed(turn->intake, now_ms);
    filing_committed(turn->filing);
}

static void lost(const struct turn *turn, int64_t now_ms, const struct err *err)
{
    log_say(LOG_ERR, "nothing could be written down: %s", err->text);
    runner_lost(turn->runner, now_ms);
    intake_lost(turn->intake, now_ms);
    filing_lost(turn->filing, now_ms);
    clerk_lost(turn->clerk);
    schedule_wait(turn->schedule, now_ms + TURN_PAUSE_MS);
}

void turn_end(const struct turn *turn, int64_t now_ms)
{
    struct err err = {0};

    /* Each round takes an attempt a stage further, from its start to its end; it has no more than a few. */
    while (index_has_gathered(turn->index)) {
        int status = index_settle(turn->index, &err);

        if (status > 0)
            log_say(LOG_ERR, "%s; what was written down may not survive a power cut", err.text);
        if (status >= 0)
            committed(turn, now_ms);
        else
            lost(turn, now_ms, &err);
    }
    clerk_answer(turn->clerk);
    /* What could not be launched has ended, and left its place, after the schedule was looked at. */
    if (turn->runner->changed)
        schedule_disturb(turn->schedule);
}
