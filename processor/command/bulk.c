#include "processor/command/bulk.h"

#include <stdio.h>

#include "processor/command/alive.h"
#include "processor/command/progress.h"

/* ---- what is asked for ---- */

static bool is_by_filter(const struct lookup_filter *filter)
{
    return filter->state != NULL || filter->route != NULL || filter->handler != NULL || filter->sender != NULL ||
           filter->subject != NULL || filter->since_ms != 0 || filter->until_ms != 0;
}

/* A message that is named is that one, whoever sent it and whenever: there only its deliveries are to be chosen. */
static int check_choice(struct bulk *bulk)
{
    const struct lookup_filter *filter = &bulk->filter;

    if (bulk->id_count > 0 &&
        (filter->sender != NULL || filter->subject != NULL || filter->since_ms != 0 || filter->until_ms != 0))
        return options_refuse(bulk->call,
                              "--sender, --subject, --since and --until are not for messages given by their IDs");
    if (bulk->id_count == 0 && !is_by_filter(filter))
        return options_refuse(bulk->call, "say which messages: by their IDs, or by options such as --state");
    bulk->change.choice = (struct ledger_choice){filter->state, filter->route, filter->handler};
    return COMMAND_GO_ON;
}

int bulk_read(struct bulk *bulk, const struct option_row *rows, size_t row_count)
{
    struct options options = options_start(bulk->call, rows, row_count);
    int option, status = COMMAND_GO_ON;

    while (status == COMMAND_GO_ON && (option = options_next(&options)) >= 0) {
        if (option < FILTER_OPTIONS)
            status = filter_take(bulk->call, &bulk->filter, option, options.argument);
        else
            bulk->change.dry_run = true;
    }
    if (status != COMMAND_GO_ON)
        return status;
    if (option == OPTIONS_STOP)
        return options.status;
    bulk->ids = options.operands;
    bulk->id_count = options.operand_count;
    bulk->change.config = &bulk->call->config;
    bulk->change.now_ms = bulk->call->now_ms;
    return check_choice(bulk);
}

int bulk_open(struct bulk *bulk)
{
    struct command_call *call = bulk->call;
    bool is_missing;
    int status = command_open_index(call, bulk->change.dry_run ? INDEX_READER : INDEX_PROCESSOR, &is_missing);

    if (status != COMMAND_GO_ON)
        return status;
    if (is_missing) {
        command_say_no_index(call);
        return COMMAND_NOTHING;
    }
    return command_open_spool(call, NULL);
}

/* ---- transactions ---- */

/* A dry run reads within the transaction that it was opened with. */
static int begin(struct bulk *bulk, struct err *err)
{
    return bulk->change.dry_run ? 0 : index_begin(&bulk->call->index, err);
}

static int commit(struct bulk *bulk, struct err *err)
{
    return bulk->change.dry_run ? 0 : index_commit(&bulk->call->index, err);
}

static void roll_back(struct bulk *bulk)
{
    if (!bulk->change.dry_run)
        index_rollback(&bulk->call->index);
}

/* ---- messages given by their IDs ---- */

static const char *plural(int count)
{
    return count == 1 ? "y" : "ies";
}

static int change_one(struct bulk *bulk, const char *typed, struct err *err)
{
    struct command_call *call = bulk->call;
    char id[ID_SIZE];
    int count = 0;

    if (lookup_id(&call->index, typed, id, err) != 0 || begin(bulk, err) != 0)
        return -1;
    if (bulk->step(bulk, id, &count, err) != 0) {
        roll_back(bulk);
        return -1;
    }
    if (commit(bulk, err) != 0)
        return -1;
    if (!bulk->change.dry_run)
        (void)fprintf(call->out.out, "%s: %d deliver%s %s\n", id, count, plural(count), bulk->word);
    return 0;
}

static int change_given(struct bulk *bulk, bool *has_changed)
{
    int status = COMMAND_OK;

    for (int i = 0; i < bulk->id_count; i++) {
        struct err err = {0};

        if (change_one(bulk, bulk->ids[i], &err) == 0)
            *has_changed = true;
        else
            status = command_fail(bulk->call, &err);
    }
    return status;
}

/* ---- messages that a filter lets pass ---- */

struct tally {
    int messages, deliveries;
    int status; /* of the last message that was refused; COMMAND_OK: none was */
};

/* From when to when the messages came that may be meant: they are gone through in the order of their IDs, and so of
 * their times. */
struct stretch {
    int64_t first_ms, last_ms;
};

/* The time in the ID of a column; 0 without one. */
static int64_t column_time_ms(struct query *query, int column)
{
    struct span text = query_column_text(query, column);
    char id[ID_SIZE];

    snprintf(id, sizeof id, "%.*s", (int)text.size, text.data);
    return id_is_valid(text) ? id_time_ms(id) : 0;
}

static int find_stretch(struct bulk *bulk, struct stretch *stretch, struct err *err)
{
    const struct lookup_filter *filter = &bulk->filter;
    struct query query;

    if (query_start(&query, &bulk->call->index, STATEMENT_COMMAND_STRETCH, err) != 0 || query_next(&query, err) != 1)
        return -1;
    stretch->first_ms = column_time_ms(&query, 0);
    stretch->last_ms = column_time_ms(&query, 1);
    query_end(&query);
    if (filter->since_ms > stretch->first_ms)
        stretch->first_ms = filter->since_ms;
    if (filter->until_ms != 0 && filter->until_ms < stretch->last_ms)
        stretch->last_ms = filter->until_ms;
    return 0;
}

static void show_progress(const struct bulk *bulk, const struct stretch *stretch, struct progress *progress,
                          const struct tally *tally, const char last[static ID_SIZE])
{
    int64_t done_ms = id_time_ms(last) - stretch->first_ms;
    char words[80];

    if (bulk->change.dry_run)
        return;
    snprintf(words, sizeof words, "%d deliver%s %.40s", tally->deliveries, plural(tally->deliveries), bulk->word);
    progress_tell(progress, done_ms < 0 ? 0 : (uint64_t)done_ms, words);
}

/* The first messages behind `last`. Gives how many, or -1. */
static int choose(struct bulk *bulk, const char *last, char ids[static BULK_BATCH][ID_SIZE], struct err *err)
{
    struct query query;
    int count = 0;
    int row;

    bulk->filter.limit = BULK_BATCH;
    if (lookup_choose(&query, &bulk->call->index, &bulk->filter, last, bulk->is_waiting, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        snprintf(ids[count++], ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
    return row < 0 ? -1 : count;
}

/* One that is refused is said, and the others go on; with the index in trouble none of the batch is changed. */
static int change_batch(struct bulk *bulk, char ids[][ID_SIZE], int count, struct tally *tally, struct err *err)
{
    struct tally done = *tally;

    if (begin(bulk, err) != 0)
        return -1;
    for (int i = 0; i < count; i++) {
        if (bulk->step(bulk, ids[i], &done.deliveries, err) == 0) {
            done.messages++;
        } else if (err->kind == ERR_PERMANENT) {
            done.status = command_fail(bulk->call, err);
        } else {
            roll_back(bulk);
            return -1;
        }
    }
    if (commit(bulk, err) != 0)
        return -1;
    *tally = done;
    return 0;
}

static int change_filtered(struct bulk *bulk, bool *has_changed)
{
    static char ids[BULK_BATCH][ID_SIZE];
    struct command_call *call = bulk->call;
    struct tally tally = {.status = COMMAND_OK};
    struct progress progress = progress_start(&call->err, "", 0);
    struct stretch stretch = {0};
    char last[ID_SIZE] = "";
    struct err err = {0};
    int count;

    if (find_stretch(bulk, &stretch, &err) != 0)
        return command_fail(call, &err);
    if (stretch.last_ms > stretch.first_ms)
        progress.total = (uint64_t)(stretch.last_ms - stretch.first_ms);
    while ((count = choose(bulk, last, ids, &err)) > 0) {
        snprintf(last, sizeof last, "%s", ids[count - 1]);
        if (change_batch(bulk, ids, count, &tally, &err) != 0) {
            count = -1;
            break;
        }
        show_progress(bulk, &stretch, &progress, &tally, last);
    }
    progress_end(&progress);
    *has_changed = tally.deliveries > 0;
    if (count == 0 && tally.messages == 0 && tally.status == COMMAND_OK) {
        command_say(call, "there is no such message");
        return COMMAND_NOTHING;
    }
    if (!bulk->change.dry_run)
        (void)fprintf(call->out.out, "%d deliver%s of %d message%s %s\n", tally.deliveries, plural(tally.deliveries),
                      tally.messages, tally.messages == 1 ? "" : "s", bulk->word);
    return count < 0 ? command_fail(call, &err) : tally.status;
}

/* ---- all of it ---- */

int bulk_run(struct bulk *bulk)
{
    bool has_changed = false;
    int status = (bulk->id_count > 0 ? change_given : change_filtered)(bulk, &has_changed);
    int woken = has_changed && !bulk->change.dry_run ? alive_wake(bulk->call) : COMMAND_OK;

    return status == COMMAND_OK ? woken : status;
}
