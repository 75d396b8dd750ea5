#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/config.h"
#include "processor/outcome.h"

/* The documented table, written a second time: every other code is a retry. */
static enum verdict documented(int code)
{
    static const int dead[] = {64, 65, 66, 67, 68, 69, 70, 72, 76, 77, 78, 100, 112};

    if (code == 0)
        return VERDICT_DONE;
    if (code == 99)
        return VERDICT_SKIP;
    for (size_t i = 0; i < sizeof dead / sizeof dead[0]; i++)
        if (dead[i] == code)
            return VERDICT_DEAD;
    return VERDICT_RETRY;
}

static void every_exit_code_is_as_documented(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        struct outcome outcome = outcome_of(RUN_EXITED, code, NULL);

        assert_int_equal(outcome.verdict, documented(code));
        assert_int_equal(outcome.detail[0] == '\0', code == 0);
    }
}

/* Which codes say that the program works: those by which it judges the message. All others say that it does not. */
static void every_end_says_whether_the_program_works(void **state)
{
    static const int works[] = {0, 65, 67, 68, 99, 100, 112};
    static const uint8_t overrides[256] = {
        [0] = CONFIG_EXIT_RETRY, [1] = CONFIG_EXIT_DEAD, [3] = CONFIG_EXIT_SKIP, [65] = CONFIG_EXIT_DEAD};

    (void)state;
    for (int code = 0; code < 256; code++) {
        enum breaker_event wanted = BREAKER_FAILED;

        for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
            if (works[i] == code)
                wanted = BREAKER_WORKED;
        assert_int_equal(outcome_of(RUN_EXITED, code, NULL).says, wanted);
    }
    assert_int_equal(outcome_of(RUN_EXITED, 0, overrides).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_EXITED, 1, overrides).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_EXITED, 3, overrides).says, BREAKER_WORKED);
    assert_int_equal(outcome_of(RUN_EXITED, 65, overrides).says, BREAKER_WORKED);
    assert_int_equal(outcome_of(RUN_SIGNALLED, SIGSEGV, NULL).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_TIMED_OUT, 1000, NULL).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_NOT_STARTED, ENOENT, NULL).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_TOO_MUCH, 0, NULL).says, BREAKER_FAILED);
    assert_int_equal(outcome_of(RUN_STOPPED, 0, NULL).says, BREAKER_SILENT);
    assert_int_equal(outcome_of(RUN_NOT_SAVED, ENOSPC, NULL).says, BREAKER_SILENT);
}

static void the_rows_are_in_order_and_have_words(void **state)
{
    size_t count;
    const struct outcome_row *rows = outcome_rows(&count);
    int last = -1;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(rows[i].first > last && rows[i].last >= rows[i].first);
        assert_int_equal(rows[i].verdict, documented(rows[i].first));
        assert_true(rows[i].first == 0 || rows[i].words[0] != '\0');
        last = rows[i].last;
    }
}

static void overrides_go_first(void **state)
{
    uint8_t overrides[256] = {
        [0] = CONFIG_EXIT_RETRY, [1] = CONFIG_EXIT_DEAD, [3] = CONFIG_EXIT_SKIP, [75] = CONFIG_EXIT_DONE};

    (void)state;
    assert_int_equal(outcome_of(RUN_EXITED, 0, overrides).verdict, VERDICT_RETRY);
    assert_int_equal(outcome_of(RUN_EXITED, 1, overrides).verdict, VERDICT_DEAD);
    assert_int_equal(outcome_of(RUN_EXITED, 3, overrides).verdict, VERDICT_SKIP);
    assert_int_equal(outcome_of(RUN_EXITED, 75, overrides).verdict, VERDICT_DONE);
    assert_string_equal(outcome_of(RUN_EXITED, 75, overrides).detail, "exit code 75: as set by exit-codes");
    assert_int_equal(outcome_of(RUN_EXITED, 100, overrides).verdict, VERDICT_DEAD);
    assert_int_equal(outcome_of(RUN_SIGNALLED, 1, overrides).verdict, VERDICT_RETRY);
}

static void check(enum run_end end, int64_t number, enum verdict verdict, const char *detail)
{
    struct outcome outcome = outcome_of(end, number, NULL);

    assert_int_equal(outcome.verdict, verdict);
    assert_string_equal(outcome.detail, detail);
}

static void each_end_has_its_words(void **state)
{
    (void)state;
    check(RUN_EXITED, 0, VERDICT_DONE, "");
    check(RUN_EXITED, 1, VERDICT_RETRY, "exit code 1");
    check(RUN_EXITED, 75, VERDICT_RETRY, "exit code 75: try again later");
    check(RUN_SIGNALLED, SIGSEGV, VERDICT_RETRY, "killed by signal 11 SIGSEGV");
    check(RUN_SIGNALLED, SIGRTMIN + 1, VERDICT_RETRY, "killed by signal 35");
    check(RUN_TIMED_OUT, 600000, VERDICT_RETRY, "stopped after its timeout of 600 s");
    check(RUN_NOT_STARTED, ENOENT, VERDICT_RETRY, "could not be started: No such file or directory");
    check(RUN_STOPPED, 0, VERDICT_RETRY, "stopped together with the processor");
    check(RUN_TOO_MUCH, 0, VERDICT_DEAD, "its output is larger than max-message-size");
    check(RUN_NOT_SAVED, ENOSPC, VERDICT_RETRY, "its output could not be kept: No space left on device");
}

/* Numbers that no program can end with are nobody's reason to give mail up. */
static void odd_numbers_are_a_retry(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(RUN_EXITED, -1, NULL).verdict, VERDICT_RETRY);
    assert_int_equal(outcome_of(RUN_EXITED, INT64_MIN, (uint8_t[256]){0}).verdict, VERDICT_RETRY);
    assert_int_equal(outcome_of(RUN_SIGNALLED, 4711, NULL).verdict, VERDICT_RETRY);
    assert_int_equal(outcome_of(RUN_NOT_STARTED, 0, NULL).verdict, VERDICT_RETRY);
    for (int end = 0; end < RUN_END_COUNT; end++)
        assert_true(strlen(outcome_of((enum run_end)end, INT64_MAX, NULL).detail) < OUTCOME_DETAIL_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exit_code_is_as_documented),
        cmocka_unit_test(every_end_says_whether_the_program_works),
        cmocka_unit_test(the_rows_are_in_order_and_have_words),
        cmocka_unit_test(overrides_go_first),
        cmocka_unit_test(each_end_has_its_words),
        cmocka_unit_test(odd_numbers_are_a_retry),
    };

    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
