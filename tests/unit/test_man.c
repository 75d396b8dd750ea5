/*
 * The man pages describe what the code's tables hold, and nothing else: keys with their types, defaults and bounds,
 * environment names, exit codes, commands, states, replies. Lint, options and synopses are tests/man.sh's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/state.h"
#include "processor/command/commands.h"
#include "processor/environment.h"
#include "processor/outcome.h"
#include "receiver/reply.h"

#define CONFIG_PAGE "common/mailmill.conf.5"
#define HANDLER_PAGE "processor/mailmill-handler.7"
#define COMMAND_PAGE "processor/command/mailmill.1"
#define RECEIVER_PAGE "receiver/mailmill-receiver.8"

enum { LINE_SIZE = 256 };

/* ---- pages ---- */

static char *read_page(const char *name)
{
    enum { PAGE_MAX = 1 << 20 };
    char path[1024];
    char *page = calloc(1, PAGE_MAX);
    FILE *file;

    snprintf(path, sizeof path, MAILMILL_SOURCE_DIR "/%s", name);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(page);
    assert_in_range(fread(page, 1, PAGE_MAX - 1, file), 1, PAGE_MAX - 2);
    (void)fclose(file);
    return page;
}

/* A part of a page: from behind the line `heading` to the next one of its level, as a copy. */
static char *read_part(const char *name, const char *heading)
{
    char *page = read_page(name);
    char line[LINE_SIZE];
    char *start, *end, *part;

    snprintf(line, sizeof line, "\n%s\n", heading);
    start = strstr(page, line);
    if (start == NULL)
        fail_msg("%s has no %s", name, heading);
    start += strlen(line) - 1;
    for (end = start; (end = strstr(end, "\n.S")) != NULL; end++)
        if (strncmp(end, "\n.Sh ", 5) == 0 || (strncmp(end, "\n.Ss ", 5) == 0 && heading[2] == 's'))
            break;
    if (end != NULL)
        *end = '\0';
    part = strdup(start);
    assert_non_null(part);
    free(page);
    return part;
}

static int starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* How often a line of `part` is this one. */
static size_t count_lines(const char *part, const char *line)
{
    size_t size = strlen(line);
    size_t count = 0;

    for (const char *at = part; (at = strchr(at, '\n')) != NULL;)
        count += strncmp(++at, line, size) == 0 && (at[size] == '\n' || at[size] == '\0');
    return count;
}

/* How many lines begin so. */
static size_t count_items(const char *part, const char *prefix)
{
    size_t count = 0;

    for (const char *at = part; (at = strchr(at, '\n')) != NULL;)
        count += (size_t)starts(++at, prefix);
    return count;
}

/* The one item of a list whose head begins so, to the next item on its level. Lists within it do not count. */
static char *find_item(const char *part, const char *head)
{
    char *item = NULL;
    size_t size = strlen(head);

    for (const char *at = part; (at = strchr(at, '\n')) != NULL;) {
        int depth = 0;
        const char *end = ++at;

        if (!starts(at, head) || (at[size] != '\n' && at[size] != ' '))
            continue;
        if (item != NULL)
            fail_msg("%s is there twice", head);
        while ((end = strchr(end, '\n')) != NULL) {
            end++;
            depth += starts(end, ".Bl") - starts(end, ".El");
            if (depth < 0 || (depth == 0 && starts(end, ".It")))
                break;
        }
        item = end == NULL ? strdup(at) : strndup(at, (size_t)(end - at));
    }
    return item;
}

/* ---- keys ---- */

static const struct {
    const char *section, *heading;
} sections[] = {
    {"", ".Ss Global keys"},
    {"route", ".Ss Keys of a route"},
    {"handler", ".Ss Keys of a handler"},
};

/* "Default: 25M, from 1K to 1G." Without a default "From 1K to 1G.", or nothing. */
static void expect_default(const struct config_key *key, char line[static LINE_SIZE])
{
    struct buf buf = buf_over(line, LINE_SIZE);
    const char *choices = key->kind == CONFIG_SWITCH ? "true false" : key->choices;

    line[0] = '\0';
    if (key->default_text == NULL && key->least == NULL)
        return;
    if (key->default_text != NULL)
        buf_printf(&buf, "Default: %s", key->default_text);
    if (key->least != NULL)
        buf_printf(&buf, "%s %s to %s", buf.size > 0 ? ", from" : "From", key->least, key->most);
    for (size_t i = 0; choices != NULL && choices[i] != '\0'; i++) {
        if (i == 0)
            buf_put_text(&buf, "; choices: ");
        if (choices[i] == ' ')
            buf_put_byte(&buf, ',');
        buf_put_byte(&buf, choices[i]);
    }
    buf_put_byte(&buf, '.');
    assert_false(buf.overflowed);
}

static void check_key(const struct config_key *key, const char *part)
{
    char head[LINE_SIZE], line[LINE_SIZE];
    char *item;

    snprintf(head, sizeof head, ".It Cm %s %s%s", key->name, key->kind == CONFIG_SECTION ? "Qo" : "No = Ar ",
             key->kind == CONFIG_SECTION ? "" : key->type);
    item = find_item(part, head);
    if (item == NULL)
        fail_msg(CONFIG_PAGE " has no %s for a key of section \"%s\"", head, key->section);
    expect_default(key, line);
    if (line[0] != '\0' && count_lines(item, line) != 1)
        fail_msg(CONFIG_PAGE " does not say of %s: %s", key->name, line);
    if (count_items(item, "Default:") != (key->default_text != NULL))
        fail_msg(CONFIG_PAGE " has a default for %s that it does not have", key->name);
    free(item);
}

static void every_key_is_described(void **state)
{
    size_t count, described = 0, all = 0;
    const struct config_key *keys = config_keys(&count);
    char *page = read_part(CONFIG_PAGE, ".Sh KEYS");

    (void)state;
    for (size_t s = 0; s < sizeof sections / sizeof sections[0]; s++) {
        char *part = read_part(CONFIG_PAGE, sections[s].heading);

        for (size_t i = 0; i < count; i++)
            if (strcmp(keys[i].section, sections[s].section) == 0) {
                check_key(&keys[i], part);
                described++;
            }
        all += count_items(part, ".It Cm ");
        free(part);
    }
    assert_int_equal(described, count);
    if (all != count || count_items(page, ".It Cm ") != count)
        fail_msg(CONFIG_PAGE " has %zu keys, the table %zu", count_items(page, ".It Cm "), count);
    free(page);
}

static void the_example_is_a_configuration(void **state)
{
    char *part = read_part(CONFIG_PAGE, ".Sh EXAMPLES");
    char *text = strstr(part, ".Bd -literal\n");
    char *end = text == NULL ? NULL : strstr(text, "\n.Ed");
    struct config_errors errors = {0};
    struct config config;

    (void)state;
    assert_non_null(end);
    *end = '\0';
    text = strchr(text, '\n');
    if (config_load_text(&config, "example", text, &errors) != 0)
        fail_msg("the example in " CONFIG_PAGE ": %s", errors.list[0]);
    assert_int_equal(config.route_count, 4);
    config_free(&config);
    config_errors_free(&errors);
    free(part);
}

/* ---- handlers ---- */

static void every_environment_name_is_described(void **state)
{
    const struct environment_row *rows = environment_rows();
    char *part = read_part(HANDLER_PAGE, ".Sh ENVIRONMENT");

    (void)state;
    for (size_t i = 0; i < ENVIRONMENT_COUNT; i++) {
        char line[LINE_SIZE];

        snprintf(line, sizeof line, ".It Ev %s", rows[i].name);
        if (count_lines(part, line) != 1)
            fail_msg(HANDLER_PAGE " does not have once: %s", line);
    }
    if (count_items(part, ".It") != ENVIRONMENT_COUNT)
        fail_msg(HANDLER_PAGE " has %zu environment names, the table %d", count_items(part, ".It"),
                 (int)ENVIRONMENT_COUNT);
    free(part);
}

/* Each of these lines is there once, and no other item behind the head of the table. */
struct table {
    const char *page;
    char *part;
    size_t rows;
};

__attribute__((format(printf, 2, 3))) static void check_row(struct table *table, const char *format, ...)
{
    char line[2 * LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (count_lines(table->part, line) != 1)
        fail_msg("%s does not have once: %s", table->page, line);
    table->rows++;
}

static void end_table(struct table *table)
{
    size_t items = count_items(table->part, ".It ") - count_items(table->part, ".It Sy ");

    if (items != table->rows)
        fail_msg("%s has %zu rows where the code's table has %zu", table->page, items, table->rows);
    free(table->part);
}

static void exit_codes_of_handlers_are_those_of_the_table(void **state)
{
    static const char *const words[] = {
        [VERDICT_DONE] = "done", [VERDICT_SKIP] = "skip", [VERDICT_RETRY] = "retry", [VERDICT_DEAD] = "dead"};
    struct table table = {HANDLER_PAGE, read_part(HANDLER_PAGE, ".Sh EXIT STATUS"), 0};
    size_t count;
    const struct outcome_row *rows = outcome_rows(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].first, rows[i].last);
        check_row(&table, ".It %d Ta %s Ta %s Ta%s%s", rows[i].first, words[rows[i].verdict],
                  rows[i].says == BREAKER_FAILED ? "yes" : "no", rows[i].words[0] == '\0' ? "" : " ", rows[i].words);
    }
    end_table(&table);
}

/* ---- the command ---- */

static void every_command_is_described(void **state)
{
    char *part = read_part(COMMAND_PAGE, ".Sh COMMANDS");
    size_t items;

    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        char head[LINE_SIZE], opened[LINE_SIZE];
        char *item;

        snprintf(head, sizeof head, ".It Cm %s", commands[i].name);
        snprintf(opened, sizeof opened, ".It Xo Cm %s", commands[i].name);
        item = find_item(part, head);
        if (item == NULL)
            item = find_item(part, opened);
        if (item == NULL)
            fail_msg(COMMAND_PAGE " has no %s", head);
        free(item);
    }
    items = count_items(part, ".It Cm ") + count_items(part, ".It Xo Cm ");
    if (items != command_count)
        fail_msg(COMMAND_PAGE " has %zu commands, the table %zu", items, command_count);
    free(part);
}

static void exit_codes_of_the_command_are_those_of_the_table(void **state)
{
    struct table table = {COMMAND_PAGE, read_part(COMMAND_PAGE, ".Sh EXIT STATUS"), 0};

    (void)state;
    for (size_t i = 0; i < command_exit_count; i++)
        check_row(&table, ".It %d Ta %s", command_exits[i].code, command_exits[i].meaning);
    end_table(&table);
}

static void states_are_those_of_the_index(void **state)
{
    struct table table = {COMMAND_PAGE, read_part(COMMAND_PAGE, ".Sh STATES"), 0};

    (void)state;
    for (enum state s = STATE_PENDING; s < STATE_COUNT; s++)
        check_row(&table, ".It Cm %s", state_word(s));
    end_table(&table);
}

/* ---- the receiver ---- */

/* As the client gets it, but for the column between the codes and the text. */
static void put_reply(enum reply reply, char line[static 2 * LINE_SIZE])
{
    char storage[REPLY_LINE_MAX + 1];
    struct buf whole = buf_over(storage, sizeof storage);
    struct buf row = buf_over(line, 2 * LINE_SIZE);
    size_t text = strlen("550 ");

    reply_put(&whole, reply, span_text("..."));
    /* "5.1.1 ", where there is such a code. */
    if (storage[text] == storage[0] && storage[text + 1] == '.')
        text += strcspn(storage + text, " ") + 1;
    buf_printf(&row, ".It %.*s Ta %.*s", (int)text - 1, storage, (int)strcspn(storage + text, "\r"), storage + text);
    assert_false(row.overflowed);
}

static void replies_are_those_of_the_table(void **state)
{
    struct table table = {RECEIVER_PAGE, read_part(RECEIVER_PAGE, ".Sh REPLIES"), 0};

    (void)state;
    for (int reply = REPLY_NONE + 1; reply < REPLY_COUNT; reply++) {
        char line[2 * LINE_SIZE];

        if (reply_code((enum reply)reply) < 400)
            continue;
        put_reply((enum reply)reply, line);
        check_row(&table, "%s", line);
    }
    end_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_described),
        cmocka_unit_test(the_example_is_a_configuration),
        cmocka_unit_test(every_environment_name_is_described),
        cmocka_unit_test(exit_codes_of_handlers_are_those_of_the_table),
        cmocka_unit_test(every_command_is_described),
        cmocka_unit_test(exit_codes_of_the_command_are_those_of_the_table),
        cmocka_unit_test(states_are_those_of_the_index),
        cmocka_unit_test(replies_are_those_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
