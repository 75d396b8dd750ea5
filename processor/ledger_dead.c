#include "processor/ledger_dead.h"

#include "processor/ledger_step.h"

int ledger_dead_waits(struct index *index, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_ON_DEAD_WAITS, err) != 0)
        return -1;
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

int ledger_dead_due(struct index *index, const char *route, const char *handler, int64_t now_ms, int64_t *id,
                    struct err *err)
{
    return ledger_find_of_handler(index, STATEMENT_ON_DEAD_DUE, route, handler, now_ms, id, err);
}

int ledger_dead_next_due(struct index *index, const char *route, const char *handler, int64_t *due_ms,
                         struct err *err)
{
    struct query query;

    if (ledger_start_of_handler(&query, index, STATEMENT_ON_DEAD_NEXT_DUE, route, handler, err) != 0)
        return -1;
    if (query_next(&query, err) != 1)
        return -1;
    *due_ms = query_column_is_null(&query, 0) ? INT64_MAX : query_column_number(&query, 0);
    query_end(&query);
    return 0;
}

static int load(struct index *index, int64_t delivery, struct ledger_death *death, struct err *err)
{
    struct buf reason = buf_over(death->reason, sizeof death->reason);
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_ON_DEAD_LOAD, err) != 0)
        return -1;
    query_number(&query, ":id", delivery);
    row = query_next(&query, err);
    if (row == 0)
        return err_set(err, ERR_BUG, "there is no delivery %lld", (long long)delivery);
    if (row < 0)
        return -1;
    buf_put(&reason, span_slice(query_column_text(&query, 0), 0, sizeof death->reason - 1));
    death->died_ms = query_column_number(&query, 1);
    death->tries = query_column_number(&query, 2) + 1;
    death->run = query_column_number(&query, 3);
    query_end(&query);
    return 0;
}

static int take(struct index *index, int64_t delivery, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_ON_DEAD_TAKE, err) != 0)
        return -1;
    query_number(&query, ":id", delivery);
    return query_run(&query, err);
}

static int add_run(struct index *index, int64_t delivery, const struct ledger_death *death, int64_t now_ms,
                   struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_ON_DEAD_START, err) != 0)
        return -1;
    query_number(&query, ":delivery_id", delivery);
    query_number(&query, ":number", death->run);
    query_text(&query, ":reason", span_text(death->reason));
    query_number(&query, ":now", now_ms);
    return query_run(&query, err);
}

int ledger_dead_start(struct index *index, int64_t delivery, int64_t now_ms, struct ledger_death *death,
                      struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = load(index, delivery, death, err);
    if (status == 0)
        status = take(index, delivery, err);
    if (status == 0 && index_changes(index) == 0) {
        index_rollback(index);
        return 1;
    }
    if (status == 0)
        status = add_run(index, delivery, death, now_ms, err);
    return ledger_finish(index, status, err);
}

static int queue_again(struct index *index, int64_t delivery, const struct ledger_death *death, int64_t due_ms,
                       struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_ON_DEAD_AGAIN, err) != 0)
        return -1;
    query_number(&query, ":id", delivery);
    query_number(&query, ":died_ms", death->died_ms);
    query_number(&query, ":due_ms", due_ms);
    return query_run(&query, err);
}

int ledger_dead_end(struct index *index, int64_t delivery, const struct ledger_death *death,
                    const struct ledger_end *end, int64_t now_ms, struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    /* It would run again. */
    index_must_last(index);
    status = ledger_end_run(index, STATEMENT_ON_DEAD_END, delivery, death->run, end, now_ms, err);
    if (status == 0 && end->state == STATE_RETRY)
        status = queue_again(index, delivery, death, end->due_ms, err);
    return ledger_finish(index, status, err);
}
