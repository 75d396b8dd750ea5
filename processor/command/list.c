/* mailmill list: messages, the newest last. */
#include <stdio.h>
#include <string.h>

#include "processor/command/commands.h"
#include "processor/command/filter.h"
#include "processor/command/json_column.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"
#include "processor/command/pager.h"
#include "processor/command/table.h"
#include "processor/text.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 1000000 };

enum { LIST_LIMIT = FILTER_OPTIONS, LIST_JSON, LIST_NO_PAGER, LIST_OPTIONS };
static const struct option_row rows[LIST_OPTIONS] = {
    FILTER_ROWS,
    [LIST_LIMIT] = {'n', "limit", "N", "show the newest N messages; 50 if not given"},
    [LIST_JSON] = {0, "json", NULL, "print a JSON array of objects, one a line"},
    [LIST_NO_PAGER] = {0, "no-pager", NULL,
                       "print all at once; else PAGER shows it, on a terminal: less, if not given"},
};

enum { LIST_ID, LIST_RECEIVED, LIST_STATE, LIST_SENDER, LIST_RECIPIENT, LIST_SUBJECT, LIST_COLUMNS };
static const struct table_column columns[LIST_COLUMNS] = {
    {"ID", TABLE_FIXED},        {"RECEIVED (UTC)", TABLE_FIXED}, {"STATE", TABLE_FIXED},
    {"SENDER", TABLE_FLEXIBLE}, {"RECIPIENT", TABLE_FLEXIBLE},   {"SUBJECT", TABLE_FLEXIBLE},
};

/*
 * A terminal of fewer columns than this would have little room for what people look for. There, IDs are shown as far
 * as they are needed, times without what goes without saying, and the columns that matter least may go.
 */
enum { NARROW = 100, SHORT_ID = 10 };
static const struct table_column narrow_columns[LIST_COLUMNS] = {
    {"ID", TABLE_FIXED},        {"UTC", TABLE_FIXED},          {"STATE", TABLE_FIXED},
    {"SENDER", TABLE_FLEXIBLE}, {"RECIPIENT", TABLE_FLEXIBLE}, {"SUBJECT", TABLE_FLEXIBLE},
};
static const size_t rooms[LIST_COLUMNS] = {[LIST_SENDER] = 11, [LIST_RECIPIENT] = 11, [LIST_SUBJECT] = 18};
static const size_t drops[] = {LIST_RECEIVED, LIST_RECIPIENT, LIST_SENDER};

/* ---- options ---- */

static int read_options(struct command_call *call, struct lookup_filter *filter, bool *as_json, bool *paged)
{
    struct options options = options_start(call, rows, LIST_OPTIONS);
    unsigned long long limit;
    int option, status = COMMAND_GO_ON;

    while (status == COMMAND_GO_ON && (option = options_next(&options)) >= 0) {
        if (option < FILTER_OPTIONS)
            status = filter_take(call, filter, option, options.argument);
        else if (option == LIST_JSON)
            *as_json = true;
        else if (option == LIST_NO_PAGER)
            *paged = false;
        else if (span_number(span_text(options.argument), LIMIT_MAX, &limit) != 0 || limit == 0)
            status = options_refuse(call, "--limit is a number from 1 to %d", LIMIT_MAX);
        else
            filter->limit = (int64_t)limit;
    }
    if (status != COMMAND_GO_ON)
        return status;
    return option == OPTIONS_STOP ? options.status : options_no_operands(&options);
}

/* ---- printing ---- */

/* How many bytes two texts have in common at their beginnings. */
static size_t common_size(struct span a, struct span b)
{
    size_t size = 0;

    while (size < a.size && size < b.size && a.data[size] == b.data[size])
        size++;
    return size;
}

/* The beginning of an ID that no other message has, with which commands are content. */
static int add_short_id(struct table *table, struct index *index, struct span id, struct err *err)
{
    struct query query;
    size_t size = SHORT_ID;
    int row;

    if (query_start(&query, index, STATEMENT_COMMAND_NEIGHBOURS, err) != 0)
        return -1;
    query_text(&query, ":id", id);
    row = query_next(&query, err);
    for (int column = 0; row == 1 && column < 2; column++) {
        size_t needed = common_size(id, query_column_text(&query, column)) + 1;

        size = needed > size ? needed : size;
    }
    query_end(&query);
    table_add(table, span_slice(id, 0, size), TERM_PLAIN);
    return row < 0 ? -1 : 0;
}

/* "01-31 23:59", or the day, of another year. */
static void add_short_time(struct table *table, int64_t time_ms, int64_t now_ms)
{
    enum { YEAR = 5, DAY = 10 };
    char time[TEXT_MINUTE_SIZE], now[TEXT_MINUTE_SIZE];
    struct span text;

    text_minute(time_ms, time);
    text_minute(now_ms, now);
    text = span_text(time);
    table_add(table, strncmp(time, now, YEAR) == 0 ? span_slice(text, YEAR, text.size) : span_slice(text, 0, DAY),
              TERM_PLAIN);
}

/* What tells it from others: its ID, and when it came. */
static int add_head(struct table *table, struct query *query, struct command_call *call, struct err *err)
{
    struct span id = query_column_text(query, LOOKUP_ID);
    int64_t time_ms = query_column_number(query, LOOKUP_RECEIVED_MS);
    char time[TEXT_MINUTE_SIZE];

    if (table->columns == narrow_columns) {
        if (add_short_id(table, &call->index, id, err) != 0)
            return -1;
        add_short_time(table, time_ms, call->now_ms);
        return 0;
    }
    text_minute(time_ms, time);
    table_add(table, id, TERM_PLAIN);
    table_add(table, span_text(time), TERM_PLAIN);
    return 0;
}

/* The first recipient, and how many more there are. */
static int add_recipients(struct table *table, struct index *index, struct span id, struct err *err)
{
    char text[ADDRESS_SIZE + 16];
    struct buf cell = buf_over(text, sizeof text);
    struct query query;
    int row, count = 0;

    if (query_start(&query, index, STATEMENT_RECIPIENT_LIST, err) != 0)
        return -1;
    query_text(&query, ":message_id", id);
    while ((row = query_next(&query, err)) == 1)
        if (count++ == 0)
            buf_put(&cell, query_column_text(&query, 1));
    if (count > 1)
        buf_printf(&cell, " +%d", count - 1);
    table_add(table, buf_span(&cell), TERM_PLAIN);
    return row;
}

static int add_row(struct table *table, struct query *query, struct command_call *call, struct err *err)
{
    char state[LOOKUP_WORD_SIZE];

    lookup_word(query, LOOKUP_STATE, state);
    if (add_head(table, query, call, err) != 0)
        return -1;
    table_add(table, span_text(state), term_state_colour(state));
    table_add(table, lookup_sender(query_column_text(query, LOOKUP_SENDER)), TERM_PLAIN);
    if (add_recipients(table, &call->index, query_column_text(query, LOOKUP_ID), err) != 0)
        return -1;
    table_add(table, query_column_text(query, LOOKUP_SUBJECT), TERM_PLAIN);
    return 0;
}

static int print_table(struct command_call *call, struct query *query, bool *found, struct err *err)
{
    struct table table = {.columns = columns, .column_count = LIST_COLUMNS};
    int row;

    if (call->out.width > 0 && call->out.width < NARROW)
        table = (struct table){.columns = narrow_columns,
                               .column_count = LIST_COLUMNS,
                               .rooms = rooms,
                               .drops = drops,
                               .drop_count = sizeof drops / sizeof drops[0]};
    while ((row = query_next(query, err)) == 1)
        if (add_row(&table, query, call, err) != 0) {
            row = -1;
            break;
        }
    *found = table.count > 0;
    if (row == 0 && *found)
        row = table_print(&table, &call->out, err);
    table_free(&table);
    return row;
}

static int print_json(struct command_call *call, struct query *query, bool *found, struct err *err)
{
    struct json json = {.out = call->out.out};
    int row;

    json_open(&json, NULL, '[');
    while ((row = query_next(query, err)) == 1) {
        *found = true;
        json_open(&json, NULL, '{');
        if (lookup_json(query, &json, err) != 0)
            return -1;
        json_close(&json);
    }
    json_close(&json);
    return row;
}

static int print_found(struct command_call *call, const struct lookup_filter *filter, bool as_json)
{
    struct err err = {0};
    struct query query;
    bool found = false;
    int status = lookup_start(&query, &call->index, filter, &err);

    if (status == 0) {
        status = (as_json ? print_json : print_table)(call, &query, &found, &err);
        query_end(&query);
    }
    if (status != 0)
        return command_fail(call, &err);
    if (!found && !as_json)
        command_say(call, "there is no such message");
    return found ? COMMAND_OK : COMMAND_NOTHING;
}

int command_list(struct command_call *call)
{
    struct lookup_filter filter = {.limit = LIMIT_DEFAULT};
    struct pager pager = {0};
    bool as_json = false, paged = true, is_missing;
    int status = read_options(call, &filter, &as_json, &paged);

    if (status != COMMAND_GO_ON || (status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_index(call, INDEX_READER, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (!is_missing) {
        if (paged && !as_json)
            pager_start(&pager, &call->out);
        status = print_found(call, &filter, as_json);
        pager_finish(&pager, &call->out);
        return status;
    }
    if (as_json)
        (void)fputs("[]\n", call->out.out);
    else
        command_say_no_index(call);
    return COMMAND_NOTHING;
}
