#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "processor/handlers/glob.h"
#include "tests/unit/support.h"

static const struct {
    const char *pattern;
    const char *text;
    bool is_match;
} rows[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "a/b\nc", true},
    {"a", "", false},
    {"abc", "AbC", true},
    {"abc", "abcd", false},
    {"*[commits]*", "Re: [Commits] x", true},
    {"*[commits]*", "commits", false},
    {"[a-z]", "b", false},
    {"\\*", "\\anything", true},
    {"?", "\xc3\xbc", true},
    {"??", "\xc3\xbc", false},
    {"?x", "\xffx", true},
    {"?", "", false},
    {"a*b*c", "a--b--b--c", true},
    {"a*b*c", "a--b--b--d", false},
    {"*a", "aaaa", true},
    {"*ab", "aab", true},
    {"**a**", "a", true},
    {"*?", "", false},
    {"a?*", "a", false},
    {"*.min.css", ".min.css", true},
};

static void globs_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (glob_matches(span_text(rows[i].pattern), span_text(rows[i].text)) != rows[i].is_match)
            fail_msg("\"%s\" and \"%s\"", rows[i].pattern, rows[i].text);
    assert_true(glob_matches(SPAN("a*\0?"), SPAN("axx\0y")));
    assert_false(glob_matches(SPAN("a"), SPAN("a\0")));
}

static void paths_match(void **state)
{
    (void)state;
    assert_true(glob_matches_path(SPAN("*.js"), SPAN("a/b/c.js")));
    assert_true(glob_matches_path(SPAN("c.js"), SPAN("a/b/C.JS")));
    assert_false(glob_matches_path(SPAN("b"), SPAN("a/b/c.js")));
    assert_true(glob_matches_path(SPAN("a/*"), SPAN("a/b/c.js")));
    assert_false(glob_matches_path(SPAN("b/*"), SPAN("a/b/c.js")));
    assert_true(glob_matches_path(SPAN("*/b/*"), SPAN("a/b/c.js")));
    assert_true(glob_matches_path(SPAN("*"), SPAN("a/")));
}

/* The worst pattern for a matcher that tries again from each of its stars. */
static void many_stars_take_no_time(void **state)
{
    static char text[50000];
    char pattern[201];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = 'a';
    for (size_t i = 0; i < 200; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[200] = 'b';
    assert_false(glob_matches((struct span){pattern, 201}, (struct span){text, sizeof text}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_match),
        cmocka_unit_test(paths_match),
        cmocka_unit_test(many_stars_take_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
