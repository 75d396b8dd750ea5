#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receiver/pace.h"

static const struct config config = {.min_body_rate = 500, .command_timeout_ms = 60 * 1000};

static void bytes_buy_time(void **state)
{
    struct pace pace = {0};

    (void)state;
    assert_true(pace_ends(&pace) == INT64_MAX);
    pace_start(&pace, &config, 1000);
    assert_true(pace_ends(&pace) == 61 * 1000);
    pace_add(&pace, 500);
    assert_true(pace_ends(&pace) == 62 * 1000);
    pace_add(&pace, 32 * 1024);
    assert_true(pace_ends(&pace) == 62 * 1000 + 65536);
}

/* Byte by byte is not worse than at once. */
static void no_byte_is_lost(void **state)
{
    const struct config odd = {.min_body_rate = 7000, .command_timeout_ms = 1000};
    struct pace pace = {0};

    (void)state;
    pace_start(&pace, &odd, 0);
    for (int i = 0; i < 14 * 1000; i++)
        pace_add(&pace, 1);
    assert_true(pace_ends(&pace) == 3000);
}

static void it_starts_once_for_a_message(void **state)
{
    struct pace pace = {0};

    (void)state;
    pace_start(&pace, &config, 1000);
    pace_start(&pace, &config, 50 * 1000);
    assert_true(pace_ends(&pace) == 61 * 1000);
    pace_stop(&pace);
    assert_true(pace_ends(&pace) == INT64_MAX);
    pace_add(&pace, 500);
    assert_true(pace_ends(&pace) == INT64_MAX);
    pace_start(&pace, &config, 50 * 1000);
    assert_true(pace_ends(&pace) == 110 * 1000);
}

static void without_a_rate_there_is_no_end(void **state)
{
    const struct config any = {.min_body_rate = 0, .command_timeout_ms = 1000};
    struct pace pace = {0};

    (void)state;
    pace_start(&pace, &any, 1000);
    pace_add(&pace, 1);
    assert_true(pace_ends(&pace) == INT64_MAX);
}

/* The most that a session may bring and the least that may be asked for. */
static void nothing_overflows(void **state)
{
    const struct config least = {.min_body_rate = 1, .command_timeout_ms = 3600 * 1000};
    struct pace pace = {0};

    (void)state;
    pace_start(&pace, &least, (int64_t)1 << 50);
    for (int i = 0; i < 1024; i++)
        pace_add(&pace, 1 << 30);
    assert_true(pace_ends(&pace) > (int64_t)1 << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_buy_time),
        cmocka_unit_test(no_byte_is_lost),
        cmocka_unit_test(it_starts_once_for_a_message),
        cmocka_unit_test(without_a_rate_there_is_no_end),
        cmocka_unit_test(nothing_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
