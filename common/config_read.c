#include "common/config_read.h"

#include <assert.h>
#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_keys.h"
#include "common/config_value.h"

struct reading {
    struct config *config;
    const struct config_scan *scan;
    struct config_errors *errors;
};

/* ---- libconfuse ---- */

/* By default libconfuse writes to standard error, which is the client in the receiver. The scan has said it all. */
__attribute__((format(printf, 2, 0))) static void say_nothing(cfg_t *section, const char *format, va_list arguments)
{
    (void)section;
    (void)format;
    (void)arguments;
}

/* The options of one kind of section, from the table; every value is a text to libconfuse, and read by us. */
static void make_options(const char *section, cfg_opt_t *subsection, cfg_opt_t options[static CONFIG_KEY_COUNT + 1])
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name = keys[i].name;

        if (strcmp(keys[i].section, section) != 0)
            continue;
        if (keys[i].kind == CONFIG_SECTION)
            options[used++] = (cfg_opt_t)CFG_SEC(name, subsection, CFGF_MULTI | CFGF_TITLE);
        else if (config_key_is_list(&keys[i]))
            options[used++] = (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
        else
            options[used++] = (cfg_opt_t)CFG_STR(name, NULL, CFGF_NODEFAULT);
    }
    options[used] = (cfg_opt_t)CFG_END();
}

static cfg_t *parse(const char *text)
{
    cfg_opt_t handler[CONFIG_KEY_COUNT + 1];
    cfg_opt_t route[CONFIG_KEY_COUNT + 1];
    cfg_opt_t file[CONFIG_KEY_COUNT + 1];
    cfg_t *tree;

    make_options("handler", NULL, handler);
    make_options("route", handler, route);
    make_options("", route, file);
    tree = cfg_init(file, CFGF_NONE);
    if (tree == NULL)
        return NULL;
    cfg_set_error_function(tree, say_nothing);
    if (cfg_parse_buf(tree, text) != CFG_SUCCESS) {
        cfg_free(tree);
        return NULL;
    }
    return tree;
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

static void read_key(const struct reading *reading, const struct config_key *key, cfg_opt_t *option, unsigned line,
                     void *base)
{
    size_t count = cfg_opt_size(option);
    const char **texts = calloc(count + 1, sizeof *texts);
    struct err err = {0};

    for (size_t i = 0; texts != NULL && i < count; i++)
        texts[i] = cfg_opt_getnstr(option, (unsigned)i);
    if (texts == NULL)
        config_error(reading->errors, reading->config->path, line, "out of memory");
    else if (config_value_store(key, texts, count, base, &err) != 0)
        config_error(reading->errors, reading->config->path, line, "%s: %s", key->name, err.text);
    free(texts);
}

static void read_default(const struct reading *reading, const struct config_key *key, void *base)
{
    struct err err = {0};

    if (key->default_text != NULL && config_value_store(key, &key->default_text, 1, base, &err) != 0)
        config_error(reading->errors, reading->config->path, 0, "%s: %s", key->name, err.text);
}

/* The values of one section into `base`. What the scan has reported is not in the tree, and gets no default either.
 */
static void read_values(const struct reading *reading, const char *kind, const cfg_t *section,
                        const unsigned lines[static CONFIG_KEY_COUNT], void *base)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    cfg_opt_t *option = section->opts; /* one for each row of this kind, as make_options put them */

    for (size_t i = 0; i < count; i++) {
        bool is_command = keys[i].kind == CONFIG_COMMAND;

        if (strcmp(keys[i].section, kind) != 0)
            continue;
        if (keys[i].kind != CONFIG_SECTION) {
            if (cfg_opt_size(option) > 0 || (is_command && lines[i] != 0))
                read_key(reading, &keys[i], option, lines[i], base);
            else if (lines[i] == 0)
                read_default(reading, &keys[i], base);
        }
        option++;
    }
}

/* A section's title without the number that the scan put before it, which gives its row there. */
static const char *title_of(const struct reading *reading, cfg_t *section, const struct config_section **row)
{
    char *end;
    unsigned long number = strtoul(cfg_title(section), &end, 10);

    assert(*end == ':' && number < reading->scan->section_count);
    *row = &reading->scan->sections[number];
    return end + 1;
}

/* ---- handlers -----------------------------------------------------------------------------------------------------
 */

static bool is_handler_name(const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    return size > 0 && size <= CONFIG_NAME_MAX && name[size] == '\0';
}

/* Exactly one of run, filter and reply. */
static void read_kind(const struct reading *reading, struct config_handler *handler)
{
    static const char *const names[] = {
        [HANDLER_RUN] = "run", [HANDLER_FILTER] = "filter", [HANDLER_REPLY] = "reply"};
    const char *path = reading->config->path;
    unsigned first = 0;

    for (unsigned kind = HANDLER_RUN; kind <= HANDLER_REPLY; kind++) {
        unsigned line = config_line(handler->lines, "handler", names[kind]);

        if (line == 0)
            continue;
        if (first != 0)
            config_error(reading->errors, path, line,
                         "handler \"%.64s\" has %s here and %s in line %u; keep one of them", handler->name,
                         names[kind], names[handler->kind], first);
        if (first == 0)
            handler->kind = (enum handler_kind)kind;
        first = first == 0 ? line : first;
    }
    if (first == 0)
        config_error(reading->errors, path, handler->line,
                     "handler \"%.64s\" has no program; give it one of run, filter and reply", handler->name);
}

/* A pause that was set must fit the other one, which may be a default. */
static void check_pauses(const struct reading *reading, const struct config_handler *handler)
{
    unsigned line = config_line(handler->lines, "handler", "retry-first");

    if (handler->retry_max_ms == 0 || handler->retry_first_ms <= handler->retry_max_ms)
        return;
    if (line == 0)
        line = config_line(handler->lines, "handler", "retry-max");
    config_error(reading->errors, reading->config->path, line,
                 "retry-first (%llds) is longer than retry-max (%llds); set both",
                 (long long)handler->retry_first_ms / 1000, (long long)handler->retry_max_ms / 1000);
}

/* What can't be had together. The line is that of the key which asks for more than the other allows. */
static void check_schedule(const struct reading *reading, const struct config_handler *handler)
{
    const char *path = reading->config->path;

    if (handler->ordered && handler->concurrency > 1)
        config_error(reading->errors, path, config_line(handler->lines, "handler", "ordered"),
                     "ordered: with concurrency = %u messages overtake each other; leave out one of the two",
                     handler->concurrency);
    if (handler->coalesce_ms > 0 && handler->kind != HANDLER_RUN)
        config_error(reading->errors, path, config_line(handler->lines, "handler", "coalesce"),
                     "coalesce: a %s is made for each message; it goes with run only",
                     handler->kind == HANDLER_FILTER ? "filter's output" : "reply");
}

static void read_handler(const struct reading *reading, cfg_t *section, struct config_handler *handler)
{
    const struct config_section *row;
    const char *name = title_of(reading, section, &row);

    handler->line = row->line;
    memcpy(handler->lines, row->lines, sizeof handler->lines);
    handler->name = strdup(name);
    if (handler->name == NULL) {
        config_error(reading->errors, reading->config->path, row->line, "out of memory");
        return;
    }
    if (!is_handler_name(name))
        config_error(reading->errors, reading->config->path, row->line,
                     "handler: \"%.100s\" is not a name; write up to %d letters, digits, - and _", name,
                     (int)CONFIG_NAME_MAX);
    read_values(reading, "handler", section, handler->lines, handler);
    read_kind(reading, handler);
    check_pauses(reading, handler);
    check_schedule(reading, handler);
}

static void check_handler_names(const struct reading *reading, const struct config_route *route)
{
    for (size_t i = 0; i < route->handler_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct config_handler *handler = &route->handlers[i];

            if (handler->name == NULL || route->handlers[j].name == NULL ||
                !span_equal_nocase(span_text(handler->name), span_text(route->handlers[j].name)))
                continue;
            config_error(reading->errors, reading->config->path, handler->line,
                         "handler \"%.64s\" is there already, in line %u; give it another name", handler->name,
                         route->handlers[j].line);
            break;
        }
}

/* ---- routes -------------------------------------------------------------------------------------------------------
 */

static int read_pattern(struct config_route *route, const char *text, struct err *err)
{
    if (text[0] == '\0')
        return err_set(err, ERR_PERMANENT, "an address is missing; write route \"local@domain\" { ... }");
    if (address_parse(&route->address, span_text(text), err) != 0)
        return -1;
    route->is_catch_all = span_equal(address_local(&route->address), span_text("*"));
    route->pattern = strdup(route->address.text);
    return route->pattern == NULL ? err_system(err, "memory") : 0;
}

static void check_duplicate(const struct reading *reading, const struct config_route *route)
{
    for (const struct config_route *other = reading->config->routes; other < route; other++) {
        if (other->pattern == NULL || !address_equal(&route->address, &other->address))
            continue;
        config_error(reading->errors, reading->config->path, route->line,
                     "route \"%s\" is there already, in line %u (letter case does not matter); "
                     "put all its handlers into one",
                     route->pattern, other->line);
        return;
    }
}

/* What the history has forgotten can't be found to be a copy. */
static void check_dedupe(const struct reading *reading, const struct config_route *route, unsigned line)
{
    const struct config *config = reading->config;

    if (line != 0 && route->dedupe_ms > config->keep_history_ms && config->keep_history_ms > 0)
        config_error(reading->errors, config->path, line,
                     "dedupe (%llds) is longer than keep-history (%llds), in which copies are looked for; set both",
                     (long long)route->dedupe_ms / 1000, (long long)config->keep_history_ms / 1000);
}

static void read_route(const struct reading *reading, cfg_t *section, struct config_route *route)
{
    const struct config_section *row;
    const char *title = title_of(reading, section, &row);
    size_t count = cfg_size(section, "handler");
    struct err err = {0};

    route->line = row->line;
    route->dedupe_ms = reading->config->dedupe_ms;
    read_values(reading, "route", section, row->lines, route);
    check_dedupe(reading, route, config_line(row->lines, "route", "dedupe"));
    if (read_pattern(route, title, &err) != 0)
        config_error(reading->errors, reading->config->path, row->line, "route: %s", err.text);
    else
        check_duplicate(reading, route);
    route->handlers = count == 0 ? NULL : calloc(count, sizeof *route->handlers);
    if (route->handlers == NULL && count > 0) {
        config_error(reading->errors, reading->config->path, row->line, "out of memory");
        return;
    }
    route->handler_count = count;
    for (size_t i = 0; i < count; i++) {
        route->handlers[i].number = reading->config->handler_count++;
        route->handlers[i].route = (size_t)(route - reading->config->routes);
        read_handler(reading, cfg_getnsec(section, "handler", (unsigned)i), &route->handlers[i]);
    }
    check_handler_names(reading, route);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------
 */

/* A bare name is put behind the handler folder, which may be named after the routes. NULL: none, or no memory. */
static char *find_program(const struct reading *reading, const struct config_handler *handler, char **arguments)
{
    const char *program = arguments == NULL ? NULL : arguments[0];
    char *path = NULL;

    if (program == NULL || reading->config->handlers == NULL)
        return NULL;
    if (program[0] == '/')
        path = strdup(program);
    else if (asprintf(&path, "%s/%s", reading->config->handlers, program) < 0)
        path = NULL;
    if (path == NULL)
        config_error(reading->errors, reading->config->path, handler->line, "out of memory");
    return path;
}

/* A handler that says nothing of it has the file's. */
static void inherit_on_dead(const struct reading *reading, struct config_handler *handler)
{
    char **list = reading->config->on_dead;
    size_t count = 0;

    if (handler->on_dead != NULL || list == NULL)
        return;
    while (list[count] != NULL)
        count++;
    handler->on_dead = config_list_copy((const char *const *)list, count);
    if (handler->on_dead == NULL)
        config_error(reading->errors, reading->config->path, handler->line, "out of memory");
}

static void find_programs(const struct reading *reading, struct config_route *route)
{
    for (size_t i = 0; i < route->handler_count; i++) {
        struct config_handler *handler = &route->handlers[i];

        inherit_on_dead(reading, handler);
        handler->program = find_program(reading, handler, handler->arguments);
        handler->on_dead_program = find_program(reading, handler, handler->on_dead);
    }
}

/* Half of what STARTTLS needs would be no STARTTLS, without a word. */
static void check_certificate(const struct reading *reading)
{
    const unsigned *lines = reading->config->lines;
    unsigned certificate = config_line(lines, "", "certificate");
    unsigned key = config_line(lines, "", "key");

    if (certificate != 0 && key == 0)
        config_error(reading->errors, reading->config->path, certificate,
                     "certificate: its private key is missing; write key = \"FILE\"");
    if (key != 0 && certificate == 0)
        config_error(reading->errors, reading->config->path, key,
                     "key: its certificate is missing; write certificate = \"FILE\"");
}

static void read_tree(const struct reading *reading, cfg_t *tree)
{
    struct config *config = reading->config;
    size_t count = cfg_size(tree, "route");

    memcpy(config->lines, reading->scan->sections[0].lines, sizeof config->lines);
    read_values(reading, "", tree, config->lines, config);
    check_certificate(reading);
    check_dedupe(reading, &(struct config_route){.dedupe_ms = config->dedupe_ms},
                 config_line(config->lines, "", "dedupe"));
    config->routes = count == 0 ? NULL : calloc(count, sizeof *config->routes);
    if (config->routes == NULL && count > 0) {
        config_error(reading->errors, config->path, 0, "out of memory");
        return;
    }
    config->route_count = count;
    for (size_t i = 0; i < count; i++)
        read_route(reading, cfg_getnsec(tree, "route", (unsigned)i), &config->routes[i]);
    for (size_t i = 0; i < count; i++)
        find_programs(reading, &config->routes[i]);
}

void config_read(struct config *config, const struct config_scan *scan, struct config_errors *errors)
{
    struct reading reading = {.config = config, .scan = scan, .errors = errors};
    cfg_t *tree = parse(scan->clean);

    if (tree == NULL) {
        config_error(errors, config->path, 0, "libconfuse does not take it, or memory is used up");
        return;
    }
    read_tree(&reading, tree);
    cfg_free(tree);
}
