#include "processor/retention.h"

#include <stdio.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger_step.h"

/* What a step gives: trouble, nothing to do, or something done and perhaps more to do. */
enum { STEP_TROUBLE = -1, STEP_NOTHING = 0, STEP_DONE = 1 };

struct batch {
    char ids[RETENTION_BATCH][ID_SIZE];
    int64_t sizes[RETENTION_BATCH]; /* bytes */
    struct spool_place places[RETENTION_BATCH];
    size_t count;
};

/* ---- files ---- */

/* When what ended then is old enough; nothing ever is that is kept for ever. */
static int64_t before_ms(int64_t keep_ms, int64_t now_ms)
{
    return keep_ms == CONFIG_FOREVER ? INT64_MIN : now_ms - keep_ms;
}

/* The oldest messages of a kind, ended no later than `before`. Gives when the oldest one ended in `oldest_ms`. */
static int list(const struct retention *retention, const char *kind, int64_t before, struct batch *batch,
                size_t limit, int64_t *oldest_ms, struct err *err)
{
    struct query query;
    int row;

    batch->count = 0;
    *oldest_ms = INT64_MAX;
    if (query_start(&query, retention->index, STATEMENT_RETENTION_LIST, err) != 0)
        return -1;
    query_text(&query, ":stored", span_text(kind));
    query_number(&query, ":before", before);
    query_number(&query, ":limit", (int64_t)limit);
    while ((row = query_next(&query, err)) == 1) {
        if (batch->count == 0)
            *oldest_ms = query_column_number(&query, 2);
        snprintf(batch->ids[batch->count], ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
        batch->sizes[batch->count++] = query_column_number(&query, 1);
    }
    return row;
}

/* Whether nobody needs it, now that nobody can change that: 1 yes, 0 no, -1 error. */
static int may_go(const struct retention *retention, const char *id, const char *kind, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, retention->index, STATEMENT_RETENTION_MAY_GO, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    query_text(&query, ":stored", span_text(kind));
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

static int mark(const struct retention *retention, const char *id, int64_t now_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, retention->index, STATEMENT_RETENTION_GONE, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    query_number(&query, ":now", now_ms);
    return query_run(&query, err);
}

/*
 * Within a transaction. One whose name has changed since it was found is left for the next batch; one that was not
 * found at all is gone already.
 */
static int remove_one(const struct retention *retention, const struct batch *batch, size_t i, const char *kind,
                      int64_t now_ms, struct err *err)
{
    bool is_missing = batch->places[i].name[0] == '\0';
    int status = may_go(retention, batch->ids[i], kind, err);

    if (status == 1 && !is_missing)
        status = spool_remove(retention->spool, &batch->places[i], err);
    if (status != 1)
        return status;
    FAULT_POINT("retention-removed");
    return mark(retention, batch->ids[i], now_ms, err);
}

static int remove_within(const struct retention *retention, const struct batch *batch, const char *kind,
                         int64_t now_ms, struct err *err)
{
    for (size_t i = 0; i < batch->count; i++)
        if (remove_one(retention, batch, i, kind, now_ms, err) != 0)
            return -1;
    return spool_flush_removed(retention->spool, err);
}

static int remove_batch(const struct retention *retention, struct batch *batch, const char *kind, int64_t now_ms,
                        struct err *err)
{
    int status;

    if (batch->count == 0)
        return STEP_NOTHING;
    if (spool_find_all(retention->spool, batch->ids, batch->count, batch->places, err) != 0)
        return STEP_TROUBLE;
    status = index_begin(retention->index, err);
    if (status == 0)
        status = ledger_finish(retention->index, remove_within(retention, batch, kind, now_ms, err), err);
    if (ledger_settle(retention->index, status, err) < 0)
        return STEP_TROUBLE;
    log_say(LOG_INFO, "removed %zu file%s of what was %s", batch->count, batch->count == 1 ? "" : "s", kind);
    return STEP_DONE;
}

/* Those of a kind whose time is over. */
static int remove_old(struct retention *retention, const char *kind, int64_t keep_ms, int64_t now_ms, struct err *err)
{
    static struct batch batch;
    int64_t oldest_ms;

    if (keep_ms == CONFIG_FOREVER)
        return STEP_NOTHING;
    if (list(retention, kind, before_ms(keep_ms, now_ms), &batch, RETENTION_BATCH, &oldest_ms, err) != 0)
        return STEP_TROUBLE;
    return remove_batch(retention, &batch, kind, now_ms, err);
}

static int remove_done(struct retention *retention, int64_t now_ms, struct err *err)
{
    return remove_old(retention, "done", retention->config->keep_done_ms, now_ms, err);
}

static int remove_dead(struct retention *retention, int64_t now_ms, struct err *err)
{
    return remove_old(retention, "dead", retention->config->keep_dead_ms, now_ms, err);
}

/* Bytes of all files of messages that are done. */
static int count_bytes(const struct retention *retention, int64_t *bytes, struct err *err)
{
    struct query query;

    if (query_start(&query, retention->index, STATEMENT_RETENTION_BYTES, err) != 0)
        return -1;
    query_text(&query, ":stored", span_text("done"));
    if (query_next(&query, err) != 1)
        return -1;
    *bytes = query_column_number(&query, 0);
    query_end(&query);
    return 0;
}

/* The oldest go, as many as it takes. */
static int remove_excess(struct retention *retention, int64_t now_ms, struct err *err)
{
    static struct batch batch;
    int64_t excess, oldest_ms;
    size_t needed = 0;

    if (count_bytes(retention, &excess, err) != 0)
        return STEP_TROUBLE;
    excess -= (int64_t)retention->config->keep_size;
    if (excess <= 0)
        return STEP_NOTHING;
    if (list(retention, "done", INT64_MAX, &batch, RETENTION_BATCH, &oldest_ms, err) != 0)
        return STEP_TROUBLE;
    while (needed < batch.count && excess > 0)
        excess -= batch.sizes[needed++];
    batch.count = needed;
    return remove_batch(retention, &batch, "done", now_ms, err);
}

/* ---- rows ---- */

static int forget_within(const struct retention *retention, enum statement statement, int64_t now_ms, int *count,
                         struct err *err)
{
    struct query query;

    if (query_start(&query, retention->index, statement, err) != 0)
        return -1;
    query_number(&query, ":before", before_ms(retention->config->keep_history_ms, now_ms));
    query_number(&query, ":limit", RETENTION_BATCH);
    if (query_run(&query, err) != 0)
        return -1;
    *count = index_changes(retention->index);
    return 0;
}

static int forget(struct retention *retention, enum statement statement, int64_t now_ms, struct err *err)
{
    int count = 0;
    int status;

    if (retention->config->keep_history_ms == CONFIG_FOREVER)
        return STEP_NOTHING;
    status = index_begin(retention->index, err);
    if (status == 0)
        status = ledger_finish(retention->index, forget_within(retention, statement, now_ms, &count, err), err);
    if (ledger_settle(retention->index, status, err) < 0)
        return STEP_TROUBLE;
    FAULT_POINT("retention-forgotten");
    return count > 0 ? STEP_DONE : STEP_NOTHING;
}

static int forget_messages(struct retention *retention, int64_t now_ms, struct err *err)
{
    return forget(retention, STATEMENT_RETENTION_FORGET, now_ms, err);
}

static int forget_rejections(struct retention *retention, int64_t now_ms, struct err *err)
{
    return forget(retention, STATEMENT_RETENTION_FORGET_REJECTIONS, now_ms, err);
}

/* ---- what was called off ---- */

static int list_unfiled(const struct retention *retention, struct batch *batch, struct err *err)
{
    struct query query;
    int row;

    batch->count = 0;
    if (query_start(&query, retention->index, STATEMENT_MESSAGE_UNENDED, err) != 0)
        return -1;
    query_text(&query, ":after", span_text(retention->filed));
    query_number(&query, ":limit", RETENTION_BATCH);
    while ((row = query_next(&query, err)) == 1)
        snprintf(batch->ids[batch->count++], ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
    return row;
}

/* The processor files away what it ends itself; this is for what somebody else ended. */
static int file_away(struct retention *retention, int64_t now_ms, struct err *err)
{
    static struct batch batch;

    if (!retention->is_filing)
        return STEP_NOTHING;
    if (list_unfiled(retention, &batch, err) != 0)
        return STEP_TROUBLE;
    for (size_t i = 0; i < batch.count; i++)
        filing_note(retention->filing, batch.ids[i], NULL, now_ms);
    if (batch.count > 0)
        snprintf(retention->filed, sizeof retention->filed, "%s", batch.ids[batch.count - 1]);
    retention->is_filing = batch.count == RETENTION_BATCH;
    return batch.count > 0 ? STEP_DONE : STEP_NOTHING;
}

static void start_filing(struct retention *retention)
{
    retention->is_filing = true;
    retention->filed[0] = '\0';
}

/* ---- once a day ---- */

/* What the receiver could not finish, as at a power cut. Rubbish that stays is no reason to stop the others. */
static int clear_tmp(struct retention *retention, int64_t now_ms, struct err *err)
{
    int count;

    if (now_ms < retention->day_ms)
        return STEP_NOTHING;
    retention->day_ms = now_ms + RETENTION_DAY_MS;
    start_filing(retention); /* of a `mailmill cancel` that was ended before it could wake us, say */
    count = spool_clear_tmp(retention->spool, now_ms, err);
    if (count < 0)
        log_say(LOG_WARNING, "%s", err->text);
    else if (count > 0)
        log_say(LOG_INFO, "cleared %d old files out of tmp/ in the spool", count);
    return STEP_DONE;
}

/* ---- when ---- */

/* When the oldest of a kind will have been there for so long. */
static int next_of_kind(const struct retention *retention, const char *kind, int64_t keep_ms, int64_t *next_ms,
                        struct err *err)
{
    static struct batch batch;
    int64_t oldest_ms;

    if (keep_ms == CONFIG_FOREVER)
        return 0;
    if (list(retention, kind, INT64_MAX, &batch, 1, &oldest_ms, err) != 0)
        return -1;
    if (batch.count > 0 && oldest_ms + keep_ms < *next_ms)
        *next_ms = oldest_ms + keep_ms;
    return 0;
}

static int next_row(const struct retention *retention, int64_t *next_ms, struct err *err)
{
    int64_t keep_ms = retention->config->keep_history_ms;
    struct query query;

    if (keep_ms == CONFIG_FOREVER)
        return 0;
    if (query_start(&query, retention->index, STATEMENT_RETENTION_OLDEST_ROW, err) != 0 ||
        query_next(&query, err) != 1)
        return -1;
    if (!query_column_is_null(&query, 0) && query_column_number(&query, 0) + keep_ms < *next_ms)
        *next_ms = query_column_number(&query, 0) + keep_ms;
    query_end(&query);
    return 0;
}

/* With nothing to do now: when there will be, as far as can be known. */
static int find_next(struct retention *retention, int64_t now_ms, struct err *err)
{
    int64_t next_ms = retention->day_ms;

    if (next_of_kind(retention, "done", retention->config->keep_done_ms, &next_ms, err) != 0 ||
        next_of_kind(retention, "dead", retention->config->keep_dead_ms, &next_ms, err) != 0 ||
        next_row(retention, &next_ms, err) != 0)
        return -1;
    retention->looked_ms = now_ms;
    /* What was not removed though its time is over (its name keeps changing) must not keep us awake. */
    retention->next_ms = next_ms > now_ms + RETENTION_LOOK_MS ? next_ms : now_ms + RETENTION_LOOK_MS;
    return 0;
}

void retention_disturb(struct retention *retention)
{
    int64_t look_ms = retention->looked_ms + RETENTION_LOOK_MS;

    if (look_ms < retention->next_ms)
        retention->next_ms = look_ms;
}

void retention_wake(struct retention *retention)
{
    start_filing(retention);
    retention->next_ms = 0;
}

void retention_hurry(struct retention *retention)
{
    retention->next_ms = retention->looked_ms = retention->day_ms = 0;
}

/* The first step that finds something to do is all for now. */
int retention_step(struct retention *retention, int64_t now_ms, struct err *err)
{
    static int (*const steps[])(struct retention *, int64_t, struct err *) = {
        clear_tmp, file_away, remove_done, remove_dead, remove_excess, forget_messages, forget_rejections,
    };
    int status = STEP_NOTHING;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == STEP_NOTHING; i++)
        status = steps[i](retention, now_ms, err);
    return status;
}

void retention_continue(struct retention *retention, int64_t now_ms)
{
    struct err err = {0};
    int status;

    if (now_ms < retention->next_ms)
        return;
    status = retention_step(retention, now_ms, &err);
    if (status == STEP_DONE)
        retention->next_ms = now_ms + RETENTION_PAUSE_MS;
    else if (status == STEP_NOTHING)
        status = find_next(retention, now_ms, &err);
    if (status >= 0)
        return;
    log_say(LOG_ERR, "clearing up what was kept long enough: %s", err.text);
    retention->looked_ms = now_ms;
    retention->next_ms = now_ms + RETENTION_TROUBLE_MS;
}
