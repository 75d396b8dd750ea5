/* mailmill prune: removes at once what the keep- keys of the configuration say was kept long enough. */
#include <poll.h>
#include <stdio.h>

#include "common/log.h"
#include "processor/command/commands.h"
#include "processor/command/options.h"
#include "processor/command/progress.h"
#include "processor/retention.h"
#include "processor/text.h"

enum { PAUSE_MS = 10 /* between two batches, in which others get at the index */ };

/* How much there is. */
struct amount {
    int64_t files, bytes; /* of messages that have ended */
    int64_t messages;     /* rows */
};

/* What others did meanwhile may make it less than nothing. */
static int64_t less(int64_t before, int64_t now)
{
    return before > now ? before - now : 0;
}

static int measure(struct command_call *call, struct amount *amount, struct err *err)
{
    struct query query;
    int row;

    *amount = (struct amount){0};
    if (query_start(&query, &call->index, STATEMENT_COMMAND_MESSAGE_COUNTS, err) != 0 || query_next(&query, err) != 1)
        return -1;
    amount->messages = query_column_number(&query, 0);
    query_end(&query);
    if (query_start(&query, &call->index, STATEMENT_COMMAND_STORE, err) != 0)
        return -1;
    row = query_next(&query, err);
    amount->files = query_column_number(&query, 0);
    amount->bytes = query_column_number(&query, 1);
    query_end(&query);
    return row == 1 ? 0 : -1;
}

/* What did so no later than then; nothing that is kept for ever. */
static int64_t before_ms(const struct command_call *call, int64_t keep_ms)
{
    return keep_ms == CONFIG_FOREVER ? INT64_MIN : call->now_ms - keep_ms;
}

/* How many files and rows are old enough to go, for the bar: keep-size may take more, and who is still needed stays.
 */
static int count_old(struct command_call *call, uint64_t *count, struct err *err)
{
    struct query query;

    if (query_start(&query, &call->index, STATEMENT_COMMAND_OLD, err) != 0)
        return -1;
    query_number(&query, ":done_before", before_ms(call, call->config.keep_done_ms));
    query_number(&query, ":dead_before", before_ms(call, call->config.keep_dead_ms));
    query_number(&query, ":history_before", before_ms(call, call->config.keep_history_ms));
    if (query_next(&query, err) != 1)
        return -1;
    *count = (uint64_t)query_column_number(&query, 0);
    query_end(&query);
    return 0;
}

static int remove_all(struct command_call *call, const struct amount *before, struct amount *now,
                      struct progress *progress, struct err *err)
{
    struct retention retention = {.config = &call->config, .index = &call->index, .spool = &call->spool};
    int status;

    while ((status = retention_step(&retention, call->now_ms, err)) == 1) {
        if (measure(call, now, err) != 0)
            return -1;
        progress_show(progress, (uint64_t)(less(before->files, now->files) + less(before->messages, now->messages)));
        (void)poll(NULL, 0, PAUSE_MS);
    }
    return status;
}

static int prune(struct command_call *call)
{
    struct progress progress = progress_start(&call->err, "files and messages", 0);
    struct amount before, now;
    char size[TEXT_SIZE_SIZE];
    struct err err = {0};
    int status = measure(call, &before, &err);

    now = before;
    if (status == 0)
        status = count_old(call, &progress.total, &err);
    if (status == 0)
        status = remove_all(call, &before, &now, &progress, &err);
    progress_end(&progress);
    text_size((uint64_t)less(before.bytes, now.bytes), size);
    (void)fprintf(call->out.out, "%lld file%s removed, %s; %lld message%s forgotten\n",
                  (long long)less(before.files, now.files), less(before.files, now.files) == 1 ? "" : "s", size,
                  (long long)less(before.messages, now.messages),
                  less(before.messages, now.messages) == 1 ? "" : "s");
    return status == 0 ? COMMAND_OK : command_fail(call, &err);
}

/* What goes is added up at the end; what can't go is said at once. */
static void say_trouble(void *context, int level, struct span text)
{
    if (level <= LOG_WARNING)
        command_say(context, "%.*s", (int)text.size, text.data);
}

int command_prune(struct command_call *call)
{
    struct options options = options_start(call, NULL, 0);
    bool is_missing;
    int status;

    log_redirect(say_trouble, call);
    if (options_next(&options) == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_index(call, INDEX_PROCESSOR, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (is_missing) {
        command_say_no_index(call);
        return COMMAND_NOTHING;
    }
    if ((status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    return prune(call);
}
