#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/config_value.h"

/* A row of its own, so that a kind is tested whichever keys are of it. */
struct holder {
    bool on;
};

static const struct config_key key = {
    .section = "", .name = "on", .type = "switch", .kind = CONFIG_SWITCH, .offset = offsetof(struct holder, on)};

static int store(struct holder *holder, const char *text, struct err *err)
{
    return config_value_store(&key, &text, 1, holder, err);
}

static void a_switch_is_true_or_false(void **state)
{
    struct holder holder = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(store(&holder, "true", &err), 0);
    assert_true(holder.on);
    assert_int_equal(store(&holder, "false", &err), 0);
    assert_false(holder.on);
}

static void a_switch_is_nothing_else(void **state)
{
    static const char *const texts[] = {"", "yes", "no", "1", "0", "True", "true ", "false true"};
    struct holder holder = {.on = true};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct err err = {0};

        assert_int_equal(store(&holder, texts[i], &err), -1);
        assert_non_null(strstr(err.text, "neither true nor false; write one of them"));
        assert_true(holder.on);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_is_true_or_false),
        cmocka_unit_test(a_switch_is_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
