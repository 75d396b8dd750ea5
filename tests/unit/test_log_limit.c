#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log_limit.h"

static void so_many_lines_in_a_period(void **state)
{
    struct log_limit limit = {0};
    uint64_t left_out;

    (void)state;
    for (int i = 0; i < LOG_LIMIT_LINES; i++) {
        assert_int_equal(log_limit_ask(&limit, 1000 + i, &left_out), LOG_LIMIT_SAY);
        assert_int_equal(left_out, 0);
    }
    assert_int_equal(log_limit_ask(&limit, 2000, &left_out), LOG_LIMIT_LAST);
    assert_int_equal(log_limit_ask(&limit, 2001, &left_out), LOG_LIMIT_LEAVE);
    assert_int_equal(log_limit_ask(&limit, 1000 + LOG_LIMIT_MS - 1, &left_out), LOG_LIMIT_LEAVE);
}

static void the_next_period_begins_with_the_count(void **state)
{
    struct log_limit limit = {0};
    uint64_t left_out;

    (void)state;
    for (int i = 0; i < LOG_LIMIT_LINES + 7; i++)
        (void)log_limit_ask(&limit, 5000, &left_out);
    assert_int_equal(log_limit_ask(&limit, 5000 + LOG_LIMIT_MS, &left_out), LOG_LIMIT_SAY);
    assert_int_equal(left_out, 7);
    assert_int_equal(log_limit_ask(&limit, 5001 + LOG_LIMIT_MS, &left_out), LOG_LIMIT_SAY);
    assert_int_equal(left_out, 0);
}

static void who_is_quiet_is_never_limited(void **state)
{
    struct log_limit limit = {0};
    uint64_t left_out;

    (void)state;
    for (int64_t i = 0; i < 10 * LOG_LIMIT_LINES; i++)
        assert_int_equal(log_limit_ask(&limit, i * LOG_LIMIT_MS / LOG_LIMIT_LINES, &left_out), LOG_LIMIT_SAY);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_lines_in_a_period),
        cmocka_unit_test(the_next_period_begins_with_the_count),
        cmocka_unit_test(who_is_quiet_is_never_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
