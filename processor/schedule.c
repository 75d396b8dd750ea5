#include "processor/schedule.h"

#include "common/log.h"
#include "processor/on_dead.h"

void schedule_disturb(struct schedule *schedule)
{
    schedule->next_ms = 0;
}

bool schedule_is_due(const struct schedule *schedule, int64_t now_ms)
{
    return schedule->next_ms <= now_ms;
}

static void pause_schedule(struct schedule *schedule, int64_t now_ms, const struct err *err)
{
    schedule->turn++; /* whoever it was, another may have more luck */
    log_say(LOG_ERR, "nothing is started for %d s: %s", SCHEDULE_PAUSE_MS / 1000, err->text);
    schedule->next_ms = now_ms + SCHEDULE_PAUSE_MS;
}

/* Starts what is due of one handler. -1: the index or the machine is in trouble. */
static int start_due(struct runner *runner, const struct config_handler *handler, const char *route, int64_t now_ms,
                     struct err *err)
{
    unsigned running = runner_count(runner, route, handler->name);

    while (running < handler->concurrency && runner->count < runner->context.config->max_runs) {
        int64_t delivery;
        int found = ledger_due(runner->context.index, route, handler->name, now_ms, &delivery, err);

        if (found <= 0)
            return found;
        if (runner_start(runner, handler, delivery, now_ms, err) != 0)
            return -1;
        running = runner_count(runner, route, handler->name);
    }
    return 0;
}

/*
 * A handler with all its places taken is looked at again when one of its runs ends, whatever is due.
 */
static int find_next(struct runner *runner, const struct config_handler *handler, const char *route, int64_t *next_ms,
                     struct err *err)
{
    int64_t due_ms;

    if (runner_count(runner, route, handler->name) >= handler->concurrency)
        return 0;
    if (ledger_next_due(runner->context.index, route, handler->name, &due_ms, err) != 0)
        return -1;
    if (due_ms < *next_ms)
        *next_ms = due_ms;
    return 0;
}

void schedule_pass(struct schedule *schedule, struct runner *runner, int64_t now_ms)
{
    const struct config *config = runner->context.config;
    int64_t next_ms = INT64_MAX;
    struct err err = {0};

    for (size_t i = 0; i < config->handler_count; i++) {
        const struct config_handler *handler = config_handler(config, (i + schedule->turn) % config->handler_count);
        const char *route = config->routes[handler->route].pattern;

        if (start_due(runner, handler, route, now_ms, &err) != 0 ||
            find_next(runner, handler, route, &next_ms, &err) != 0 ||
            on_dead_pass(runner, handler, route, now_ms, &next_ms, &err) != 0) {
            pause_schedule(schedule, now_ms, &err);
            return;
        }
    }
    schedule->turn++;
    /* With no place left at all, the end of any run is what to wait for. */
    schedule->next_ms = runner->count < config->max_runs ? next_ms : INT64_MAX;
}
