#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"

static char long_text[2 * ERR_TEXT_SIZE];

static int fill_long_text(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    return 0;
}

static void a_text_with_its_kind(void **state)
{
    struct err err = {.number = ENOSPC, .text = "something older"};

    (void)state;
    assert_int_equal(err_set(&err, ERR_PROTOCOL, "frame %d of %s", 7, "session"), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_int_equal(err.number, 0);
    assert_string_equal(err.text, "frame 7 of session");
}

static void a_failed_system_call(void **state)
{
    struct err err = {0};

    (void)state;
    errno = ENOSPC;
    assert_int_equal(err_system(&err, "%s/tmp/%s", "spool", "ID"), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.number, ENOSPC);
    assert_string_equal(err.text, "spool/tmp/ID: No space left on device");
}

static void a_long_text_is_cut(void **state)
{
    struct err err = {0};

    (void)state;
    err_set(&err, ERR_BUG, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
    errno = EIO;
    err_system(&err, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
    assert_int_equal(err.number, EIO);
    /* At each length around the end, where the reason is cut in the middle. */
    for (int length = ERR_TEXT_SIZE - 30; length < ERR_TEXT_SIZE + 3; length++) {
        errno = EIO;
        err_system(&err, "%.*s", length, long_text);
        assert_true(strlen(err.text) < ERR_TEXT_SIZE);
        assert_memory_equal(err.text, long_text, (size_t)(length < ERR_TEXT_SIZE ? length : ERR_TEXT_SIZE - 1));
    }
}

static void prefixes_say_on_whose_behalf(void **state)
{
    struct err err = {0};

    (void)state;
    errno = EACCES;
    err_system(&err, "opening %s", "tmp");
    assert_int_equal(err_prefix(&err, "the spool %s", "/spool"), -1);
    assert_int_equal(err_prefix(&err, "message %d", 5), -1);
    assert_string_equal(err.text, "message 5: the spool /spool: opening tmp: Permission denied");
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.number, EACCES);
}

static void a_long_prefix_is_cut(void **state)
{
    (void)state;
    for (int length = ERR_TEXT_SIZE - 12; length < ERR_TEXT_SIZE + 3; length++) {
        struct err err = {.kind = ERR_PERMANENT, .text = "reason"};
        size_t kept = (size_t)(length <= ERR_TEXT_SIZE - 3 ? length : ERR_TEXT_SIZE - 3);

        err_prefix(&err, "%.*s", length, long_text);
        assert_true(strlen(err.text) < ERR_TEXT_SIZE);
        assert_memory_equal(err.text, long_text, kept);
        assert_memory_equal(err.text + kept, ": ", 2);
        assert_memory_equal(err.text + kept + 2, "reason", strlen(err.text + kept + 2));
        assert_int_equal(err.kind, ERR_PERMANENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_with_its_kind), cmocka_unit_test(a_failed_system_call),
        cmocka_unit_test(a_long_text_is_cut),   cmocka_unit_test(prefixes_say_on_whose_behalf),
        cmocka_unit_test(a_long_prefix_is_cut),
    };

    return cmocka_run_group_tests(tests, fill_long_text, NULL);
}
