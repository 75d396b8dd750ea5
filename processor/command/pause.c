/* mailmill pause, mailmill resume: stops the runs of a handler, and lets them go on. */
#include <stdio.h>
#include <string.h>

#include "processor/command/alive.h"
#include "processor/command/commands.h"
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

static const char *route_of(const struct config *config, const struct config_handler *handler)
{
    return config->routes[handler->route].pattern;
}

/* "answer", or "ask@example.com/answer"; a local part may have a slash of its own. */
static bool is_named(const struct config *config, const struct config_handler *handler, const char *typed)
{
    const char *slash = strrchr(typed, '/');

    if (strcmp(handler->name, slash == NULL ? typed : slash + 1) != 0)
        return false;
    return slash == NULL ||
           span_equal_nocase(span_text(route_of(config, handler)), (struct span){typed, (size_t)(slash - typed)});
}

static void list_handlers(const struct config *config, const char *typed, struct buf *list)
{
    const struct config_handler *handler;

    for (size_t i = 0; (handler = config_handler(config, i)) != NULL; i++)
        if (typed == NULL || is_named(config, handler, typed))
            buf_printf(list, "%s%s/%s", list->size > 0 ? ", " : "", route_of(config, handler), handler->name);
}

/* The one handler that is meant. Permanent errors: there is none, or there are several, which the text names. */
static const struct config_handler *find(const struct config *config, const char *typed, struct err *err)
{
    char names[ERR_TEXT_SIZE / 2];
    struct buf list = buf_over(names, sizeof names);
    const struct config_handler *handler;
    const struct config_handler *found = NULL;
    size_t count = 0;

    for (size_t i = 0; (handler = config_handler(config, i)) != NULL; i++)
        if (is_named(config, handler, typed)) {
            found = handler;
            count++;
        }
    if (count == 1)
        return found;
    list_handlers(config, count == 0 ? NULL : typed, &list);
    if (count == 0)
        err_set(err, ERR_PERMANENT, "there is no handler %.100s; there %s%s", typed,
                list.size > 0 ? "are: " : "is none", names);
    else
        err_set(err, ERR_PERMANENT, "%.100s is the name of several handlers; say which: %s", typed, names);
    return NULL;
}

static int give_all(struct command_call *call, const struct order *order)
{
    const struct config_handler *handler;
    struct err err = {0};

    for (size_t i = 0; (handler = config_handler(&call->config, i)) != NULL; i++)
        if (order->give(call, order, route_of(&call->config, handler), handler->name, &err) != 0)
            return command_fail(call, &err);
    return COMMAND_OK;
}

static int give_each(struct command_call *call, const struct order *order, const struct options *options)
{
    int status = COMMAND_OK;

    for (int i = 0; i < options->operand_count; i++) {
        struct err err = {0};
        const struct config_handler *handler = find(&call->config, options->operands[i], &err);

        if (handler == NULL || order->give(call, order, route_of(&call->config, handler), handler->name, &err) != 0)
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
