#include "processor/filing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger.h"

/* Moves the file to cur/, if nothing of the message is left to be done. */
static int put_away(const struct spool *spool, const char *id, const struct ledger_tally *tally, bool *ended,
                    struct err *err)
{
    char flag;

    *ended = tally->waiting == 0;
    if (!*ended)
        return 0;
    flag = (char)(tally->dead > 0 ? 'F' : tally->deliveries > 0 ? 'S' : '\0');
    if (spool_put_away(spool, id, flag, err) == 0)
        return 0;
    if (err->kind != ERR_PERMANENT)
        return -1;
    log_say(LOG_WARNING, "%s", err->text);
    return 0;
}

/* ---- one after the other ---- */

int filing_message(struct index *index, const struct spool *spool, const char *id, int64_t now_ms, bool *ended,
                   struct err *err)
{
    struct ledger_tally tally;

    if (ledger_tally(index, id, &tally, err) != 0 || put_away(spool, id, &tally, ended, err) != 0)
        return -1;
    if (!*ended)
        return 0;
    if (spool_flush_cur(spool, err) != 0)
        return -1;
    FAULT_POINT("filing-moved");
    return ledger_message_ended(index, id, now_ms, err);
}

int filing_rest(struct index *index, const struct spool *spool, int64_t now_ms, struct err *err)
{
    char id[ID_SIZE] = "";

    for (;;) {
        struct query query;
        bool ended;
        int row;

        if (query_start(&query, index, STATEMENT_MESSAGE_UNENDED, err) != 0)
            return -1;
        query_text(&query, ":after", span_text(id));
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

/* ---- many at once ---- */

static int mark_all(struct filing *filing, int64_t now_ms, struct err *err)
{
    for (size_t i = 0; i < filing->count; i++) {
        if (ledger_message_ended(filing->index, filing->ids[i], now_ms, err) != 0)
            return -1;
        /* None: it was queued again meanwhile, and what its handlers make is needed. */
        if (index_changes(filing->index) > 0 &&
            outbox_forget(filing->outbox, filing->index, filing->ids[i], err) != 0)
            return -1;
    }
    return 0;
}

static int mark_in_step(struct filing *filing, int64_t now_ms, struct err *err)
{
    if (spool_flush_cur(filing->spool, err) != 0)
        return -1;
    /* A crash here leaves moved files without their marks in the index; filing_rest sees to it. */
    FAULT_POINT("filing-moved");
    if (index_begin(filing->index, err) != 0)
        return -1;
    if (mark_all(filing, now_ms, err) == 0)
        return index_commit(filing->index, err);
    index_rollback(filing->index);
    return -1;
}

void filing_hurry(struct filing *filing, int64_t now_ms)
{
    struct err err = {0};

    if (filing->marked == filing->count)
        return;
    if (mark_in_step(filing, now_ms, &err) == 0) {
        filing->marked = filing->count;
        return;
    }
    log_say(LOG_ERR, "%zu messages are not marked as ended yet: %s", filing->count, err.text);
    filing->due_ms = now_ms + FILING_PAUSE_MS;
}

static int make_room(struct filing *filing)
{
    size_t capacity = filing->capacity == 0 ? FILING_BATCH : 2 * filing->capacity;
    void *ids;

    if (filing->count < filing->capacity)
        return 0;
    ids = reallocarray(filing->ids, capacity, sizeof filing->ids[0]);
    if (ids == NULL)
        return -1;
    filing->ids = ids;
    filing->capacity = capacity;
    return 0;
}

void filing_note(struct filing *filing, const char *id, const struct ledger_tally *tally, int64_t now_ms)
{
    struct ledger_tally found;
    bool ended = false;
    struct err err = {0};

    if ((tally == NULL && ledger_tally(filing->index, id, &found, &err) != 0) ||
        put_away(filing->spool, id, tally == NULL ? &found : tally, &ended, &err) != 0) {
        log_say(LOG_ERR, "%s stays in new/ until the next start: %s", id, err.text);
        return;
    }
    if (!ended)
        return;
    if (make_room(filing) != 0) {
        log_say(LOG_ERR, "%s is marked as ended at the next start: no memory", id);
        return;
    }
    if (filing->count == filing->marked)
        filing->due_ms = now_ms + FILING_DELAY_MS;
    snprintf(filing->ids[filing->count++], ID_SIZE, "%s", id);
    if (filing->count % FILING_BATCH == 0)
        filing->due_ms = now_ms;
}

void filing_continue(struct filing *filing, int64_t now_ms)
{
    if (filing->due_ms <= now_ms)
        filing_hurry(filing, now_ms);
}

void filing_committed(struct filing *filing)
{
    if (filing->marked == 0)
        return;
    filing->count -= filing->marked;
    memmove(filing->ids, filing->ids + filing->marked, filing->count * sizeof filing->ids[0]);
    filing->marked = 0;
}

void filing_lost(struct filing *filing, int64_t now_ms)
{
    if (filing->marked > 0)
        filing->due_ms = now_ms + FILING_PAUSE_MS;
    filing->marked = 0;
}

void filing_free(struct filing *filing)
{
    free(filing->ids);
    filing->ids = NULL;
    filing->count = filing->capacity = filing->marked = 0;
}

int64_t filing_next_ms(const struct filing *filing)
{
    return filing->count > 0 ? filing->due_ms : INT64_MAX;
}
