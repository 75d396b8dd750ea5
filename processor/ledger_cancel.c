/* Calls deliveries off. */
#include "processor/ledger_change.h"

static int start(struct query *query, struct index *index, enum statement statement,
                 const struct ledger_change *change, const char *id, struct err *err)
{
    if (query_start(query, index, statement, err) != 0)
        return -1;
    query_text(query, ":id", span_text(id));
    if (change->choice.handler != NULL)
        query_text(query, ":handler", span_text(change->choice.handler));
    if (change->choice.route != NULL)
        query_text(query, ":route", span_text(change->choice.route));
    return 0;
}

/* What has begun can't be undone, and its end would be written down over our word. */
static int refuse_running(struct index *index, const struct ledger_change *change, const char *id, struct err *err)
{
    struct query query;
    int row;

    if (start(&query, index, STATEMENT_DELIVERY_RUNNING, change, id, err) != 0)
        return -1;
    row = query_next(&query, err);
    if (row == 1)
        err_set(err, ERR_PERMANENT, "%s: handler %.*s is running; wait until it has ended", id,
                (int)query_column_text(&query, 0).size, query_column_text(&query, 0).data);
    query_end(&query);
    return row == 0 ? 0 : -1;
}

int ledger_cancel_within(struct index *index, const struct ledger_change *change, const char *id, int *cancelled,
                         struct err *err)
{
    struct query query;
    int count;

    if (refuse_running(index, change, id, err) != 0 ||
        start(&query, index, STATEMENT_DELIVERY_CANCEL, change, id, err) != 0)
        return -1;
    if (change->choice.state != NULL)
        query_text(&query, ":state", span_text(change->choice.state));
    query_number(&query, ":now", change->now_ms);
    if (query_run(&query, err) != 0)
        return -1;
    count = index_changes(index);
    if (count == 0)
        return err_set(err, ERR_PERMANENT, "%s: no delivery of it waits", id);
    *cancelled += count;
    if (query_start(&query, index, STATEMENT_DELIVERY_SKIP_CANCELLED, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    query_number(&query, ":now", change->now_ms);
    return query_run(&query, err);
}
