/* The README says what the code's tables say: keys and defaults, environment names, exit codes, system calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/state.h"
#include "processor/command/command.h"
#include "processor/environment.h"
#include "processor/outcome.h"
#include "receiver/session.h"

static char *readme;

static int load_readme(void **state)
{
    FILE *file = fopen(MAILMILL_SOURCE_DIR "/README.md", "re");
    size_t size = 0;

    (void)state;
    if (file == NULL)
        return -1;
    readme = calloc(1, 1 << 20);
    if (readme != NULL)
        size = fread(readme, 1, (1 << 20) - 1, file);
    (void)fclose(file);
    return size > 0 ? 0 : -1;
}

static int free_readme(void **state)
{
    (void)state;
    free(readme);
    return 0;
}

static void assert_says(const char *text)
{
    if (strstr(readme, text) == NULL)
        fail_msg("README.md does not say: %s", text);
}

/* The table below this head, to the empty line behind it, as a copy. */
static char *read_table(const char *head)
{
    const char *at = strstr(readme, head);
    const char *end = at == NULL ? NULL : strstr(at, "\n\n");
    char *table = end == NULL ? NULL : strndup(at, (size_t)(end - at) + 1);

    if (table == NULL)
        fail_msg("README.md has no table with the head %s", head);
    return table;
}

static const struct {
    const char *section, *head;
} key_tables[] = {
    {"", "\n| global key |"},
    {"route", "\n| in a route |"},
    {"handler", "\n| in a handler |"},
};

static size_t count_rows(const char *table)
{
    size_t count = 0;

    while ((table = strstr(table, "\n| `")) != NULL) {
        table++;
        count++;
    }
    return count;
}

/* Each key in the table of its section, and no rows besides. */
static void keys_are_those_of_the_table(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);

    (void)state;
    for (size_t t = 0; t < sizeof key_tables / sizeof key_tables[0]; t++) {
        char *table = read_table(key_tables[t].head);
        size_t in_section = 0;

        for (size_t i = 0; i < count; i++) {
            bool has_default = keys[i].default_text != NULL;
            char row[256];

            if (strcmp(keys[i].section, key_tables[t].section) != 0)
                continue;
            in_section++;
            snprintf(row, sizeof row, "\n| `%s` | %s%s%s", keys[i].name, has_default ? "`" : "",
                     has_default ? keys[i].default_text : "", has_default ? "` | " : "");
            if (strstr(table, row) == NULL)
                fail_msg("README.md does not say below %s: %s", key_tables[t].head + 1, row + 1);
        }
        if (count_rows(table) != in_section)
            fail_msg("README.md has %zu keys below %s and not %zu", count_rows(table), key_tables[t].head + 1,
                     in_section);
        free(table);
    }
}

static bool is_environment_name(const char *name, size_t size)
{
    const struct environment_row *rows = environment_rows();

    for (size_t i = 0; i < ENVIRONMENT_COUNT; i++)
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
            return true;
    return false;
}

/* The names are in the first column: "| `LOCAL`, `DOMAIN` (also `HOST`) | ". */
static void environment_names_are_those_of_the_table(void **state)
{
    char *table = read_table("\n| name | |");
    size_t names = 0;

    (void)state;
    for (char *row = table; (row = strstr(row, "\n| `")) != NULL; row++) {
        const char *end = strstr(row + 3, " |");
        const char *at = row;

        assert_non_null(end);
        while ((at = strchr(at, '`')) != NULL && at < end) {
            size_t size = strcspn(++at, "`");

            if (!is_environment_name(at, size))
                fail_msg("README.md has an environment name that is none: %.*s", (int)size, at);
            names++;
            at += size + 1;
        }
    }
    free(table);
    assert_int_equal(names, ENVIRONMENT_COUNT);
}

/* "71 73 74 75 111," or "64-70 72": is this code in the row that begins behind "\n| " and has these words? */
static int code_is_in_row(const char *words, int code)
{
    const char *row = strstr(readme, words);

    assert_non_null(row);
    while (row > readme && row[-1] != '\n')
        row--;
    for (row += 2; isdigit((unsigned char)*row); row += strspn(row, " ")) {
        char *rest;
        long first = strtol(row, &rest, 10);
        long last = *rest == '-' ? strtol(rest + 1, &rest, 10) : first;

        if (code >= first && code <= last)
            return 1;
        row = rest;
    }
    return 0;
}

static void exit_codes_are_those_of_the_table(void **state)
{
    static const char *const words[] = {
        [VERDICT_DONE] = "| 0 | done |",
        [VERDICT_SKIP] = "| done, and the handlers after it",
        [VERDICT_RETRY] = "| tried again |",
        [VERDICT_DEAD] = "| dead at once |",
    };

    (void)state;
    for (int code = 0; code < 256; code++) {
        enum verdict verdict = outcome_of(RUN_EXITED, code, NULL).verdict;
        size_t count;
        const struct outcome_row *rows = outcome_rows(&count);
        int is_listed = 0;

        for (size_t i = 0; i < count; i++)
            is_listed = is_listed || (code >= rows[i].first && code <= rows[i].last);
        for (size_t other = 0; other < sizeof words / sizeof words[0]; other++)
            if (code_is_in_row(words[other], code) != (is_listed && other == verdict))
                fail_msg("README.md is wrong about exit code %d", code);
    }
}

static void system_calls_are_those_of_the_session(void **state)
{
    const char *list = strstr(readme, "<!-- session calls -->`");
    char said_storage[1024];
    char listed_storage[1024];
    struct buf said = buf_over(said_storage, sizeof said_storage);
    struct buf listed = buf_over(listed_storage, sizeof listed_storage);

    (void)state;
    assert_non_null(list);
    for (list += strlen("<!-- session calls -->`"); *list != '`'; list++)
        buf_put_byte(&said, (char)(*list == '\n' ? ' ' : *list));
    for (const struct sandbox_call *call = session_calls; call->name != NULL; call++)
        buf_printf(&listed, "%s%s", call == session_calls ? "" : " ", call->name);
    assert_string_equal(said.data, listed.data);
}

static void states_are_those_of_the_index(void **state)
{
    (void)state;
    for (enum state s = STATE_PENDING; s < STATE_COUNT; s++) {
        char word[32];

        snprintf(word, sizeof word, "`%s`", state_word(s));
        assert_says(word);
    }
}

/* Of the table below the commands: each code with its meaning, to which the row may add something. */
static void exit_codes_of_the_command_are_those_of_the_table(void **state)
{
    char *table = read_table("\n| 0 | done |\n| 1 | ");
    size_t rows = 0;

    (void)state;
    for (size_t i = 0; i < command_exit_count; i++) {
        char row[256];

        snprintf(row, sizeof row, "\n| %d | %s", command_exits[i].code, command_exits[i].meaning);
        if (strstr(table, row) == NULL)
            fail_msg("README.md does not say of the command: %s", row + 1);
    }
    for (const char *row = table; (row = strstr(row, "\n| ")) != NULL; row++)
        rows++;
    free(table);
    assert_int_equal(rows, command_exit_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_the_table),
        cmocka_unit_test(environment_names_are_those_of_the_table),
        cmocka_unit_test(exit_codes_are_those_of_the_table),
        cmocka_unit_test(system_calls_are_those_of_the_session),
        cmocka_unit_test(states_are_those_of_the_index),
        cmocka_unit_test(exit_codes_of_the_command_are_those_of_the_table),
    };

    return cmocka_run_group_tests(tests, load_readme, free_readme);
}
