/*
 * What the configuration says of a route or a handler, key by key: for programs every value, for people those that
 * are not the default. Both go by the table of keys (common/config.h), and values are those that count: what a route
 * or a handler does not say itself, and has from the file, is as good as its own.
 *
 *     json_open(&json, NULL, '{');
 *     settings_json_handler(&json, config, handler);
 *     json_close(&json);
 *
 * What a handler is (kind, program, arguments, user) is not among them: see processor/command/naming.h.
 */
#ifndef PROCESSOR_COMMAND_SETTINGS_H
#define PROCESSOR_COMMAND_SETTINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "common/config.h"
#include "processor/json.h"

/*
 * Members of the object that is open: "retry_max_ms" for the duration retry-max, "exit_codes": {"1": "dead"},
 * "on_dead": [program's path, arguments...]. A handler has "reply_limit" besides, null if it is no `reply`.
 * `route` NULL: null for each.
 */
void settings_json_route(struct json *json, const struct config_route *route);
void settings_json_handler(struct json *json, const struct config *config, const struct config_handler *handler);

/*
 * Writes "first retry after 5s; given up after 1d", clean and without a line end, behind `head`: what is not the
 * default, but for what the table of handlers shows (timeout, concurrency). False: there is nothing, and nothing was
 * written.
 */
bool settings_write_route(FILE *out, const char *head, const struct config_route *route);
bool settings_write_handler(FILE *out, const char *head, const struct config *config,
                            const struct config_handler *handler);

#endif
