#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "processor/command/progress.h"

static void the_bar_says_how_far(void **state)
{
    static const struct {
        uint64_t total, done;
        const char *text;
    } rows[] = {
        {200, 0, "[                              ]   0 %  0 of 200 files"},
        {200, 80, "[############                  ]  40 %  80 of 200 files"},
        {200, 199, "[#############################  ]"},
        {200, 200, "[##############################] 100 %  200 of 200 files"},
        {200, 250, "[##############################] 100 %  250 of 250 files"},
        {0, 0, "[##############################] 100 %  0 of 0 files"},
    };
    const struct term term = {.width = 80};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct progress progress = progress_start(&term, "files", rows[i].total);
        char line[PROGRESS_LINE_SIZE];

        progress_text(&progress, rows[i].done, line);
        if (rows[i].done == 199)
            assert_non_null(strstr(line, "# ]  99 %  199 of 200 files"));
        else
            assert_string_equal(line, rows[i].text);
    }
}

/* What was written while something went from 0 to 1000. */
static size_t drawn(size_t width, char text[static 20000])
{
    FILE *out = fmemopen(text, 20000, "w");
    struct term term = {.out = out, .width = width};
    struct progress progress = progress_start(&term, "messages", 1000);
    size_t lines = 0;

    assert_non_null(out);
    for (uint64_t done = 0; done <= 1000; done++)
        progress_show(&progress, done);
    progress_end(&progress);
    assert_int_equal(fclose(out), 0);
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\r';
    return lines;
}

static void it_is_drawn_when_it_looks_different(void **state)
{
    static char text[20000];

    (void)state;
    assert_int_equal(drawn(80, text), 101 + 2);
    assert_int_equal(text[strlen(text) - 1], '\r');
}

static void a_narrow_terminal_gets_what_fits(void **state)
{
    static char text[20000];

    (void)state;
    (void)drawn(20, text);
    for (const char *at = text; at != NULL; at = strchr(at + 1, '\r'))
        assert_true(strcspn(at + 1, "\r") <= 19);
}

static void nothing_is_drawn_elsewhere(void **state)
{
    static char text[20000];

    (void)state;
    memset(text, 0, sizeof text);
    assert_int_equal(drawn(0, text), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bar_says_how_far),
        cmocka_unit_test(it_is_drawn_when_it_looks_different),
        cmocka_unit_test(a_narrow_terminal_gets_what_fits),
        cmocka_unit_test(nothing_is_drawn_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
