#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "processor/setback.h"

static void a_clock_that_goes_is_not_set(void **state)
{
    struct setback setback = {0};

    (void)state;
    assert_int_equal(setback_look(&setback, 5000000, 1000), 0);
    assert_int_equal(setback_look(&setback, 5000500, 1500), 0);
    assert_int_equal(setback_look(&setback, 5900500, 901500), 0);
}

static void set_back_it_is_told_once(void **state)
{
    struct setback setback = {0};

    (void)state;
    assert_int_equal(setback_look(&setback, 5000000, 1000), 0);
    assert_int_equal(setback_look(&setback, 5000000 - 3600000 + 200, 1200), 3600000);
    assert_int_equal(setback_look(&setback, 5000000 - 3600000 + 300, 1300), 0);
}

static void set_forward_or_corrected_it_is_not(void **state)
{
    struct setback setback = {0};

    (void)state;
    assert_int_equal(setback_look(&setback, 5000000, 1000), 0);
    assert_int_equal(setback_look(&setback, 9000000, 1000), 0);
    assert_int_equal(setback_look(&setback, 9000000 - SETBACK_MIN_MS + 1, 1000), 0);
    assert_int_equal(setback_look(&setback, 9000000 - SETBACK_MIN_MS + 1 - SETBACK_MIN_MS, 1000), SETBACK_MIN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_goes_is_not_set),
        cmocka_unit_test(set_back_it_is_told_once),
        cmocka_unit_test(set_forward_or_corrected_it_is_not),
    };

    return cmocka_run_group_tests_name("setback", tests, NULL, NULL);
}
