#include "common/config_scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_keys.h"
#include "common/config_token.h"

enum {
    NOWHERE = -1,    /* the number of a section that is not in the table: its contents are passed over */
    DEPTH_MAX = 8,   /* of sections within sections that are not in the table */
    SHOWN_MAX = 60,  /* bytes of a token in a message */
    GROWTH_MAX = 16, /* how many bytes one byte of the file can become, with quotes and a section's number */
};

struct scanner {
    struct config_tokens tokens;
    struct config_scan *scan;
    struct buf clean;
    const char *path;
    struct config_errors *errors;
};

/* Reports an error of syntax, after which nothing more can be understood; gives -1. */
#define SYNTAX(scanner, line, ...) config_error((scanner)->errors, (scanner)->path, (line), __VA_ARGS__)
#define SHOWN(token) (int)((token).text.size > SHOWN_MAX ? SHOWN_MAX : (token).text.size), (token).text.data

static int unexpected(struct scanner *scanner, struct config_token token, const char *wanted)
{
    if (token.kind == CONFIG_TOKEN_FAULT)
        return SYNTAX(scanner, token.line, "%s", scanner->tokens.fault);
    if (token.kind == CONFIG_TOKEN_END)
        return SYNTAX(scanner, token.line, "the file ends where %s should stand", wanted);
    return SYNTAX(scanner, token.line, "unexpected %.*s where %s should stand", SHOWN(token), wanted);
}

/* ---- writing what libconfuse gets ---------------------------------------------------------------------------------
 */

/* `prefix` comes first within the quotes. */
static void put_value(struct buf *clean, struct span text, const char *prefix)
{
    char quote = text.data[0] == '\'' ? '\'' : '"';
    bool is_word = text.data[0] != '\'' && text.data[0] != '"';
    struct span inside = is_word ? text : span_slice(text, 1, text.size - 1);

    buf_put_byte(clean, quote);
    buf_put_text(clean, prefix);
    for (size_t i = 0; i < inside.size; i++) {
        if (quote == '"' && inside.data[i] == '$')
            buf_put_byte(clean, '\\');
        if (inside.data[i] == '\\')
            buf_put_byte(clean, inside.data[i++]);
        buf_put_byte(clean, inside.data[i]);
    }
    buf_put_byte(clean, quote);
    buf_put_byte(clean, ' ');
}

static void put_title(struct buf *clean, struct span name, struct span title, size_t number)
{
    char prefix[24];
    struct buf text = buf_over(prefix, sizeof prefix);

    buf_printf(&text, "%zu:", number);
    buf_put(clean, name);
    buf_put_byte(clean, ' ');
    put_value(clean, title, prefix);
}

static const char *kind_of(const struct config_section *section)
{
    return section->key == NULL ? "" : section->key->name;
}

/* Of defaults, libconfuse sees those that are lists; the others need no parsing. */
static void put_default_lists(struct scanner *scanner, const struct config_section *section)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);

    for (size_t i = 0; i < count; i++) {
        const char *text = keys[i].default_text;

        if (text != NULL && text[0] == '{' && section->lines[i] == 0 &&
            strcmp(keys[i].section, kind_of(section)) == 0)
            buf_printf(&scanner->clean, "%s = %s\n", keys[i].name, text);
    }
}

/* ---- keys ---------------------------------------------------------------------------------------------------------
 */

static const char *place_of(const struct config_key *key)
{
    if (strcmp(key->section, "route") == 0)
        return "inside a route { }";
    return strcmp(key->section, "handler") == 0 ? "inside a handler { }" : "outside of all braces";
}

static void report_unknown(struct scanner *scanner, const char *section, struct config_token name)
{
    const struct config_key *elsewhere = config_key_elsewhere(section, name.text);
    const struct config_key *meant = config_key_suggest(section, name.text);

    if (elsewhere != NULL)
        config_error(scanner->errors, scanner->path, name.line, "%s does not belong here; it stands %s",
                     elsewhere->name, place_of(elsewhere));
    else if (meant != NULL)
        config_error(scanner->errors, scanner->path, name.line, "unknown key %.*s; did you mean %s?", SHOWN(name),
                     meant->name);
    else
        config_error(scanner->errors, scanner->path, name.line, "unknown key %.*s; remove it", SHOWN(name));
}

/* The row of a key at this place; NULL, and reported, when there is none or it was given before. */
static const struct config_key *look_up(struct scanner *scanner, int number, struct config_token name)
{
    const struct config_key *key;
    unsigned *line;

    if (number == NOWHERE)
        return NULL;
    key = config_key_find(kind_of(&scanner->scan->sections[number]), name.text);
    if (key == NULL) {
        report_unknown(scanner, kind_of(&scanner->scan->sections[number]), name);
        return NULL;
    }
    line = &scanner->scan->sections[number].lines[config_key_index(key)];
    if (*line != 0 && key->kind != CONFIG_SECTION) {
        config_error(scanner->errors, scanner->path, name.line, "%s is given twice, first in line %u; remove one",
                     key->name, *line);
        return NULL;
    }
    *line = name.line;
    return key;
}

static int add_section(struct scanner *scanner, const struct config_key *key, unsigned line)
{
    struct config_scan *scan = scanner->scan;
    struct config_section *sections = reallocarray(scan->sections, scan->section_count + 1, sizeof *sections);

    if (sections == NULL)
        return SYNTAX(scanner, 0, "out of memory");
    sections[scan->section_count] = (struct config_section){.key = key, .line = line};
    scan->sections = sections;
    scan->section_count++;
    return 0;
}

/* ---- syntax -------------------------------------------------------------------------------------------------------
 */

static int scan_items(struct scanner *scanner, int number, unsigned line, int depth);

static int scan_list(struct scanner *scanner)
{
    struct config_token token = config_token_next(&scanner->tokens);

    while (token.kind != CONFIG_TOKEN_CLOSE) {
        if (token.kind != CONFIG_TOKEN_VALUE)
            return unexpected(scanner, token, "a value or }");
        put_value(&scanner->clean, token.text, "");
        token = config_token_next(&scanner->tokens);
        if (token.kind == CONFIG_TOKEN_COMMA) {
            buf_put_text(&scanner->clean, ", ");
            token = config_token_next(&scanner->tokens);
        } else if (token.kind != CONFIG_TOKEN_CLOSE) {
            return unexpected(scanner, token, "a comma or }");
        }
    }
    return 0;
}

/* What follows a key's equals sign. */
static int scan_value(struct scanner *scanner, const struct config_key *key, struct config_token name, bool *is_right)
{
    struct config_token token = config_token_next(&scanner->tokens);
    bool is_list = token.kind == CONFIG_TOKEN_OPEN;

    buf_put(&scanner->clean, name.text);
    buf_put_text(&scanner->clean, is_list ? " = { " : " = ");
    if (is_list) {
        if (scan_list(scanner) != 0)
            return -1;
        buf_put_byte(&scanner->clean, '}');
    } else if (token.kind == CONFIG_TOKEN_VALUE) {
        put_value(&scanner->clean, token.text, "");
    } else {
        return unexpected(scanner, token, "a value");
    }
    if (key == NULL)
        return 0;
    if (key->kind == CONFIG_SECTION) {
        config_error(scanner->errors, scanner->path, name.line, "%s takes no =; write %s \"%s\" { ... }", key->name,
                     key->name, strcmp(key->name, "route") == 0 ? "ADDRESS" : "NAME");
        *is_right = false;
    } else if (is_list && !config_key_is_list(key)) {
        config_error(scanner->errors, scanner->path, name.line,
                     "%s takes one value, not a list; leave out the braces", key->name);
        *is_right = false;
    }
    return 0;
}

/* A section from behind its opening brace to its closing one. */
static int scan_section(struct scanner *scanner, const struct config_key *key, struct config_token name,
                        struct span title, int depth)
{
    int number = key == NULL ? NOWHERE : (int)scanner->scan->section_count;

    if (depth == DEPTH_MAX)
        return SYNTAX(scanner, name.line, "more than %d sections within each other", (int)DEPTH_MAX);
    if (key != NULL) {
        if (add_section(scanner, key, name.line) != 0)
            return -1;
        put_title(&scanner->clean, name.text, title, (size_t)number);
    }
    buf_put_text(&scanner->clean, "{\n");
    if (scan_items(scanner, number, name.line, depth + 1) != 0)
        return -1;
    if (number != NOWHERE)
        put_default_lists(scanner, &scanner->scan->sections[number]);
    buf_put_byte(&scanner->clean, '}');
    return 0;
}

static int missing_equals(struct scanner *scanner, const struct config_key *key, struct config_token name)
{
    if (key != NULL && key->kind == CONFIG_SECTION)
        return SYNTAX(scanner, name.line, "%s needs its braces; write %s \"%s\" { ... }", key->name, key->name,
                      strcmp(key->name, "route") == 0 ? "ADDRESS" : "NAME");
    return SYNTAX(scanner, name.line, "%.*s is not followed by =; write %.*s = VALUE", SHOWN(name), SHOWN(name));
}

/* What stands behind a key. `is_right` becomes false when it is understood, but wrong. */
static int scan_rest(struct scanner *scanner, const struct config_key *key, struct config_token name, int depth,
                     bool *is_right)
{
    struct config_token token = config_token_next(&scanner->tokens);
    struct span title = span_text("\"\"");

    if (token.kind == CONFIG_TOKEN_EQUALS)
        return scan_value(scanner, key, name, is_right);
    if (token.kind == CONFIG_TOKEN_FAULT)
        return unexpected(scanner, token, "=");
    if (key != NULL && key->kind != CONFIG_SECTION)
        return missing_equals(scanner, key, name);
    if (token.kind == CONFIG_TOKEN_VALUE) {
        title = token.text;
        token = config_token_next(&scanner->tokens);
    }
    if (token.kind != CONFIG_TOKEN_OPEN)
        return missing_equals(scanner, key, name);
    return scan_section(scanner, key, name, title, depth);
}

/* A key and what is behind it. What is wrong is left out of the rewritten text. */
static int scan_item(struct scanner *scanner, int number, struct config_token name, int depth)
{
    const struct config_key *key = look_up(scanner, number, name);
    size_t start = scanner->clean.size;
    bool is_right = key != NULL;

    if (scan_rest(scanner, key, name, depth, &is_right) != 0) {
        /* Not given after all, or its missing value would be reported as well. */
        if (key != NULL)
            scanner->scan->sections[number].lines[config_key_index(key)] = 0;
        return -1;
    }
    buf_put_byte(&scanner->clean, '\n');
    if (!is_right)
        scanner->clean.data[scanner->clean.size = start] = '\0';
    return 0;
}

/* The items of a section, up to its closing brace or, in the file itself, the end. */
static int scan_items(struct scanner *scanner, int number, unsigned line, int depth)
{
    for (;;) {
        struct config_token token = config_token_next(&scanner->tokens);
        size_t start = scanner->clean.size;

        if (token.kind == CONFIG_TOKEN_CLOSE && depth > 0)
            return 0;
        if (token.kind == CONFIG_TOKEN_CLOSE)
            return SYNTAX(scanner, token.line, "unexpected }; nothing is open here, remove it");
        if (token.kind == CONFIG_TOKEN_END && depth == 0)
            return 0;
        if (token.kind == CONFIG_TOKEN_END)
            return SYNTAX(scanner, line, "the braces that are opened here are not closed; add a }");
        if (token.kind != CONFIG_TOKEN_VALUE)
            return unexpected(scanner, token, "a key");
        if (scan_item(scanner, number, token, depth) != 0) {
            if (depth == 0)
                scanner->clean.data[scanner->clean.size = start] = '\0';
            return -1;
        }
    }
}

int config_scan(struct config_scan *scan, const char *path, struct span text, struct config_errors *errors)
{
    struct scanner scanner = {.tokens = {.text = text, .line = 1}, .scan = scan, .path = path, .errors = errors};
    size_t capacity = text.size * GROWTH_MAX + 4096;

    if (text.size > CONFIG_FILE_MAX)
        return SYNTAX(&scanner, 0, "larger than %d bytes; is it a configuration?", (int)CONFIG_FILE_MAX);
    scan->clean = malloc(capacity);
    if (scan->clean == NULL || add_section(&scanner, NULL, 0) != 0)
        return SYNTAX(&scanner, 0, "out of memory");
    scanner.clean = buf_over(scan->clean, capacity);
    /* What came before an error of syntax is read all the same, so that its mistakes are reported with it. */
    (void)scan_items(&scanner, 0, 0, 0);
    put_default_lists(&scanner, &scan->sections[0]);
    return scanner.clean.overflowed ? SYNTAX(&scanner, 0, "too large once its defaults are filled in") : 0;
}

void config_scan_free(struct config_scan *scan)
{
    free(scan->clean);
    free(scan->sections);
    *scan = (struct config_scan){0};
}
