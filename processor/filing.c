#include "processor/filing.h"

#include <stdio.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger.h"

int filing_message(struct index *index, const struct spool *spool, const char *id, int64_t now_ms, bool *ended,
                   struct err *err)
{
    struct ledger_tally tally;
    char flag;

    if (ledger_tally(index, id, &tally, err) != 0)
        return -1;
    *ended = tally.waiting == 0;
    if (!*ended)
        return 0;
    flag = (char)(tally.dead > 0 ? 'F' : tally.deliveries > 0 ? 'S' : '\0');
    if (spool_finish(spool, id, flag, err) != 0) {
        if (err->kind != ERR_PERMANENT)
            return -1;
        log_say(LOG_WARNING, "%s", err->text);
    }
    /* A crash here leaves a moved file without its mark in the index; filing_rest sees to it. */
    FAULT_POINT("filing-moved");
    return ledger_message_ended(index, id, now_ms, err);
}

int filing_rest(struct index *index, const struct spool *spool, int64_t now_ms, struct err *err)
{
    for (;;) {
        struct query query;
        char id[ID_SIZE];
        bool ended;
        int row;

        if (query_start(&query, index, STATEMENT_MESSAGE_UNENDED, err) != 0)
            return -1;
        query_text(&query, ":after", span_text(""));
        query_number(&query, ":limit", 1);
        row = query_next(&query, err);
        if (row != 1)
            return row;
        snprintf(id, sizeof id, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
        query_end(&query);
        if (filing_message(index, spool, id, now_ms, &ended, err) != 0)
            return -1;
    }
}
