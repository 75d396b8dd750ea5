#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/state.h"

static const struct {
    const char *word;
    bool has_ended;
} rows[STATE_COUNT] = {
    [STATE_PENDING] = {"pending", false},    [STATE_RUNNING] = {"running", false},
    [STATE_RETRY] = {"retry", false},        [STATE_DONE] = {"done", true},
    [STATE_DEAD] = {"dead", true},           [STATE_SKIPPED] = {"skipped", true},
    [STATE_CANCELLED] = {"cancelled", true},
};

static void each_state_has_its_word(void **state)
{
    (void)state;
    for (enum state s = STATE_PENDING; s < STATE_COUNT; s++) {
        assert_string_equal(state_word(s), rows[s].word);
        assert_int_equal(state_from_word(rows[s].word), s);
        assert_int_equal(state_has_ended(s), rows[s].has_ended);
    }
}

static void other_words_are_no_state(void **state)
{
    static const char *const words[] = {"", "Done", "done ", " done", "don", "donee", "unknown", "paused"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_int_equal(state_from_word(words[i]), STATE_COUNT);
}

/* A number out of a frame or a file of another version. */
static void other_numbers_are_no_state(void **state)
{
    (void)state;
    assert_string_equal(state_word(STATE_COUNT), "unknown");
    assert_false(state_has_ended(STATE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_has_its_word),
        cmocka_unit_test(other_words_are_no_state),
        cmocka_unit_test(other_numbers_are_no_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
