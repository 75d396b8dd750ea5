/* mailmill reprocess: queues a message's deliveries anew and wakes the processor. */
#include <stdio.h>
#include <string.h>

#include "processor/command/alive.h"
#include "processor/command/commands.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"
#include "processor/ledger.h"

enum { REPROCESS_HANDLER, REPROCESS_OPTIONS };
static const struct option_row rows[REPROCESS_OPTIONS] = {
    [REPROCESS_HANDLER] = {'H', "handler", "NAME", "run this handler alone; else all of the message's routes"},
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

static int replay(struct command_call *call, const char *typed, const char *handler, struct err *err)
{
    char id[ID_SIZE];
    struct spool_place place;
    int found, queued = 0;

    if (lookup_id(&call->index, typed, id, err) != 0)
        return -1;
    found = ledger_is_queued(&call->index, id, err);
    if (found == 0)
        return err_set(err, ERR_PERMANENT, "%s has not been processed for the first time yet", id);
    if (found == 1)
        found = spool_find(&call->spool, id, &place, err);
    if (found == 0)
        return err_set(err, ERR_PERMANENT, "%s: its file is no longer in the spool %s", id, call->spool.path);
    if (found < 0 || ledger_replay(&call->index, &call->config, id, handler, call->now_ms, &queued, err) != 0)
        return -1;
    (void)fprintf(call->out.out, "%s: %d deliver%s queued\n", id, queued, queued == 1 ? "y" : "ies");
    return 0;
}

static int replay_all(struct command_call *call, const struct options *options, const char *handler)
{
    int status = COMMAND_OK, woken;
    bool has_queued = false;

    for (int i = 0; i < options->operand_count; i++) {
        struct err err = {0};

        if (replay(call, options->operands[i], handler, &err) == 0)
            has_queued = true;
        else
            status = command_fail(call, &err);
    }
    woken = has_queued ? alive_wake(call) : COMMAND_OK;
    return status == COMMAND_OK ? woken : status;
}

int command_reprocess(struct command_call *call)
{
    struct options options = options_start(call, rows, REPROCESS_OPTIONS);
    const char *handler = NULL;
    bool is_missing;
    int option, status;

    while ((option = options_next(&options)) >= 0)
        handler = options.argument;
    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count == 0)
        return options_refuse(call, "the ID of a message is missing");
    if ((status = command_open_config(call)) != COMMAND_GO_ON ||
        (handler != NULL && (status = check_handler(call, handler)) != COMMAND_GO_ON) ||
        (status = command_open_index(call, INDEX_PROCESSOR, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (is_missing) {
        command_say(call, "there is no message yet: the index %s is made when the first one comes",
                    call->config.index);
        return COMMAND_NOTHING;
    }
    if ((status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    return replay_all(call, &options, handler);
}
