/* What each event does in each state, from a table; and the pauses that follow one another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/breaker.h"

enum { MINUTE = 60 * 1000, NOW = 1000 * MINUTE, BEFORE = NOW - MINUTE };

static const struct breaker_policy policy = {.pause_after = 3, .first_ms = MINUTE};
static const struct breaker_policy never = {.pause_after = 0, .first_ms = MINUTE};

static const struct breaker working = {.state = BREAKER_CLOSED};
static const struct breaker failing = {.state = BREAKER_CLOSED, .failures = 2};
static const struct breaker paused = {BREAKER_PAUSED, 5, BEFORE, NOW - 10, 2 * MINUTE};
static const struct breaker held = {BREAKER_HELD, 5, BEFORE, 0, 0};

struct row {
    const struct breaker *before;
    const struct breaker_policy *policy;
    enum breaker_event event;
    int64_t started_ms;
    enum breaker_change change;
    struct breaker after;
};

static const struct row rows[] = {
    {&working, &policy, BREAKER_SILENT, NOW, BREAKER_SAME, {BREAKER_CLOSED, 0, 0, 0, 0}},
    {&working, &policy, BREAKER_WORKED, NOW, BREAKER_SAME, {BREAKER_CLOSED, 0, 0, 0, 0}},
    {&working, &policy, BREAKER_FAILED, NOW, BREAKER_COUNTED, {BREAKER_CLOSED, 1, 0, 0, 0}},
    {&working, &policy, BREAKER_PAUSE, NOW, BREAKER_PAUSES, {BREAKER_HELD, 0, NOW, 0, 0}},
    {&working, &policy, BREAKER_RESUME, NOW, BREAKER_SAME, {BREAKER_CLOSED, 0, 0, 0, 0}},

    {&failing, &policy, BREAKER_SILENT, NOW, BREAKER_SAME, {BREAKER_CLOSED, 2, 0, 0, 0}},
    {&failing, &policy, BREAKER_WORKED, NOW, BREAKER_COUNTED, {BREAKER_CLOSED, 0, 0, 0, 0}},
    {&failing, &policy, BREAKER_FAILED, NOW, BREAKER_PAUSES, {BREAKER_PAUSED, 3, NOW, NOW + MINUTE, MINUTE}},
    {&failing, &never, BREAKER_FAILED, NOW, BREAKER_COUNTED, {BREAKER_CLOSED, 3, 0, 0, 0}},
    {&failing, &policy, BREAKER_PAUSE, NOW, BREAKER_PAUSES, {BREAKER_HELD, 2, NOW, 0, 0}},
    {&failing, &policy, BREAKER_RESUME, NOW, BREAKER_COUNTED, {BREAKER_CLOSED, 0, 0, 0, 0}},

    {&paused, &policy, BREAKER_SILENT, NOW, BREAKER_SAME, {BREAKER_PAUSED, 5, BEFORE, NOW - 10, 2 * MINUTE}},
    {&paused, &policy, BREAKER_WORKED, NOW, BREAKER_RESUMES, {BREAKER_CLOSED, 0, 0, 0, 0}},
    {&paused, &policy, BREAKER_WORKED, BEFORE, BREAKER_RESUMES, {BREAKER_CLOSED, 0, 0, 0, 0}},
    /* The one that tried whether it works; and one that ran already when the pause began. */
    {&paused,
     &policy,
     BREAKER_FAILED,
     NOW - 10,
     BREAKER_PAUSES,
     {BREAKER_PAUSED, 6, BEFORE, NOW + 4 * MINUTE, 4 * MINUTE}},
    {&paused, &policy, BREAKER_FAILED, NOW - 11, BREAKER_COUNTED, {BREAKER_PAUSED, 6, BEFORE, NOW - 10, 2 * MINUTE}},
    {&paused, &never, BREAKER_FAILED, NOW, BREAKER_RESUMES, {BREAKER_CLOSED, 0, 0, 0, 0}},
    {&paused, &policy, BREAKER_PAUSE, NOW, BREAKER_PAUSES, {BREAKER_HELD, 5, BEFORE, 0, 0}},
    {&paused, &policy, BREAKER_RESUME, NOW, BREAKER_RESUMES, {BREAKER_CLOSED, 0, 0, 0, 0}},

    /* The operator's pause has no end but the operator's word. */
    {&held, &policy, BREAKER_SILENT, NOW, BREAKER_SAME, {BREAKER_HELD, 5, BEFORE, 0, 0}},
    {&held, &policy, BREAKER_WORKED, NOW, BREAKER_COUNTED, {BREAKER_HELD, 0, BEFORE, 0, 0}},
    {&held, &policy, BREAKER_FAILED, NOW, BREAKER_COUNTED, {BREAKER_HELD, 6, BEFORE, 0, 0}},
    {&held, &policy, BREAKER_PAUSE, NOW, BREAKER_PAUSES, {BREAKER_HELD, 5, BEFORE, 0, 0}},
    {&held, &policy, BREAKER_RESUME, NOW, BREAKER_RESUMES, {BREAKER_CLOSED, 0, 0, 0, 0}},
};

static void each_event_does_in_each_state_what_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct breaker breaker = *row->before;

        if (breaker_step(&breaker, row->policy, row->event, row->started_ms, NOW) != row->change)
            fail_msg("row %zu: another change", i);
        if (breaker.state != row->after.state || breaker.failures != row->after.failures ||
            breaker.paused_ms != row->after.paused_ms || breaker.until_ms != row->after.until_ms ||
            breaker.pause_ms != row->after.pause_ms)
            fail_msg("row %zu: another state", i);
    }
}

static void the_table_has_every_pair(void **state)
{
    (void)state;
    for (unsigned from = 0; from < BREAKER_STATE_COUNT; from++)
        for (unsigned event = 0; event < BREAKER_EVENT_COUNT; event++) {
            size_t found = 0;

            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                found += rows[i].before->state == from && rows[i].event == event;
            assert_true(found > 0);
        }
}

/* Each pause is twice as long as the last, up to an hour. */
static void pauses_double_up_to_an_hour(void **state)
{
    static const int64_t minutes[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct breaker breaker = failing;
    int64_t now = NOW;

    (void)state;
    for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
        assert_int_equal(breaker_step(&breaker, &policy, BREAKER_FAILED, now, now), BREAKER_PAUSES);
        assert_int_equal(breaker.pause_ms, minutes[i] * MINUTE);
        assert_int_equal(breaker.until_ms, now + minutes[i] * MINUTE);
        assert_int_equal(breaker.paused_ms, NOW);
        now = breaker.until_ms;
    }
    assert_int_equal(breaker_step(&breaker, &policy, BREAKER_WORKED, now, now), BREAKER_RESUMES);
    for (int i = 0; i < 2; i++)
        assert_int_equal(breaker_step(&breaker, &policy, BREAKER_FAILED, now, now), BREAKER_COUNTED);
    assert_int_equal(breaker_step(&breaker, &policy, BREAKER_FAILED, now, now), BREAKER_PAUSES);
    assert_int_equal(breaker.pause_ms, MINUTE);
}

static void a_first_pause_is_never_longer_than_the_longest(void **state)
{
    const struct breaker_policy days = {.pause_after = 1, .first_ms = INT64_C(30) * 24 * 60 * MINUTE};
    struct breaker breaker = working;

    (void)state;
    assert_int_equal(breaker_step(&breaker, &days, BREAKER_FAILED, NOW, NOW), BREAKER_PAUSES);
    assert_int_equal(breaker.pause_ms, BREAKER_PAUSE_MAX_MS);
}

static void a_paused_one_is_ready_when_its_pause_is_over_and_nothing_runs(void **state)
{
    (void)state;
    assert_int_equal(breaker_ready_ms(&working, &policy, 0, 7), 7);
    assert_int_equal(breaker_ready_ms(&failing, &policy, 5, 7), 7);
    assert_int_equal(breaker_ready_ms(&paused, &policy, 0, 7), NOW - 10);
    assert_int_equal(breaker_ready_ms(&paused, &policy, 0, NOW), NOW);
    assert_int_equal(breaker_ready_ms(&paused, &policy, 1, 7), INT64_MAX);
    assert_int_equal(breaker_ready_ms(&paused, &never, 1, 7), 7);
    assert_int_equal(breaker_ready_ms(&held, &policy, 0, 7), INT64_MAX);
    assert_int_equal(breaker_ready_ms(&held, &never, 0, 7), INT64_MAX);
    assert_int_equal(breaker_ready_ms(&working, &policy, 0, INT64_MAX), INT64_MAX);
}

static void pauses_have_words(void **state)
{
    (void)state;
    assert_null(breaker_word(BREAKER_CLOSED));
    assert_string_equal(breaker_word(BREAKER_PAUSED), "failures");
    assert_string_equal(breaker_word(BREAKER_HELD), "operator");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_does_in_each_state_what_the_table_says),
        cmocka_unit_test(the_table_has_every_pair),
        cmocka_unit_test(pauses_double_up_to_an_hour),
        cmocka_unit_test(a_first_pause_is_never_longer_than_the_longest),
        cmocka_unit_test(a_paused_one_is_ready_when_its_pause_is_over_and_nothing_runs),
        cmocka_unit_test(pauses_have_words),
    };

    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
