/* mailmill explain: which route an address takes, why, and what would run. */
#include <stdio.h>
#include <stdlib.h>

#include "common/route.h"
#include "processor/command/commands.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"
#include "processor/command/settings.h"
#include "processor/command/table.h"
#include "processor/json.h"
#include "processor/text.h"

enum { EXPLAIN_JSON, EXPLAIN_OPTIONS };
static const struct option_row rows[EXPLAIN_OPTIONS] = {
    [EXPLAIN_JSON] = {0, "json", NULL, "print a JSON object"},
};

enum { EXPLAIN_COLUMNS = 7 };
static const struct table_column columns[EXPLAIN_COLUMNS] = {
    {"", TABLE_RIGHT},        {"HANDLER", TABLE_FIXED}, {"KIND", TABLE_FIXED},       {"USER", TABLE_FIXED},
    {"TIMEOUT", TABLE_RIGHT}, {"AT ONCE", TABLE_RIGHT}, {"PROGRAM", TABLE_FLEXIBLE},
};

/* What becomes of mail for an address, and by which rule of common/route.h. */
enum fate {
    FATE_EXACT,
    FATE_EXTENSION,
    FATE_CATCH_ALL,
    FATE_KEPT,
    FATE_UNKNOWN,
    FATE_DISCARDED,
    FATE_INDIRECT,
    FATE_FOREIGN
};
static const struct fate_row {
    const char *word; /* for programs */
    bool is_taken;
    const char *reason;
} fates[] = {
    [FATE_EXACT] = {"exact", true, "a route of its own"},
    [FATE_EXTENSION] = {"extension", true, "the route of its address without the extension"},
    [FATE_CATCH_ALL] = {"catch-all", true, "no nearer route, so the one of all addresses of its domain"},
    [FATE_KEPT] = {"postmaster", true, "no route: postmaster's mail is always accepted, and kept in the spool"},
    [FATE_UNKNOWN] = {"unknown", false, "the domain is ours and no route takes this address: 550, no such user"},
    [FATE_DISCARDED] =
        {"discarded", false,
         "no route takes this address, and unknown = \"discard\": it is told 250, and mail is dropped"},
    [FATE_INDIRECT] = {"indirect", false,
                       "other servers would read it as a way to elsewhere: 550, as a relay would be"},
    [FATE_FOREIGN] = {"foreign", false, "no route is in its domain: 550, as mail is never relayed"},
};

static enum fate fate_of(const struct config *config, const struct address *address, const struct route_match *match)
{
    switch (match->verdict) {
    case ROUTE_FOUND:
        if (match->route->is_catch_all)
            return FATE_CATCH_ALL;
        return address_equal(&match->route->address, address) ? FATE_EXACT : FATE_EXTENSION;
    case ROUTE_KEPT:
        return FATE_KEPT;
    case ROUTE_UNKNOWN_USER:
        if (address_is_indirect(address))
            return FATE_INDIRECT;
        return config->unknown == UNKNOWN_DISCARD ? FATE_DISCARDED : FATE_UNKNOWN;
    case ROUTE_UNKNOWN_DOMAIN:
        break;
    }
    return FATE_FOREIGN;
}

/* ---- for people ---- */

static void add_program(struct table *table, const struct config_handler *handler)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);

    if (memory == NULL) {
        table->failed = true;
        return;
    }
    naming_arguments(memory, handler->program, handler->arguments);
    if (fclose(memory) == 0)
        table_add(table, (struct span){text, size}, TERM_PLAIN);
    else
        table->failed = true;
    free(text);
}

static void add_handler(struct table *table, const struct config *config, const struct config_handler *handler,
                        int64_t position)
{
    char timeout[TEXT_DURATION_SIZE];

    text_duration(handler->timeout_ms, timeout);
    table_add_number(table, position);
    table_add(table, span_text(handler->name), TERM_PLAIN);
    table_add(table, span_text(naming_kind(handler)), TERM_PLAIN);
    table_add(table, span_text(naming_user(config, handler)), TERM_PLAIN);
    table_add(table, span_text(timeout), TERM_PLAIN);
    table_add_number(table, handler->concurrency);
    add_program(table, handler);
}

/* Below the table, a line for each handler that is set otherwise than by default. */
static void print_settings(struct command_call *call, const struct config_route *route)
{
    FILE *out = call->out.out;
    const char *before = "\n";

    for (size_t i = 0; i < route->handler_count; i++) {
        const struct config_handler *handler = &route->handlers[i];
        char head[CONFIG_NAME_MAX + 8];

        snprintf(head, sizeof head, "%s%s: ", before, handler->name);
        if (settings_write_handler(out, head, &call->config, handler)) {
            (void)fputc('\n', out);
            before = "";
        }
    }
}

static int print_handlers(struct command_call *call, const struct config_route *route, struct err *err)
{
    struct table table = {.columns = columns, .column_count = EXPLAIN_COLUMNS};
    int status;

    if (route->handler_count == 0) {
        (void)fputs("handlers  none: mail is accepted and kept in the spool\n", call->out.out);
        return 0;
    }
    (void)fputc('\n', call->out.out);
    for (size_t i = 0; i < route->handler_count; i++)
        add_handler(&table, &call->config, &route->handlers[i], (int64_t)i + 1);
    status = table_print(&table, &call->out, err);
    table_free(&table);
    if (status == 0)
        print_settings(call, route);
    return status;
}

static int print_text(struct command_call *call, const struct address *address, const struct route_match *match,
                      const struct fate_row *fate, struct err *err)
{
    FILE *out = call->out.out;

    (void)fputs("address   ", out);
    text_write(out, span_text(address->text));
    (void)fputs("\nmail      ", out);
    term_write(&call->out, fate->is_taken ? TERM_GREEN : TERM_RED,
               fate->is_taken                   ? "is accepted"
               : fate == &fates[FATE_DISCARDED] ? "is dropped"
                                                : "is refused");
    (void)fprintf(out, "\nbecause   %s\n", fate->reason);
    if (match->route == NULL)
        return 0;
    (void)fputs("route     ", out);
    text_write(out, span_text(match->route->pattern));
    (void)fprintf(out, ", %s:%u\n", call->config.path, match->route->line);
    if (match->extension.size > 0) {
        (void)fputs("extension ", out);
        text_write(out, match->extension);
        (void)fputc('\n', out);
    }
    if (settings_write_route(out, "copies    ", match->route))
        (void)fputc('\n', out);
    return print_handlers(call, match->route, err);
}

/* ---- for programs ---- */

static void write_handler(struct json *json, const struct config *config, const struct config_handler *handler)
{
    json_open(json, NULL, '{');
    json_text(json, "handler", span_text(handler->name));
    json_text(json, "kind", span_text(naming_kind(handler)));
    json_text(json, "user", span_text(naming_user(config, handler)));
    json_text(json, "program", span_text(handler->program));
    json_open(json, "arguments", '[');
    for (size_t i = 1; handler->arguments[i] != NULL; i++)
        json_text(json, NULL, span_text(handler->arguments[i]));
    json_close(json);
    settings_json_handler(json, config, handler);
    json_number(json, "line", handler->line);
    json_close(json);
}

static void print_json(struct command_call *call, const struct address *address, const struct route_match *match,
                       const struct fate_row *fate)
{
    struct json json = {.out = call->out.out};

    json_open(&json, NULL, '{');
    json_text(&json, "address", span_text(address->text));
    json_bool(&json, "accepted", fate->is_taken);
    json_text(&json, "match", span_text(fate->word));
    json_text(&json, "reason", span_text(fate->reason));
    if (match->route != NULL)
        json_text(&json, "route", span_text(match->route->pattern));
    else
        json_null(&json, "route");
    json_text(&json, "extension", match->extension);
    settings_json_route(&json, match->route);
    json_open(&json, "handlers", '[');
    for (size_t i = 0; match->route != NULL && i < match->route->handler_count; i++)
        write_handler(&json, &call->config, &match->route->handlers[i]);
    json_close(&json);
    json_close(&json);
}

int command_explain(struct command_call *call)
{
    struct options options = options_start(call, rows, EXPLAIN_OPTIONS);
    struct address address;
    struct route_match match;
    const struct fate_row *fate;
    struct err err = {0};
    bool as_json = false;
    int option, status;

    while ((option = options_next(&options)) >= 0)
        as_json = true;
    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count != 1)
        return options_refuse(call, "one address is wanted");
    if (address_parse(&address, naming_address(options.operands[0]), &err) != 0)
        return options_refuse(call, "%s", err.text);
    if ((status = command_open_config(call)) != COMMAND_GO_ON)
        return status;
    match = route_find(&call->config, &address);
    fate = &fates[fate_of(&call->config, &address, &match)];
    if (as_json)
        print_json(call, &address, &match, fate);
    else if (print_text(call, &address, &match, fate, &err) != 0)
        return command_fail(call, &err);
    return fate->is_taken ? COMMAND_OK : COMMAND_NOTHING;
}
