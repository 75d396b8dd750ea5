#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "processor/retry.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct retry_policy usual = {.first_ms = MINUTE, .max_ms = HOUR, .give_up_ms = 3 * (int64_t)DAY};

static void assert_about(int64_t delay, int64_t wanted)
{
    assert_in_range(delay, wanted - wanted / 10, wanted + wanted / 10);
}

static void the_wait_doubles_up_to_the_longest(void **state)
{
    static const int64_t minutes[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++)
            assert_about(retry_delay_ms(&usual, (int64_t)i + 1, seed), minutes[i] * MINUTE);
        assert_about(retry_delay_ms(&usual, INT64_MAX, seed), HOUR);
    }
}

static void the_same_seed_gives_the_same_wait_and_others_differ(void **state)
{
    int different = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        int64_t delay = retry_delay_ms(&usual, 3, seed);

        assert_int_equal(delay, retry_delay_ms(&usual, 3, seed));
        different += delay != retry_delay_ms(&usual, 3, seed + 1);
    }
    assert_in_range(different, 990, 1000);
}

/* What failed together comes back spread over the whole of the tenth more or less. */
static void the_jitter_uses_its_range(void **state)
{
    unsigned buckets[10] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 10000; seed++) {
        int64_t over = retry_delay_ms(&usual, 1, seed) - (MINUTE - MINUTE / 10);

        buckets[over * 10 / (2 * MINUTE / 10 + 1)]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(buckets[i], 800, 1200);
}

static void odd_policies_hold(void **state)
{
    const struct retry_policy shrinking = {.first_ms = HOUR, .max_ms = MINUTE, .give_up_ms = DAY};
    const struct retry_policy tiny = {.first_ms = 9, .max_ms = 9, .give_up_ms = DAY};
    const struct retry_policy huge = {.first_ms = INT64_MAX / 4, .max_ms = INT64_MAX / 4, .give_up_ms = DAY};

    (void)state;
    assert_about(retry_delay_ms(&shrinking, 1, 0), MINUTE);
    assert_int_equal(retry_delay_ms(&tiny, 5, 1), 9);
    assert_true(retry_delay_ms(&huge, 60, 1) > 0);
}

static void it_is_due_until_the_give_up_time(void **state)
{
    const struct retry_policy policy = {.first_ms = 9, .max_ms = 9, .give_up_ms = 100};
    int64_t due_ms;

    (void)state;
    assert_true(retry_next_ms(&policy, 1, 0, 1000, 1050, &due_ms));
    assert_int_equal(due_ms, 1059);
    assert_true(retry_next_ms(&policy, 1, 0, 1000, 1091, &due_ms));
    assert_int_equal(due_ms, 1100);
    assert_false(retry_next_ms(&policy, 1, 0, 1000, 1092, &due_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles_up_to_the_longest),
        cmocka_unit_test(the_same_seed_gives_the_same_wait_and_others_differ),
        cmocka_unit_test(the_jitter_uses_its_range),
        cmocka_unit_test(odd_policies_hold),
        cmocka_unit_test(it_is_due_until_the_give_up_time),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
