#include "processor/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "processor/ledger_dead.h"
#include "processor/ledger_group.h"
#include "processor/ledger_handler.h"
#include "processor/on_dead.h"

/* A handler in a pass. */
struct place {
    const struct config_handler *handler;
    const char *route;
    struct ledger_due due;
    struct breaker breaker;
    unsigned running;
    int64_t ready_ms; /* when it may be started; INT64_MAX: nothing says when */
};

struct pass {
    const struct runner *runner;
    struct place *places; /* one for each handler of the configuration, in its order */
    size_t count;
    int64_t dead_ms; /* when a program is to be told of what is dead */
};

void schedule_disturb(struct schedule *schedule)
{
    schedule->next_ms = schedule->wait_ms;
}

void schedule_wait(struct schedule *schedule, int64_t until_ms)
{
    schedule->next_ms = schedule->wait_ms = until_ms;
}

bool schedule_is_due(const struct schedule *schedule, int64_t now_ms)
{
    return schedule->next_ms <= now_ms;
}

bool schedule_lets_pass(const struct schedule *schedule, const struct runner *runner,
                        const struct config_handler *handler, const char *route, int64_t now_ms)
{
    return schedule->wait_ms == 0 && schedule->next_ms > now_ms && !runner->changed && runner_has_place(runner) &&
           !handler->ordered && handler->coalesce_ms == 0 &&
           runner_count(runner, route, handler->name) < handler->concurrency;
}

static void pause_schedule(struct schedule *schedule, int64_t now_ms, const struct err *err)
{
    log_say(LOG_ERR, "nothing is started for %d s: %s", SCHEDULE_PAUSE_MS / 1000, err->text);
    schedule_wait(schedule, now_ms + SCHEDULE_PAUSE_MS);
}

/* ---- what waits ---- */

/*
 * A handler with all its places taken is looked at again when one of its runs ends. In order, the oldest must be due;
 * to be gathered, the first must have been so for a while.
 */
static void set_ready(struct place *place)
{
    const struct config_handler *handler = place->handler;
    const struct breaker_policy policy = {handler->pause_after, handler->retry_first_ms};
    int64_t due_ms = handler->ordered ? place->due.oldest_ms : place->due.first_ms;

    place->ready_ms = INT64_MAX;
    if (place->running < handler->concurrency && due_ms != INT64_MAX)
        place->ready_ms = breaker_ready_ms(&place->breaker, &policy, place->running, due_ms + handler->coalesce_ms);
}

/* What waits for a handler that the configuration does not have (any more) is held until it has. */
static void visit(void *context, const struct ledger_waiting *waiting)
{
    struct pass *pass = context;
    const struct config *config = pass->runner->context.config;
    const struct config_handler *handler = config_handler_named(config, waiting->route, waiting->handler);
    const char *route = handler == NULL ? NULL : config->routes[handler->route].pattern;

    if (handler == NULL)
        return;
    pass->places[handler->number] = (struct place){.handler = handler,
                                                   .route = route,
                                                   .due = waiting->due,
                                                   .breaker = waiting->breaker,
                                                   .running = runner_count(pass->runner, route, handler->name)};
    set_ready(&pass->places[handler->number]);
}

/* ---- whose turn it is ---- */

static size_t distance(const struct pass *pass, size_t turn, size_t number)
{
    return (number + pass->count - turn % pass->count) % pass->count;
}

/* The handler that gets the next place; NULL: none may start now. */
static struct place *choose(const struct pass *pass, size_t turn, int64_t now_ms)
{
    struct place *best = NULL;

    for (size_t i = 0; i < pass->count; i++) {
        struct place *place = &pass->places[i];

        if (place->handler == NULL || place->ready_ms > now_ms)
            continue;
        if (best == NULL || place->running < best->running ||
            (place->running == best->running &&
             distance(pass, turn, i) < distance(pass, turn, best->handler->number)))
            best = place;
    }
    return best;
}

/* Which of its deliveries: 1 found, 0 none, -1 error. */
static int find_delivery(struct index *index, const struct place *place, int64_t now_ms, int64_t *delivery,
                         struct err *err)
{
    const char *name = place->handler->name;

    if (place->handler->coalesce_ms > 0)
        return ledger_newest(index, place->route, name, now_ms, delivery, err);
    if (place->breaker.state == BREAKER_PAUSED && !place->handler->ordered)
        return ledger_probe(index, place->route, name, now_ms, delivery, err);
    return ledger_due(index, place->route, name, now_ms, delivery, err);
}

/* In order, a message that is still being read goes first: 1 it is to be waited for, 0 not, -1 error. */
static int must_wait(struct index *index, const struct place *place, int64_t delivery, int64_t now_ms,
                     struct err *err)
{
    return place->handler->ordered ? ledger_overtakes(index, delivery, now_ms, err) : 0;
}

static int start_one(struct runner *runner, struct place *place, int64_t now_ms, struct err *err)
{
    struct index *index = runner->context.index;
    int64_t delivery;
    int found = find_delivery(index, place, now_ms, &delivery, err);
    int waits = found == 1 ? must_wait(index, place, delivery, now_ms, err) : 0;

    if (waits == 1) {
        place->ready_ms = now_ms + SCHEDULE_READ_MS;
        return 0;
    }
    if (found < 0 || waits < 0 || (found == 1 && runner_start(runner, place->handler, delivery, now_ms, err) != 0) ||
        ledger_waits(index, place->route, place->handler->name, &place->due, err) != 0)
        return -1;
    place->running = runner_count(runner, place->route, place->handler->name);
    set_ready(place);
    if (found == 0)
        place->ready_ms = INT64_MAX;
    return 0;
}

/* ---- a pass ---- */

static int start_due(struct schedule *schedule, struct runner *runner, struct pass *pass, int64_t now_ms,
                     struct err *err)
{
    struct place *place;

    if (ledger_each_waiting(runner->context.index, visit, pass, err) != 0)
        return -1;
    while (runner_has_place(runner) && (place = choose(pass, schedule->turn, now_ms)) != NULL) {
        schedule->turn = place->handler->number + 1; /* even if it fails: another may have more luck */
        if (start_one(runner, place, now_ms, err) != 0)
            return -1;
    }
    return 0;
}

/* Programs that are told of what is dead. Costs by the handlers while there is any, else one look at an index. */
static int tell_of_dead(struct schedule *schedule, struct runner *runner, struct pass *pass, int64_t now_ms,
                        struct err *err)
{
    const struct config *config = runner->context.config;
    int waits = ledger_dead_waits(runner->context.index, err);

    for (size_t i = 0; i < pass->count && waits == 1; i++) {
        const struct config_handler *handler = config_handler(config, (i + schedule->turn) % pass->count);
        const char *route = config->routes[handler->route].pattern;

        if (on_dead_pass(runner, handler, route, now_ms, &pass->dead_ms, err) != 0)
            return -1;
    }
    return waits < 0 ? -1 : 0;
}

static int start_all(struct schedule *schedule, struct runner *runner, struct pass *pass, int64_t now_ms,
                     struct err *err)
{
    schedule->dead_first = !schedule->dead_first;
    if (schedule->dead_first && tell_of_dead(schedule, runner, pass, now_ms, err) != 0)
        return -1;
    if (start_due(schedule, runner, pass, now_ms, err) != 0)
        return -1;
    return schedule->dead_first ? 0 : tell_of_dead(schedule, runner, pass, now_ms, err);
}

static int64_t next_ready_ms(const struct pass *pass)
{
    int64_t next_ms = pass->dead_ms;

    for (size_t i = 0; i < pass->count; i++)
        if (pass->places[i].handler != NULL && pass->places[i].ready_ms < next_ms)
            next_ms = pass->places[i].ready_ms;
    return next_ms;
}

void schedule_pass(struct schedule *schedule, struct runner *runner, int64_t now_ms)
{
    const struct config *config = runner->context.config;
    struct pass pass = {.runner = runner, .count = config->handler_count, .dead_ms = INT64_MAX};
    struct err err = {0};

    /* With no place left at all, the end of any run is what to wait for. */
    schedule->wait_ms = 0;
    schedule->next_ms = INT64_MAX;
    if (pass.count == 0 || !runner_has_place(runner))
        return;
    pass.places = calloc(pass.count, sizeof *pass.places);
    if (pass.places == NULL && err_system(&err, "memory for the schedule") != 0) {
        pause_schedule(schedule, now_ms, &err);
        return;
    }
    if (start_all(schedule, runner, &pass, now_ms, &err) != 0)
        pause_schedule(schedule, now_ms, &err);
    else if (runner_has_place(runner))
        schedule->next_ms = next_ready_ms(&pass);
    free(pass.places);
}
