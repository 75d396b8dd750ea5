/* What the ledger puts right: at a start, and when the clock was set back. */
#include "processor/ledger.h"
#include "processor/ledger_step.h"

int ledger_recover(struct index *index, int64_t now_ms, struct err *err)
{
    static const enum statement statements[] = {
        STATEMENT_ATTEMPT_RECOVER,      STATEMENT_DELIVERY_RECOVER,   STATEMENT_ON_DEAD_RECOVER,
        STATEMENT_ON_DEAD_RECOVER_RUNS, STATEMENT_DELIVERY_NOT_LATER, STATEMENT_ON_DEAD_NOT_LATER,
        STATEMENT_HANDLER_NOT_LATER,
    };
    int status = 0;

    if (index_begin(index, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && status == 0; i++)
        status = ledger_touch(index, statements[i], NULL, now_ms, err);
    return ledger_finish(index, status, err);
}

static int set_back(struct index *index, enum statement statement, int64_t by_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, index, statement, err) != 0)
        return -1;
    query_number(&query, ":by", by_ms);
    return query_run(&query, err);
}

int ledger_set_back(struct index *index, int64_t by_ms, struct err *err)
{
    static const enum statement statements[] = {STATEMENT_DELIVERY_SET_BACK, STATEMENT_ON_DEAD_SET_BACK,
                                                STATEMENT_HANDLER_SET_BACK};
    int status = 0;

    if (index_begin(index, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && status == 0; i++)
        status = set_back(index, statements[i], by_ms, err);
    return ledger_finish(index, status, err);
}
