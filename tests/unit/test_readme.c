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

static void every_key_has_its_row(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char row[256];

        if (keys[i].default_text == NULL)
            snprintf(row, sizeof row, "\n| `%s` | ", keys[i].name);
        else
            snprintf(row, sizeof row, "\n| `%s` | `%s` | ", keys[i].name, keys[i].default_text);
        assert_says(row);
    }
}

/* And no row for a key that there is not: the tables of keys are those whose head says "key" or "in a". */
static void no_row_is_for_another_key(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    const char *at = strstr(readme, "| global key |");
    const char *end = at == NULL ? NULL : strstr(at, "Each handler has exactly one of");

    (void)state;
    assert_non_null(end);
    while ((at = strstr(at, "\n| `")) != NULL && at < end) {
        size_t size = strcspn(at + 4, "`");
        size_t i = 0;

        while (i < count && (strlen(keys[i].name) != size || memcmp(keys[i].name, at + 4, size) != 0))
            i++;
        if (i == count)
            fail_msg("README.md has a key that is none: %.*s", (int)size, at + 4);
        at += 4;
    }
}

static void every_environment_name_is_there(void **state)
{
    const struct environment_row *rows = environment_rows();

    (void)state;
    for (size_t i = 0; i < ENVIRONMENT_COUNT; i++) {
        char name[64];

        snprintf(name, sizeof name, "`%s`", rows[i].name);
        assert_says(name);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_its_row),
        cmocka_unit_test(no_row_is_for_another_key),
        cmocka_unit_test(every_environment_name_is_there),
        cmocka_unit_test(exit_codes_are_those_of_the_table),
        cmocka_unit_test(system_calls_are_those_of_the_session),
        cmocka_unit_test(states_are_those_of_the_index),
    };

    return cmocka_run_group_tests(tests, load_readme, free_readme);
}
