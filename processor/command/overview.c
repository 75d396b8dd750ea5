#include "processor/command/overview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "processor/command/alive.h"

/* ---- the spool ---- */

static int count_file(void *context, const char *name, struct err *err)
{
    int *files = context;

    (void)name;
    (void)err;
    return ++*files < OVERVIEW_FILES_MAX ? 0 : -1;
}

static int look_at_spool(struct overview *overview, const struct spool *spool, struct err *err)
{
    struct statvfs disk;
    int alive = alive_processor(spool, &overview->pid, err);

    if (alive < 0)
        return -1;
    overview->is_alive = alive == 1;
    if (spool_each_new(spool, count_file, &overview->files, err) != 0 && overview->files < OVERVIEW_FILES_MAX)
        return -1;
    if (fstatvfs(spool->new, &disk) != 0)
        return err_system(err, "asking for the free space of the spool %s", spool->path);
    overview->free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return 0;
}

/* ---- the index ---- */

static int count_messages(struct overview *overview, struct index *index, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_COMMAND_MESSAGE_COUNTS, err) != 0 || query_next(&query, err) != 1)
        return -1;
    overview->messages = query_column_number(&query, 0);
    overview->messages_new = query_column_number(&query, 1);
    overview->messages_open = query_column_number(&query, 2);
    query_end(&query);
    return 0;
}

static int measure_messages(struct overview *overview, struct index *index, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_COMMAND_WAITING_BYTES, err) != 0 || query_next(&query, err) != 1)
        return -1;
    overview->waiting_bytes = query_column_number(&query, 0);
    query_end(&query);
    if (query_start(&query, index, STATEMENT_COMMAND_STORE, err) != 0 || query_next(&query, err) != 1)
        return -1;
    overview->kept_files = query_column_number(&query, 0);
    overview->kept_bytes = query_column_number(&query, 1);
    query_end(&query);
    return 0;
}

static int find_oldest(struct overview *overview, struct index *index, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_COMMAND_OLDEST_WAITING, err) != 0)
        return -1;
    row = query_next(&query, err);
    if (row == 1) {
        overview->has_waiting = true;
        snprintf(overview->oldest, sizeof overview->oldest, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
        overview->oldest_ms = query_column_number(&query, 1);
    }
    query_end(&query);
    return row < 0 ? -1 : 0;
}

/* ---- handlers ---- */

static struct overview_handler *add_handler(struct overview *overview, struct span route, struct span handler)
{
    struct overview_handler *larger =
        reallocarray(overview->handlers, overview->handler_count + 1, sizeof *overview->handlers);
    struct overview_handler *added;

    if (larger == NULL)
        return NULL;
    overview->handlers = larger;
    added = &larger[overview->handler_count++];
    *added = (struct overview_handler){0};
    snprintf(added->route, sizeof added->route, "%.*s", (int)route.size, route.data);
    snprintf(added->handler, sizeof added->handler, "%.*s", (int)handler.size, handler.data);
    return added;
}

static int add_configured(struct overview *overview, const struct config *config, struct err *err)
{
    const struct config_handler *handler;

    for (size_t i = 0; (handler = config_handler(config, i)) != NULL; i++) {
        struct overview_handler *added =
            add_handler(overview, span_text(config->routes[handler->route].pattern), span_text(handler->name));

        if (added == NULL)
            return err_set(err, ERR_TEMPORARY, "no memory for the list of handlers");
        added->is_configured = true;
        added->coalesce_ms = handler->coalesce_ms;
        added->never_trips = handler->pause_after == 0;
    }
    return 0;
}

static struct overview_handler *find_handler(struct overview *overview, struct span route, struct span handler)
{
    for (size_t i = 0; i < overview->handler_count; i++)
        if (span_equal(span_text(overview->handlers[i].route), route) &&
            span_equal(span_text(overview->handlers[i].handler), handler))
            return &overview->handlers[i];
    return NULL;
}

enum { COLUMN_ROUTE, COLUMN_HANDLER, COLUMN_COUNTS, COLUMN_DUE = COLUMN_COUNTS + STATE_COUNT };

static int take_counts(struct overview *overview, struct query *query, struct err *err)
{
    struct span route = query_column_text(query, COLUMN_ROUTE), handler = query_column_text(query, COLUMN_HANDLER);
    struct overview_handler *found = find_handler(overview, route, handler);
    int64_t counts[STATE_COUNT], open = 0;

    for (enum state state = 0; state < STATE_COUNT; state++) {
        counts[state] = query_column_number(query, COLUMN_COUNTS + (int)state);
        overview->deliveries[state] += counts[state];
        open += state_has_ended(state) ? 0 : counts[state];
    }
    /* A handler that is gone and has left nothing undone is history. */
    if (found == NULL && open == 0)
        return 0;
    if (found == NULL && (found = add_handler(overview, route, handler)) == NULL)
        return err_set(err, ERR_TEMPORARY, "no memory for the list of handlers");
    memcpy(found->counts, counts, sizeof counts);
    found->is_due = !query_column_is_null(query, COLUMN_DUE);
    found->due_ms = query_column_number(query, COLUMN_DUE) + found->coalesce_ms;
    return 0;
}

static int count_deliveries(struct overview *overview, struct index *index, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_COMMAND_HANDLER_COUNTS, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        if (take_counts(overview, &query, err) != 0) {
            query_end(&query);
            return -1;
        }
    return row;
}

/* Columns of the statement command_pauses. */
enum pause_column { PAUSE_ROUTE, PAUSE_HANDLER, PAUSE_FAILURES, PAUSE_BY, PAUSE_SINCE, PAUSE_UNTIL, PAUSE_REASON };

static void take_pause(struct overview *overview, struct query *query)
{
    struct overview_handler *found =
        find_handler(overview, query_column_text(query, PAUSE_ROUTE), query_column_text(query, PAUSE_HANDLER));
    struct span by = query_column_text(query, PAUSE_BY), reason = query_column_text(query, PAUSE_REASON);

    if (found == NULL || (found->never_trips && span_equal(by, span_text("failures"))))
        return;
    snprintf(found->pause.by, sizeof found->pause.by, "%.*s", (int)by.size, by.data);
    snprintf(found->pause.reason, sizeof found->pause.reason, "%.*s", (int)reason.size, reason.data);
    found->pause.since_ms = query_column_number(query, PAUSE_SINCE);
    found->pause.has_until = !query_column_is_null(query, PAUSE_UNTIL);
    found->pause.until_ms = query_column_number(query, PAUSE_UNTIL);
    found->pause.failures = query_column_number(query, PAUSE_FAILURES);
}

static int find_pauses(struct overview *overview, struct index *index, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_COMMAND_PAUSES, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        take_pause(overview, &query);
    return row;
}

int overview_gather(struct overview *overview, struct command_call *call, struct err *err)
{
    overview->has_spool = call->spool.is_open;
    overview->has_index = call->index.db != NULL;
    if (add_configured(overview, &call->config, err) != 0 ||
        (overview->has_spool && look_at_spool(overview, &call->spool, err) != 0))
        return -1;
    if (!overview->has_index)
        return 0;
    if (count_messages(overview, &call->index, err) != 0 || measure_messages(overview, &call->index, err) != 0 ||
        find_oldest(overview, &call->index, err) != 0)
        return -1;
    if (count_deliveries(overview, &call->index, err) != 0)
        return -1;
    return find_pauses(overview, &call->index, err);
}

void overview_free(struct overview *overview)
{
    free(overview->handlers);
    *overview = (struct overview){0};
}
