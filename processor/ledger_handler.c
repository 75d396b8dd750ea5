#include "processor/ledger_handler.h"

#include <stdio.h>
#include <string.h>

#include "processor/ledger_step.h"

int ledger_start_of_handler(struct query *query, struct index *index, enum statement statement, const char *route,
                            const char *handler, struct err *err)
{
    if (query_start(query, index, statement, err) != 0)
        return -1;
    query_text(query, ":route", span_text(route));
    query_text(query, ":handler", span_text(handler));
    return 0;
}

int ledger_find_of_handler(struct index *index, enum statement statement, const char *route, const char *handler,
                           int64_t now_ms, int64_t *id, struct err *err)
{
    struct query query;
    int row;

    if (ledger_start_of_handler(&query, index, statement, route, handler, err) != 0)
        return -1;
    query_number(&query, ":now", now_ms);
    row = query_next(&query, err);
    if (row == 1)
        *id = query_column_number(&query, 0);
    query_end(&query);
    return row;
}

/* ---- what waits ---- */

/* From five columns on; all NULL where nothing is known of the handler. */
static struct breaker read_breaker(struct query *query, int column)
{
    struct breaker breaker = {.failures = query_column_number(query, column),
                              .paused_ms = query_column_number(query, column + 2),
                              .until_ms = query_column_number(query, column + 3),
                              .pause_ms = query_column_number(query, column + 4)};
    struct span word = query_column_text(query, column + 1);

    for (enum breaker_state state = BREAKER_CLOSED + 1; state < BREAKER_STATE_COUNT; state++)
        if (span_equal(word, span_text(breaker_word(state))))
            breaker.state = state;
    return breaker;
}

static int64_t read_due(struct query *query, int column)
{
    return query_column_is_null(query, column) ? INT64_MAX : query_column_number(query, column);
}

int ledger_each_waiting(struct index *index, ledger_waiting_visit *visit, void *context, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_HANDLER_WAITING, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1) {
        struct ledger_waiting waiting = {.route = query_column_text(&query, 0),
                                         .handler = query_column_text(&query, 1),
                                         .due = {read_due(&query, 2), read_due(&query, 3)},
                                         .breaker = read_breaker(&query, 4)};

        visit(context, &waiting);
    }
    return row;
}

int ledger_waits(struct index *index, const char *route, const char *handler, struct ledger_due *due, struct err *err)
{
    struct query query;

    if (ledger_start_of_handler(&query, index, STATEMENT_HANDLER_WAITS, route, handler, err) != 0 ||
        query_next(&query, err) != 1)
        return -1;
    *due = (struct ledger_due){read_due(&query, 0), read_due(&query, 1)};
    query_end(&query);
    return 0;
}

int ledger_probe(struct index *index, const char *route, const char *handler, int64_t now_ms, int64_t *id,
                 struct err *err)
{
    return ledger_find_of_handler(index, STATEMENT_DELIVERY_PROBE, route, handler, now_ms, id, err);
}

int ledger_overtakes(struct index *index, int64_t id, int64_t now_ms, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_DELIVERY_OVERTAKES, err) != 0)
        return -1;
    query_number(&query, ":id", id);
    query_number(&query, ":since", now_ms - LEDGER_OVERTAKE_MS);
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

/* ---- pauses ---- */

static int load(struct index *index, const char *route, const char *handler, struct breaker *breaker, struct err *err)
{
    struct query query;
    int row;

    *breaker = (struct breaker){0};
    if (ledger_start_of_handler(&query, index, STATEMENT_HANDLER_LOAD, route, handler, err) != 0)
        return -1;
    row = query_next(&query, err);
    if (row == 1)
        *breaker = read_breaker(&query, 0);
    query_end(&query);
    return row < 0 ? -1 : 0;
}

int ledger_handler_runs(struct index *index, const char *route, const char *handler, struct err *err)
{
    struct breaker breaker;

    return load(index, route, handler, &breaker, err) != 0 ? -1 : breaker.state == BREAKER_CLOSED;
}

static int store(struct index *index, const char *route, const char *handler, const struct breaker *breaker,
                 const char *reason, struct err *err)
{
    struct query query;

    if (ledger_start_of_handler(&query, index, STATEMENT_HANDLER_STORE, route, handler, err) != 0)
        return -1;
    query_number(&query, ":failures", breaker->failures);
    if (breaker->state != BREAKER_CLOSED) {
        query_text(&query, ":paused_by", span_text(breaker_word(breaker->state)));
        query_number(&query, ":paused_ms", breaker->paused_ms);
    }
    if (breaker->state == BREAKER_PAUSED) {
        query_number(&query, ":until_ms", breaker->until_ms);
        query_number(&query, ":pause_ms", breaker->pause_ms);
    }
    query_text(&query, ":reason", span_text(reason));
    return query_run(&query, err);
}

static int release(struct index *index, const char *route, const char *handler, int64_t since_ms, int64_t now_ms,
                   struct err *err)
{
    struct query query;

    if (ledger_start_of_handler(&query, index, STATEMENT_HANDLER_RELEASE, route, handler, err) != 0)
        return -1;
    query_number(&query, ":since", since_ms);
    query_number(&query, ":now", now_ms);
    return query_run(&query, err);
}

/* Writes down what an event changed, and what follows for the deliveries. Counting keeps the reason of a pause. */
static int settle(struct index *index, const char *route, const char *handler, const struct breaker *before,
                  const struct breaker *after, enum breaker_change change, const char *reason, int64_t now_ms,
                  struct err *err)
{
    struct query query;

    if (change == BREAKER_SAME)
        return 0;
    if (change == BREAKER_COUNTED) {
        if (ledger_start_of_handler(&query, index, STATEMENT_HANDLER_COUNT, route, handler, err) != 0)
            return -1;
        query_number(&query, ":failures", after->failures);
        return query_run(&query, err);
    }
    if (store(index, route, handler, after, change == BREAKER_RESUMES ? "" : reason, err) != 0)
        return -1;
    return change == BREAKER_RESUMES ? release(index, route, handler, before->paused_ms, now_ms, err) : 0;
}

int ledger_handler_ran(struct index *index, const struct delivery *delivery, struct ledger_run *run,
                       const char *detail, int64_t now_ms, struct err *err)
{
    char reason[ERR_TEXT_SIZE];
    struct breaker before;

    if (load(index, delivery->route, delivery->handler, &before, err) != 0)
        return -1;
    run->breaker = before;
    run->change = breaker_step(&run->breaker, &run->policy, run->event, run->started_ms, now_ms);
    snprintf(reason, sizeof reason, "%lld failures in a row: %.*s", (long long)run->breaker.failures,
             (int)sizeof reason - 64, detail);
    return settle(index, delivery->route, delivery->handler, &before, &run->breaker, run->change, reason, now_ms,
                  err);
}

static int say(struct index *index, const char *route, const char *handler, enum breaker_event event,
               const char *reason, int64_t now_ms, struct err *err)
{
    static const struct breaker_policy none = {0};
    enum breaker_change change = BREAKER_SAME;
    struct breaker before;
    struct breaker after;
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = load(index, route, handler, &before, err);
    if (status == 0) {
        after = before;
        change = breaker_step(&after, &none, event, now_ms, now_ms);
        status = settle(index, route, handler, &before, &after, change, reason, now_ms, err);
    }
    if (ledger_finish(index, status, err) != 0)
        return -1;
    return change == BREAKER_PAUSES || change == BREAKER_RESUMES;
}

int ledger_pause(struct index *index, const char *route, const char *handler, const char *reason, int64_t now_ms,
                 struct err *err)
{
    return say(index, route, handler, BREAKER_PAUSE, reason, now_ms, err);
}

int ledger_resume(struct index *index, const char *route, const char *handler, int64_t now_ms, struct err *err)
{
    return say(index, route, handler, BREAKER_RESUME, "", now_ms, err);
}

/* By its columns in the statement command_pauses. */
static int copy_pause(struct index *index, struct query *pause, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_HANDLER_STORE, err) != 0)
        return -1;
    query_text(&query, ":route", query_column_text(pause, 0));
    query_text(&query, ":handler", query_column_text(pause, 1));
    query_number(&query, ":failures", query_column_number(pause, 2));
    query_text(&query, ":paused_by", query_column_text(pause, 3));
    query_number(&query, ":paused_ms", query_column_number(pause, 4));
    if (!query_column_is_null(pause, 5))
        query_number(&query, ":until_ms", query_column_number(pause, 5));
    query_text(&query, ":reason", query_column_text(pause, 6));
    if (!query_column_is_null(pause, 7))
        query_number(&query, ":pause_ms", query_column_number(pause, 7));
    return query_run(&query, err);
}

int ledger_copy_pauses(struct index *index, struct index *from, size_t *count, struct err *err)
{
    struct query pause;
    int row;

    *count = 0;
    if (query_start(&pause, from, STATEMENT_COMMAND_PAUSES, err) != 0)
        return -1;
    while ((row = query_next(&pause, err)) == 1) {
        if (copy_pause(index, &pause, err) != 0) {
            query_end(&pause);
            return -1;
        }
        ++*count;
    }
    return row;
}
