/* mailmill reprocess: queues messages' deliveries anew and wakes the processor. */
#include <stdio.h>
#include <string.h>

#include "common/state.h"
#include "processor/command/bulk.h"
#include "processor/command/commands.h"
#include "processor/command/table.h"
#include "processor/text.h"

enum { REPROCESS_DRY_RUN = FILTER_OPTIONS, REPROCESS_OPTIONS };
static const struct option_row rows[REPROCESS_OPTIONS] = {
    FILTER_ROWS,
    [REPROCESS_DRY_RUN] = {'n', "dry-run", NULL, "show what would be run again, and change nothing"},
};

enum { DRY_COLUMNS = 5 };
static const struct table_column columns[DRY_COLUMNS] = {
    {"ID", TABLE_FIXED},      {"RECEIVED (UTC)", TABLE_FIXED}, {"RECIPIENT", TABLE_FLEXIBLE},
    {"HANDLER", TABLE_FIXED}, {"STATE", TABLE_FIXED},
};

/* A name that is nowhere in the configuration is a slip, and worth more than "no route has it". */
static int check_handler(struct command_call *call, const char *name)
{
    char names[ERR_TEXT_SIZE / 2];
    struct buf list = buf_over(names, sizeof names);
    const struct config_handler *handler;

    for (size_t i = 0; (handler = config_handler(&call->config, i)) != NULL; i++) {
        if (strcmp(handler->name, name) == 0)
            return COMMAND_GO_ON;
        buf_printf(&list, "%s%s", i > 0 ? ", " : "", handler->name);
    }
    command_say(call, "no route in %.200s has a handler %.100s; there %s%s", call->config.path, name,
                list.size > 0 ? "are: " : "is none", names);
    return COMMAND_NOTHING;
}

/* Only deliveries have runs that could be repeated, and not while they are at it. */
static int check_state(struct command_call *call, const char *word)
{
    if (word == NULL)
        return COMMAND_GO_ON;
    if (state_from_word(word) == STATE_COUNT)
        return options_refuse(call, "what is %s has no delivery to be run again", word);
    if (state_from_word(word) == STATE_RUNNING)
        return options_refuse(call, "what is running has to end before it can be run again");
    return COMMAND_GO_ON;
}

/* Within a transaction, so that what retention would remove stays from the question to the change. */
static int replay(struct bulk *bulk, const char *id, int *count, struct err *err)
{
    struct command_call *call = bulk->call;
    struct spool_place place;
    int found = spool_find(&call->spool, id, &place, err);

    if (found == 0 && ledger_refuse_gone(&call->index, id, err) != 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_PERMANENT, "%s: its file is no longer in the spool %s", id, call->spool.path);
    return found < 0 ? -1 : ledger_replay_within(&call->index, &bulk->change, id, count, err);
}

/* ---- a dry run ---- */

static int show(void *context, const char *id, const struct address *recipient, const char *route,
                const char *handler, const char *state, struct err *err)
{
    struct table *table = context;
    char time[TEXT_MINUTE_SIZE];

    (void)route;
    (void)err;
    if (state == NULL)
        state = "-"; /* a handler that is new since */
    text_minute(id_time_ms(id), time);
    table_add(table, span_text(id), TERM_PLAIN);
    table_add(table, span_text(time), TERM_PLAIN);
    table_add(table, span_text(recipient->text), TERM_PLAIN);
    table_add(table, span_text(handler), TERM_PLAIN);
    table_add(table, span_text(state), term_state_colour(state));
    return 0;
}

/* Exits 0 also for what would be refused, which is said: nothing went wrong. */
static int dry_run(struct bulk *bulk)
{
    struct table table = {.columns = columns, .column_count = DRY_COLUMNS};
    struct err err = {0};
    int status, printed = 0;

    bulk->change.visit = show;
    bulk->change.context = &table;
    status = bulk_run(bulk);
    if (table.count > 0)
        printed = table_print(&table, &bulk->call->out, &err);
    if (status == COMMAND_OK || table.count > 0)
        (void)fprintf(bulk->call->out.out, "%zu deliver%s would be run again\n", table.count / DRY_COLUMNS,
                      table.count == DRY_COLUMNS ? "y" : "ies");
    if (status == COMMAND_NOTHING && table.count > 0)
        status = COMMAND_OK;
    table_free(&table);
    return printed != 0 ? command_fail(bulk->call, &err) : status;
}

int command_reprocess(struct command_call *call)
{
    struct bulk bulk = {.call = call, .step = replay, .word = "queued"};
    int status = bulk_read(&bulk, rows, REPROCESS_OPTIONS);

    if (status != COMMAND_GO_ON || (status = check_state(call, bulk.filter.state)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON ||
        (bulk.filter.handler != NULL && (status = check_handler(call, bulk.filter.handler)) != COMMAND_GO_ON) ||
        (status = bulk_open(&bulk)) != COMMAND_GO_ON)
        return status;
    return bulk.change.dry_run ? dry_run(&bulk) : bulk_run(&bulk);
}
