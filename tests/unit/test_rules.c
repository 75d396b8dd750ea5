#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/handlers/rules.h"
#include "tests/unit/support.h"

static struct rules rules;
static bool matched[RULES_MAX];

static int start(void **state)
{
    (void)state;
    memset(&rules, 0, sizeof rules);
    memset(matched, 0, sizeof matched);
    return 0;
}

static void add(enum rules_action action, const char *text, const char *tag)
{
    struct err err = {0};

    assert_int_equal(rules_add(&rules, action, text, tag, &err), 0);
}

static void the_first_match_decides(void **state)
{
    (void)state;
    add(RULES_TAG, "Subject: *", "[x]");
    add(RULES_KEEP, " From :  anna@* ", NULL);
    add(RULES_DROP, "X-*: spam", NULL);
    assert_int_equal(rules_decide(&rules, matched), rules.count);
    rules_see_header(&rules, SPAN("Subject"), SPAN("spam"), matched);
    assert_true(matched[0]);
    assert_int_equal(rules_decide(&rules, matched), rules.count);
    rules_see_header(&rules, SPAN("x-kind"), SPAN(" SPAM\t"), matched);
    assert_int_equal(rules_decide(&rules, matched), 2);
    rules_see_header(&rules, SPAN("FROM"), SPAN("anna@example.org"), matched);
    assert_int_equal(rules_decide(&rules, matched), 1);
}

static void lines_and_headers_are_apart(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(rules_add_body(&rules, RULES_DROP, "a: b*", NULL, &err), 0);
    assert_true(rules.need_body);
    rules_see_header(&rules, SPAN("a"), SPAN("b"), matched);
    assert_false(matched[0]);
    rules_see_line(&rules, SPAN("A: bc"), matched);
    assert_true(matched[0]);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {"", ":", ": x", "no colon", "two words: x", "x: a\nb", "x: \xff"};
    static const char *const bad_tags[] = {"", "a\r\nBcc: x", "\xff", "\x7f"};
    char long_text[RULES_GLOB_MAX + 2];
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rules_add(&rules, RULES_DROP, bad[i], NULL, &err), -1);
    for (size_t i = 0; i < sizeof bad_tags / sizeof bad_tags[0]; i++)
        assert_int_equal(rules_add(&rules, RULES_TAG, "x: y", bad_tags[i], &err), -1);
    memset(long_text, 'x', sizeof long_text);
    long_text[1] = ':';
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(rules_add(&rules, RULES_DROP, long_text, NULL, &err), -1);
    long_text[RULES_GLOB_MAX] = '\0';
    assert_int_equal(rules_add(&rules, RULES_DROP, long_text, NULL, &err), 0);
    while (rules.count < RULES_MAX)
        add(RULES_DROP, "x: y", NULL);
    assert_int_equal(rules_add(&rules, RULES_DROP, "x: y", NULL, &err), -1);
    assert_non_null(strstr(err.text, "more than 100 rules"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_match_decides, start),
        cmocka_unit_test_setup(lines_and_headers_are_apart, start),
        cmocka_unit_test_setup(nonsense_is_refused, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
