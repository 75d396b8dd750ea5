/* mailmill status: what waits, what runs, what failed, and whether anybody does the work. */
#include <stdio.h>

#include "processor/command/commands.h"
#include "processor/command/json_column.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"
#include "processor/command/overview.h"
#include "processor/command/table.h"
#include "processor/text.h"

enum { FAILURES_SHOWN = 5 };

enum { STATUS_JSON, STATUS_OPTIONS };
static const struct option_row rows[STATUS_OPTIONS] = {
    [STATUS_JSON] = {0, "json", NULL, "print a JSON object"},
};

enum { HANDLER_COLUMNS = 8 };
static const struct table_column handler_columns[HANDLER_COLUMNS] = {
    {"ROUTE", TABLE_FLEXIBLE}, {"HANDLER", TABLE_FIXED}, {"PENDING", TABLE_RIGHT}, {"RUNNING", TABLE_RIGHT},
    {"RETRY", TABLE_RIGHT},    {"DONE", TABLE_RIGHT},    {"DEAD", TABLE_RIGHT},    {"NEXT DUE", TABLE_FIXED},
};

/* Columns of the statement command_last_failures. */
enum failure_column {
    FAILURE_TIME_MS,
    FAILURE_MESSAGE,
    FAILURE_ROUTE,
    FAILURE_HANDLER,
    FAILURE_STATE,
    FAILURE_ATTEMPTS,
    FAILURE_DETAIL,
};

enum { FAILURE_COLUMNS = 6 };
static const struct table_column failure_columns[FAILURE_COLUMNS] = {
    {"FAILED (UTC)", TABLE_FIXED}, {"ID", TABLE_FIXED},    {"ROUTE", TABLE_FLEXIBLE},
    {"HANDLER", TABLE_FIXED},      {"STATE", TABLE_FIXED}, {"REASON", TABLE_FLEXIBLE},
};

enum { PAUSE_COLUMNS = 6 };
static const struct table_column pause_columns[PAUSE_COLUMNS] = {
    {"ROUTE", TABLE_FLEXIBLE},    {"HANDLER", TABLE_FIXED},  {"PAUSED BY", TABLE_FIXED},
    {"SINCE (UTC)", TABLE_FIXED}, {"NEXT TRY", TABLE_FIXED}, {"REASON", TABLE_FLEXIBLE},
};

static int start_failures(struct query *query, struct index *index, struct err *err)
{
    if (query_start(query, index, STATEMENT_COMMAND_LAST_FAILURES, err) != 0)
        return -1;
    query_number(query, ":limit", FAILURES_SHOWN);
    return 0;
}

/* ---- for people ---- */

static void print_spool(const struct command_call *call, const struct overview *overview)
{
    const struct term *term = &call->out;
    char size[TEXT_SIZE_SIZE];

    (void)fputs("processor   ", term->out);
    term_write(term, overview->is_alive ? TERM_GREEN : TERM_RED, overview->is_alive ? "running" : "not running");
    if (overview->pid > 0)
        (void)fprintf(term->out, ", process %ld", overview->pid);
    (void)fprintf(term->out, "\nspool       %s: ", call->config.spool);
    text_size(overview->free_bytes, size);
    if (overview->has_spool)
        (void)fprintf(term->out, "%s%d file%s in new/, %s free\n",
                      overview->files == OVERVIEW_FILES_MAX ? "at least " : "", overview->files,
                      overview->files == 1 ? "" : "s", size);
    else
        (void)fputs("not there yet, it is made with the first message\n", term->out);
    (void)fprintf(term->out, "index       %s%s\n", call->config.index,
                  overview->has_index ? "" : ": not there yet, it is made with the first message");
}

static void print_sizes(const struct command_call *call, const struct overview *overview)
{
    char waiting[TEXT_SIZE_SIZE], kept[TEXT_SIZE_SIZE];

    if (!overview->has_index)
        return;
    text_size((uint64_t)overview->waiting_bytes, waiting);
    text_size((uint64_t)overview->kept_bytes, kept);
    (void)fprintf(call->out.out, "in it       %s that wait or run, %s in %lld file%s that have ended\n", waiting,
                  kept, (long long)overview->kept_files, overview->kept_files == 1 ? "" : "s");
}

static void print_counts(const struct command_call *call, const struct overview *overview)
{
    const struct term *term = &call->out;
    char age[TEXT_DURATION_SIZE];

    (void)fprintf(term->out, "messages    %lld: %lld new, %lld in work, %lld ended\n", (long long)overview->messages,
                  (long long)overview->messages_new, (long long)(overview->messages_open - overview->messages_new),
                  (long long)(overview->messages - overview->messages_open));
    (void)fputs("deliveries  ", term->out);
    for (enum state state = 0; state < STATE_COUNT; state++) {
        (void)fprintf(term->out, "%s%lld ", state > 0 ? ", " : "", (long long)overview->deliveries[state]);
        term_write(term, overview->deliveries[state] > 0 ? term_state_colour(state_word(state)) : TERM_PLAIN,
                   state_word(state));
    }
    (void)fputc('\n', term->out);
    if (overview->has_waiting) {
        text_duration(call->now_ms - overview->oldest_ms, age);
        (void)fprintf(term->out, "oldest      %s has waited %s\n", overview->oldest, age);
    }
}

static void add_handler(struct table *table, const struct overview_handler *handler, int64_t now_ms)
{
    static const enum state shown[] = {STATE_PENDING, STATE_RUNNING, STATE_RETRY, STATE_DONE, STATE_DEAD};
    char wait[TEXT_DURATION_SIZE], due[TEXT_DURATION_SIZE + 8] = "-";

    table_add(table, span_text(handler->route), TERM_PLAIN);
    table_add(table, span_text(handler->handler), TERM_PLAIN);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        char digits[24];

        snprintf(digits, sizeof digits, "%lld", (long long)handler->counts[shown[i]]);
        table_add(table, span_text(digits),
                  handler->counts[shown[i]] > 0 ? term_state_colour(state_word(shown[i])) : TERM_PLAIN);
    }
    text_duration(handler->due_ms - now_ms, wait);
    if (!handler->is_configured)
        snprintf(due, sizeof due, "held: no longer configured");
    else if (handler->pause.by[0] != '\0')
        snprintf(due, sizeof due, "paused");
    else if (handler->is_due)
        snprintf(due, sizeof due, "%s%s", handler->due_ms > now_ms ? "in " : "now",
                 handler->due_ms > now_ms ? wait : "");
    table_add(table, span_text(due),
              handler->is_configured && handler->pause.by[0] == '\0' ? TERM_PLAIN : TERM_YELLOW);
}

static int print_handlers(const struct command_call *call, const struct overview *overview, struct err *err)
{
    struct table table = {.columns = handler_columns, .column_count = HANDLER_COLUMNS};
    int status;

    if (overview->handler_count == 0)
        return 0;
    for (size_t i = 0; i < overview->handler_count; i++)
        add_handler(&table, &overview->handlers[i], call->now_ms);
    (void)fputc('\n', call->out.out);
    status = table_print(&table, &call->out, err);
    table_free(&table);
    return status;
}

static void add_pause(struct table *table, const struct overview_handler *handler, int64_t now_ms)
{
    const struct overview_pause *pause = &handler->pause;
    char since[TEXT_MINUTE_SIZE], wait[TEXT_DURATION_SIZE], next[TEXT_DURATION_SIZE + 8] = "when resumed";

    text_minute(pause->since_ms, since);
    text_duration(pause->until_ms - now_ms, wait);
    if (pause->has_until)
        snprintf(next, sizeof next, "%s%s", pause->until_ms > now_ms ? "in " : "now",
                 pause->until_ms > now_ms ? wait : "");
    table_add(table, span_text(handler->route), TERM_PLAIN);
    table_add(table, span_text(handler->handler), TERM_PLAIN);
    table_add(table, span_text(pause->by), TERM_YELLOW);
    table_add(table, span_text(since), TERM_PLAIN);
    table_add(table, span_text(next), TERM_PLAIN);
    table_add(table, span_text(pause->reason), TERM_PLAIN);
}

static int print_pauses(const struct command_call *call, const struct overview *overview, struct err *err)
{
    struct table table = {.columns = pause_columns, .column_count = PAUSE_COLUMNS};
    int status = 0;

    for (size_t i = 0; i < overview->handler_count; i++)
        if (overview->handlers[i].pause.by[0] != '\0')
            add_pause(&table, &overview->handlers[i], call->now_ms);
    if (table.count > 0 || table.failed) {
        (void)fputs("\npaused\n", call->out.out);
        status = table_print(&table, &call->out, err);
    }
    table_free(&table);
    return status;
}

static void add_failure(struct table *table, struct query *query)
{
    char time[TEXT_MINUTE_SIZE], state[LOOKUP_WORD_SIZE];

    text_minute(query_column_number(query, FAILURE_TIME_MS), time);
    lookup_word(query, FAILURE_STATE, state);
    table_add(table, span_text(time), TERM_PLAIN);
    table_add(table, query_column_text(query, FAILURE_MESSAGE), TERM_PLAIN);
    table_add(table, query_column_text(query, FAILURE_ROUTE), TERM_PLAIN);
    table_add(table, query_column_text(query, FAILURE_HANDLER), TERM_PLAIN);
    table_add(table, span_text(state), term_state_colour(state));
    table_add(table, query_column_text(query, FAILURE_DETAIL), TERM_PLAIN);
}

static int print_failures(struct command_call *call, struct err *err)
{
    struct table table = {.columns = failure_columns, .column_count = FAILURE_COLUMNS};
    struct query query;
    int row;

    if (start_failures(&query, &call->index, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        add_failure(&table, &query);
    if (row == 0 && (table.count > 0 || table.failed)) {
        (void)fputs("\nlast failures\n", call->out.out);
        row = table_print(&table, &call->out, err);
    }
    table_free(&table);
    return row;
}

static int print_text(struct command_call *call, const struct overview *overview, struct err *err)
{
    print_spool(call, overview);
    print_sizes(call, overview);
    print_counts(call, overview);
    if (print_handlers(call, overview, err) != 0 || print_pauses(call, overview, err) != 0)
        return -1;
    return overview->has_index ? print_failures(call, err) : 0;
}

/* ---- for programs ---- */

static void write_counts(struct json *json, const int64_t counts[static STATE_COUNT])
{
    for (enum state state = 0; state < STATE_COUNT; state++)
        json_number(json, state_word(state), counts[state]);
}

static void write_summary(struct json *json, const struct command_call *call, const struct overview *overview)
{
    json_open(json, "processor", '{');
    json_bool(json, "running", overview->is_alive);
    if (overview->pid > 0)
        json_number(json, "pid", overview->pid);
    else
        json_null(json, "pid");
    json_close(json);
    json_open(json, "spool", '{');
    json_text(json, "path", span_text(call->config.spool));
    json_number(json, "new_files", overview->files);
    json_bool(json, "more_new_files", overview->files == OVERVIEW_FILES_MAX);
    if (overview->has_spool)
        json_number(json, "free_bytes", (int64_t)overview->free_bytes);
    else
        json_null(json, "free_bytes");
    json_number(json, "waiting_bytes", overview->waiting_bytes);
    json_number(json, "kept_files", overview->kept_files);
    json_number(json, "kept_bytes", overview->kept_bytes);
    json_close(json);
    json_open(json, "messages", '{');
    json_number(json, "all", overview->messages);
    json_number(json, "new", overview->messages_new);
    json_number(json, "in_work", overview->messages_open - overview->messages_new);
    json_number(json, "ended", overview->messages - overview->messages_open);
    json_close(json);
    json_open(json, "deliveries", '{');
    write_counts(json, overview->deliveries);
    json_close(json);
}

static void write_oldest(struct json *json, const struct overview *overview)
{
    if (!overview->has_waiting) {
        json_null(json, "oldest_waiting");
        return;
    }
    json_open(json, "oldest_waiting", '{');
    json_text(json, "id", span_text(overview->oldest));
    json_time(json, "since", overview->oldest_ms);
    json_close(json);
}

static void write_pause(struct json *json, const struct overview_pause *pause)
{
    if (pause->by[0] == '\0') {
        json_null(json, "paused");
        return;
    }
    json_open(json, "paused", '{');
    json_text(json, "by", span_text(pause->by));
    json_time(json, "since", pause->since_ms);
    if (pause->has_until)
        json_time(json, "until", pause->until_ms);
    else
        json_null(json, "until");
    json_number(json, "failures", pause->failures);
    json_text(json, "reason", span_text(pause->reason));
    json_close(json);
}

static void write_handlers(struct json *json, const struct overview *overview)
{
    json_open(json, "handlers", '[');
    for (size_t i = 0; i < overview->handler_count; i++) {
        const struct overview_handler *handler = &overview->handlers[i];

        json_open(json, NULL, '{');
        json_text(json, "route", span_text(handler->route));
        json_text(json, "handler", span_text(handler->handler));
        json_bool(json, "configured", handler->is_configured);
        write_counts(json, handler->counts);
        if (handler->is_due)
            json_time(json, "next_due", handler->due_ms);
        else
            json_null(json, "next_due");
        write_pause(json, &handler->pause);
        json_close(json);
    }
    json_close(json);
}

static int write_failures(struct json *json, struct index *index, struct err *err)
{
    struct query query;
    int row;

    if (start_failures(&query, index, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1) {
        json_open(json, NULL, '{');
        json_column_time(json, "time", &query, FAILURE_TIME_MS);
        json_column_text(json, "id", &query, FAILURE_MESSAGE);
        json_column_text(json, "route", &query, FAILURE_ROUTE);
        json_column_text(json, "handler", &query, FAILURE_HANDLER);
        json_column_text(json, "state", &query, FAILURE_STATE);
        json_column_number(json, "attempts", &query, FAILURE_ATTEMPTS);
        json_column_text(json, "detail", &query, FAILURE_DETAIL);
        json_close(json);
    }
    return row;
}

static int print_json(struct command_call *call, const struct overview *overview, struct err *err)
{
    struct json json = {.out = call->out.out};
    int status;

    json_open(&json, NULL, '{');
    write_summary(&json, call, overview);
    write_oldest(&json, overview);
    write_handlers(&json, overview);
    json_open(&json, "last_failures", '[');
    status = overview->has_index ? write_failures(&json, &call->index, err) : 0;
    json_close(&json);
    json_close(&json);
    return status;
}

int command_status(struct command_call *call)
{
    struct options options = options_start(call, rows, STATUS_OPTIONS);
    struct overview overview = {0};
    struct err err = {0};
    bool as_json = false, has_no_spool, has_no_index;
    int option, status;

    while ((option = options_next(&options)) >= 0)
        as_json = true;
    if (option == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_spool(call, &has_no_spool)) != COMMAND_GO_ON ||
        (status = command_open_index(call, INDEX_READER, &has_no_index)) != COMMAND_GO_ON)
        return status;
    status = overview_gather(&overview, call, &err);
    if (status == 0)
        status = (as_json ? print_json : print_text)(call, &overview, &err);
    overview_free(&overview);
    return status == 0 ? COMMAND_OK : command_fail(call, &err);
}
