/* mailmill pause, mailmill resume: stops the runs of a handler, and lets them go on. */
#include <stdio.h>
#include <string.h>

#include "processor/command/alive.h"
#include "processor/command/commands.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"
#include "processor/ledger_handler.h"

enum { REASON_MAX = 200 }; /* bytes: a line of `mailmill status` */

/* What the two have in common; both say what they did to each handler. */
struct order {
    int (*give)(struct command_call *call, const struct order *order, const char *route, const char *handler,
                struct err *err);
    const char *reason;
};

static int give_pause(struct command_call *call, const struct order *order, const char *route, const char *handler,
                      struct err *err)
{
    if (ledger_pause(&call->index, route, handler, order->reason, call->now_ms, err) < 0)
        return -1;
    (void)fprintf(call->out.out, "%s/%s: paused, until it is resumed\n", route, handler);
    return 0;
}

static int give_resume(struct command_call *call, const struct order *order, const char *route, const char *handler,
                       struct err *err)
{
    int resumed = ledger_resume(&call->index, route, handler, call->now_ms, err);

    (void)order;
    if (resumed < 0)
        return -1;
    (void)fprintf(call->out.out, "%s/%s: %s\n", route, handler, resumed == 1 ? "resumed" : "was not paused");
    return 0;
}

/* ---- which handlers ---- */

static int give_all(struct command_call *call, const struct order *order)
{
    const struct config_handler *handler;
    struct err err = {0};

    for (size_t i = 0; (handler = config_handler(&call->config, i)) != NULL; i++)
        if (order->give(call, order, naming_route(&call->config, handler), handler->name, &err) != 0)
            return command_fail(call, &err);
    return COMMAND_OK;
}

static int give_each(struct command_call *call, const struct order *order, const struct options *options)
{
    int status = COMMAND_OK;

    for (int i = 0; i < options->operand_count; i++) {
        struct err err = {0};
        const struct config_handler *handler = naming_find(&call->config, options->operands[i], &err);

        if (handler == NULL ||
            order->give(call, order, naming_route(&call->config, handler), handler->name, &err) != 0)
            status = command_fail(call, &err);
    }
    return status;
}

/* ---- the commands ---- */

static int run(struct command_call *call, const struct order *order, const struct options *options, bool all)
{
    bool is_missing;
    int status, woken;

    if (all ? options->operand_count > 0 : options->operand_count == 0)
        return options_refuse(call, "%s",
                              all ? "--all and handlers exclude each other" : "the name of a handler is missing");
    if ((status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_index(call, INDEX_PROCESSOR, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (is_missing) {
        command_say(call, "there is nothing to pause yet: the index %s is made by the processor at its first start",
                    call->config.index);
        return COMMAND_NOTHING;
    }
    if ((status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    status = all ? give_all(call, order) : give_each(call, order, options);
    woken = alive_wake(call);
    return status == COMMAND_OK ? woken : status;
}

int command_pause(struct command_call *call)
{
    enum { PAUSE_ALL, PAUSE_REASON, PAUSE_OPTIONS };
    static const struct option_row rows[PAUSE_OPTIONS] = {
        [PAUSE_ALL] = {'a', "all", NULL, "pause all handlers of the configuration"},
        [PAUSE_REASON] = {'r', "reason", "TEXT", "why, for `mailmill status`"},
    };
    struct options options = options_start(call, rows, PAUSE_OPTIONS);
    struct order order = {.give = give_pause, .reason = ""};
    bool all = false;
    int option;

    while ((option = options_next(&options)) >= 0)
        if (option == PAUSE_ALL)
            all = true;
        else
            order.reason = options.argument;
    if (option == OPTIONS_STOP)
        return options.status;
    if (strlen(order.reason) > REASON_MAX)
        return options_refuse(call, "the reason has more than %d bytes", (int)REASON_MAX);
    return run(call, &order, &options, all);
}

int command_resume(struct command_call *call)
{
    enum { RESUME_ALL, RESUME_OPTIONS };
    static const struct option_row rows[RESUME_OPTIONS] = {
        [RESUME_ALL] = {'a', "all", NULL, "resume all handlers of the configuration"},
    };
    struct options options = options_start(call, rows, RESUME_OPTIONS);
    struct order order = {.give = give_resume};
    bool all = false;
    int option;

    while ((option = options_next(&options)) >= 0)
        all = true;
    if (option == OPTIONS_STOP)
        return options.status;
    return run(call, &order, &options, all);
}
