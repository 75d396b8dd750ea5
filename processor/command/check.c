/* mailmill check: every mistake in the configuration, or what it says. */
#include "processor/check.h"

#include <stdio.h>

#include "processor/command/commands.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"
#include "processor/command/table.h"
#include "processor/text.h"

enum { CHECK_COLUMNS = 6 };
static const struct table_column columns[CHECK_COLUMNS] = {
    {"ROUTE", TABLE_FLEXIBLE}, {"HANDLER", TABLE_FIXED}, {"KIND", TABLE_FIXED},
    {"USER", TABLE_FIXED},     {"TIMEOUT", TABLE_RIGHT}, {"PROGRAM", TABLE_FLEXIBLE},
};

static void add_handler(struct table *table, const struct config *config, const struct config_route *route,
                        const struct config_handler *handler)
{
    char timeout[TEXT_DURATION_SIZE];

    text_duration(handler->timeout_ms, timeout);
    table_add(table, span_text(route->pattern), TERM_PLAIN);
    table_add(table, span_text(handler->name), TERM_PLAIN);
    table_add(table, span_text(naming_kind(handler)), TERM_PLAIN);
    table_add(table, span_text(naming_user(config, handler)), TERM_PLAIN);
    table_add(table, span_text(timeout), TERM_PLAIN);
    table_add(table, span_text(handler->program), TERM_PLAIN);
}

static void add_route(struct table *table, const struct config *config, const struct config_route *route)
{
    for (size_t i = 0; i < route->handler_count; i++)
        add_handler(table, config, route, &route->handlers[i]);
    if (route->handler_count > 0)
        return;
    table_add(table, span_text(route->pattern), TERM_PLAIN);
    for (size_t i = 1; i + 1 < CHECK_COLUMNS; i++)
        table_add(table, span_text("-"), TERM_PLAIN);
    table_add(table, span_text("none: mail is accepted and kept"), TERM_PLAIN);
}

static int print_summary(struct command_call *call)
{
    const struct config *config = &call->config;
    struct table table = {.columns = columns, .column_count = CHECK_COLUMNS};
    struct err err = {0};
    int status;

    (void)fprintf(call->out.out, "%s is good: %zu route%s, %zu handler%s.\n", config->path, config->route_count,
                  config->route_count == 1 ? "" : "s", config->handler_count, config->handler_count == 1 ? "" : "s");
    if (config->route_count == 0)
        return COMMAND_OK;
    (void)fputc('\n', call->out.out);
    for (size_t i = 0; i < config->route_count; i++)
        add_route(&table, config, &config->routes[i]);
    status = table_print(&table, &call->out, &err);
    table_free(&table);
    return status == 0 ? COMMAND_OK : command_fail(call, &err);
}

int command_check(struct command_call *call)
{
    struct options options = options_start(call, NULL, 0);
    struct config_errors errors = {0}, warnings = {0};
    int status;

    if (options_next(&options) == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON)
        return status;
    status = check_config(&call->config, &errors, &warnings);
    command_list_errors(call, &errors, "error", TERM_RED);
    command_list_errors(call, &warnings, "warning", TERM_YELLOW);
    config_errors_free(&errors);
    config_errors_free(&warnings);
    return status == 0 ? print_summary(call) : COMMAND_MISTAKEN;
}
