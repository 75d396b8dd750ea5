/* What the loop asks of the attempts under way; nothing here changes them. */
#include <string.h>

#include "processor/runner.h"

size_t runner_poll(const struct runner *runner, struct pollfd *fds)
{
    size_t count = 0;

    for (size_t i = 0; i < runner->count; i++) {
        const struct attempt *attempt = runner->attempts[i];

        if (attempt->out >= 0)
            fds[count++] = (struct pollfd){.fd = attempt->out, .events = POLLIN};
        if (attempt->errors >= 0)
            fds[count++] = (struct pollfd){.fd = attempt->errors, .events = POLLIN};
    }
    return count;
}

bool runner_is_busy(const struct runner *runner)
{
    for (size_t i = 0; i < runner->count; i++)
        if (runner->attempts[i]->stage < ATTEMPT_RECORD)
            return true;
    return false;
}

/* What is written down has left its place; what still is to be keeps it. */
static bool has_place(const struct attempt *attempt)
{
    return attempt->stage != ATTEMPT_RECORDED;
}

bool runner_has_place(const struct runner *runner)
{
    unsigned max = runner->context.config->max_runs;
    unsigned taken = 0;

    for (size_t i = 0; i < runner->count; i++)
        taken += has_place(runner->attempts[i]);
    /* Those that are settled without a run are held for the rest of the turn: there is an end to them, too. */
    return taken < max && runner->count < 2 * (size_t)max;
}

static unsigned count(const struct runner *runner, const char *route, const char *handler, bool is_on_dead)
{
    unsigned found = 0;

    for (size_t i = 0; i < runner->count; i++) {
        const struct attempt *attempt = runner->attempts[i];

        found += has_place(attempt) && attempt->is_on_dead == is_on_dead &&
                 strcmp(attempt->delivery.handler, handler) == 0 && strcmp(attempt->delivery.route, route) == 0;
    }
    return found;
}

unsigned runner_count(const struct runner *runner, const char *route, const char *handler)
{
    return count(runner, route, handler, false);
}

bool runner_has_on_dead(const struct runner *runner, const char *route, const char *handler)
{
    return count(runner, route, handler, true) > 0;
}

int64_t runner_next_ms(const struct runner *runner)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < runner->count; i++)
        if (runner->attempts[i]->stage == ATTEMPT_RECORD && runner->attempts[i]->record_ms < next)
            next = runner->attempts[i]->record_ms;
    return next;
}
