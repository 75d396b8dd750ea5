#include "processor/command/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_keys.h"
#include "common/config_value.h"
#include "processor/command/naming.h"
#include "processor/text.h"

enum { NAME_SIZE = 64, EXIT_CODE_COUNT = 256 };

static const void *field(const struct config_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

/* ---- values ---- */

static void write_duration(FILE *out, const struct config_key *key, const void *base)
{
    char text[TEXT_DURATION_SIZE];

    text_duration(*(const int64_t *)field(key, base), text);
    (void)fputs(text, out);
}

static void json_duration(struct json *json, const char *name, const struct config_key *key, const void *base)
{
    json_number(json, name, *(const int64_t *)field(key, base));
}

static void write_number(FILE *out, const struct config_key *key, const void *base)
{
    (void)fprintf(out, "%u", *(const unsigned *)field(key, base));
}

static void json_unsigned(struct json *json, const char *name, const struct config_key *key, const void *base)
{
    json_number(json, name, *(const unsigned *)field(key, base));
}

/* That it is not the default says it all. */
static void write_switch(FILE *out, const struct config_key *key, const void *base)
{
    (void)out;
    (void)key;
    (void)base;
}

static void json_switch(struct json *json, const char *name, const struct config_key *key, const void *base)
{
    json_bool(json, name, *(const bool *)field(key, base));
}

static const char *const meanings[] = {
    [CONFIG_EXIT_DONE] = "done",
    [CONFIG_EXIT_SKIP] = "skip",
    [CONFIG_EXIT_RETRY] = "retry",
    [CONFIG_EXIT_DEAD] = "dead",
};

static void write_exit_codes(FILE *out, const struct config_key *key, const void *base)
{
    const uint8_t *codes = field(key, base);
    const char *between = "";

    for (unsigned code = 0; code < EXIT_CODE_COUNT; code++) {
        if (codes[code] == CONFIG_EXIT_DEFAULT)
            continue;
        (void)fprintf(out, "%s%u=%s", between, code, meanings[codes[code]]);
        between = ", ";
    }
}

static void json_exit_codes(struct json *json, const char *name, const struct config_key *key, const void *base)
{
    const uint8_t *codes = field(key, base);

    json_open(json, name, '{');
    for (unsigned code = 0; code < EXIT_CODE_COUNT; code++) {
        char digits[16];

        snprintf(digits, sizeof digits, "%u", code);
        if (codes[code] != CONFIG_EXIT_DEFAULT)
            json_text(json, digits, span_text(meanings[codes[code]]));
    }
    json_close(json);
}

/* The one command that says what else is run: on-dead, of a handler. */
static void write_command(FILE *out, const struct config_key *key, const void *base)
{
    const struct config_handler *handler = base;

    assert(key->offset == offsetof(struct config_handler, on_dead));
    naming_arguments(out, handler->on_dead_program, handler->on_dead);
}

static void json_command(struct json *json, const char *name, const struct config_key *key, const void *base)
{
    const struct config_handler *handler = base;

    assert(key->offset == offsetof(struct config_handler, on_dead));
    json_open(json, name, '[');
    if (handler->on_dead_program != NULL)
        json_text(json, NULL, span_text(handler->on_dead_program));
    for (size_t i = 1; handler->on_dead_program != NULL && handler->on_dead[i] != NULL; i++)
        json_text(json, NULL, span_text(handler->on_dead[i]));
    json_close(json);
}

/* By what a key's value is; the kinds that stand in routes and handlers. */
static const struct kind {
    size_t size;        /* of the field */
    const char *suffix; /* of its name for programs: the unit */
    void (*write)(FILE *out, const struct config_key *key, const void *base);
    void (*json)(struct json *json, const char *name, const struct config_key *key, const void *base);
} kinds[CONFIG_KIND_COUNT] = {
    [CONFIG_DURATION] = {sizeof(int64_t), "_ms", write_duration, json_duration},
    [CONFIG_NUMBER] = {sizeof(unsigned), "", write_number, json_unsigned},
    [CONFIG_SWITCH] = {sizeof(bool), "", write_switch, json_switch},
    [CONFIG_EXIT_CODES] = {EXIT_CODE_COUNT, "", write_exit_codes, json_exit_codes},
    [CONFIG_COMMAND] = {sizeof(char **), "", write_command, json_command},
};

static bool is_default(const struct config_key *key, const void *base)
{
    union {
        struct config config;
        struct config_route route;
        struct config_handler handler;
    } usual;
    struct err err = {0};

    if (key->kind == CONFIG_COMMAND) {
        char **const *list = field(key, base);

        return *list == NULL || **list == NULL;
    }
    memset(&usual, 0, sizeof usual);
    /* The configuration was read by the same table. */
    if (key->default_text != NULL && config_value_store(key, &key->default_text, 1, &usual, &err) != 0)
        abort();
    return memcmp(field(key, base), field(key, &usual), kinds[key->kind].size) == 0;
}

/* ---- for programs ---- */

/* The name of a key's member; NULL: what it says has members of other names. */
static const char *member_name(const struct config_key *key, char name[static NAME_SIZE])
{
    bool is_program = key->kind == CONFIG_COMMAND && key->offset == offsetof(struct config_handler, arguments);

    if (kinds[key->kind].json == NULL || is_program)
        return NULL;
    snprintf(name, NAME_SIZE, "%s%s", key->name, kinds[key->kind].suffix);
    for (char *at = name; (at = strchr(at, '-')) != NULL;)
        *at = '_';
    return name;
}

static void write_members(struct json *json, const char *section, const void *base)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char storage[NAME_SIZE];

    for (size_t i = 0; i < count; i++) {
        const char *name = strcmp(keys[i].section, section) == 0 ? member_name(&keys[i], storage) : NULL;

        if (name != NULL && base == NULL)
            json_null(json, name);
        else if (name != NULL)
            kinds[keys[i].kind].json(json, name, &keys[i], base);
    }
}

void settings_json_route(struct json *json, const struct config_route *route)
{
    write_members(json, "route", route);
}

void settings_json_handler(struct json *json, const struct config *config, const struct config_handler *handler)
{
    write_members(json, "handler", handler);
    if (handler->kind == HANDLER_REPLY)
        json_number(json, "reply_limit", config->reply_limit);
    else
        json_null(json, "reply_limit");
}

/* ---- for people ---- */

/* A key in words, with its value between the two; or `zero`, where 0 has words of its own. What is said of a route
 * stands behind the word "copies". */
static const struct phrase {
    const char *section, *key;
    const char *before, *after;
    const char *zero;
} phrases[] = {
    {"", "reply-limit", "replies to one address in an hour: at most ", "", NULL},
    {"route", "dedupe", "that come within ", " are not run", NULL},
    {"handler", "ordered", "while its oldest message waits for a retry, none behind it starts", "", NULL},
    {"handler", "coalesce", "messages that come within ", " share one run", NULL},
    {"handler", "continue", "the handlers after it run even when it is dead", "", NULL},
    {"handler", "pause-after", "failures in a row that pause it: ", "", "never paused for failures"},
    {"handler", "retry-first", "first retry after ", "", NULL},
    {"handler", "retry-max", "retries at most ", " apart", NULL},
    {"handler", "give-up", "given up after ", "", NULL},
    {"handler", "on-dead", "when it is dead, runs ", "", NULL},
    {"handler", "exit-codes", "exit codes ", "", NULL},
};

/* Says one, if it is not the default, behind what stands before it; and what stands before the next. */
static const char *write_phrase(FILE *out, const char *between, const struct phrase *phrase, const void *base)
{
    const struct config_key *key = config_key_find(phrase->section, span_text(phrase->key));

    if (is_default(key, base))
        return between;
    (void)fputs(between, out);
    if (phrase->zero != NULL && *(const unsigned *)field(key, base) == 0) {
        (void)fputs(phrase->zero, out);
        return "; ";
    }
    (void)fputs(phrase->before, out);
    kinds[key->kind].write(out, key, base);
    (void)fputs(phrase->after, out);
    return "; ";
}

static const char *write_phrases(FILE *out, const char *between, const char *section, const void *base)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (strcmp(phrases[i].section, section) == 0)
            between = write_phrase(out, between, &phrases[i], base);
    return between;
}

bool settings_write_route(FILE *out, const char *head, const struct config_route *route)
{
    return write_phrases(out, head, "route", route) != head;
}

bool settings_write_handler(FILE *out, const char *head, const struct config *config,
                            const struct config_handler *handler)
{
    const char *between = write_phrases(out, head, "handler", handler);

    /* A key of the whole file that only these have to do with. */
    if (handler->kind == HANDLER_REPLY)
        between = write_phrases(out, between, "", config);
    return between != head;
}
