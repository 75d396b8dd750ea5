#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/environment.h"
#include "tests/unit/support.h"

static struct environment environment;
static char *entries[ENVIRONMENT_COUNT + 1];

static void values_become_entries(void **state)
{
    (void)state;
    environment_start(&environment);
    environment_put(&environment, ENVIRONMENT_SENDER, SPAN(""));
    environment_put(&environment, ENVIRONMENT_HEADER_SUBJECT, SPAN("a=b \n\xc3\xbc"));
    environment_put(&environment, ENVIRONMENT_PATH, SPAN("/bin"));
    assert_int_equal(environment_entries(&environment, entries), 3);
    assert_string_equal(entries[0], "SENDER=");
    assert_string_equal(entries[1], "HEADER_SUBJECT=a=b \n\xc3\xbc");
    assert_string_equal(entries[2], "PATH=/bin");
    assert_null(entries[3]);
    assert_false(environment.buf.overflowed);
}

/* Else what stands behind it would be a variable of the sender's choice. */
static void a_nul_ends_a_value(void **state)
{
    (void)state;
    environment_start(&environment);
    environment_put(&environment, ENVIRONMENT_SENDER, SPAN("a\0PATH=/tmp"));
    environment_put(&environment, ENVIRONMENT_DOMAIN, SPAN("\0LD_PRELOAD=/tmp/x"));
    assert_int_equal(environment_entries(&environment, entries), 2);
    assert_string_equal(entries[0], "SENDER=a");
    assert_string_equal(entries[1], "DOMAIN=");
}

static void an_empty_one_has_no_entries(void **state)
{
    (void)state;
    environment_start(&environment);
    assert_int_equal(environment_entries(&environment, entries), 0);
    assert_null(entries[0]);
}

static void all_names_at_their_longest_fit(void **state)
{
    static char long_value[4096];

    (void)state;
    memset(long_value, 'x', sizeof long_value);
    environment_start(&environment);
    for (int name = 0; name < ENVIRONMENT_COUNT; name++) {
        bool is_header = name >= ENVIRONMENT_HEADER_SUBJECT && name <= ENVIRONMENT_HEADER_LIST_ID;

        environment_put(&environment, (enum environment_name)name,
                        (struct span){long_value, is_header                  ? 4096
                                                  : name == ENVIRONMENT_HOME ? 1023
                                                                             : 386});
    }
    assert_false(environment.buf.overflowed);
    assert_int_equal(environment_entries(&environment, entries), ENVIRONMENT_COUNT);
}

static void what_does_not_fit_shows(void **state)
{
    static char too_long[ENVIRONMENT_SIZE];

    (void)state;
    memset(too_long, 'x', sizeof too_long);
    environment_start(&environment);
    environment_put(&environment, ENVIRONMENT_SENDER, (struct span){too_long, sizeof too_long});
    assert_true(environment.buf.overflowed);
}

static void too_many_entries_are_refused(void **state)
{
    (void)state;
    environment_start(&environment);
    for (int i = 0; i < ENVIRONMENT_COUNT; i++)
        environment_put(&environment, ENVIRONMENT_EXT, SPAN("x"));
    assert_int_equal(environment_entries(&environment, entries), ENVIRONMENT_COUNT);
    environment_put(&environment, ENVIRONMENT_EXT, SPAN("x"));
    assert_int_equal(environment_entries(&environment, entries), -1);
}

static void the_main_half_may_set_its_own_names_only(void **state)
{
    static const char *const foreign[] = {"USER=root",
                                          "LOGNAME=root",
                                          "HOME=/",
                                          "SHELL=/bin/x",
                                          "PATH=/tmp",
                                          "LANG=x",
                                          "TZ=x",
                                          "MAILMILL_RUN=1.1",
                                          "LD_PRELOAD=x",
                                          "IFS=x",
                                          "SENDER",
                                          "SENDERS=x",
                                          "SENDE=x",
                                          "sender=x",
                                          "=",
                                          "=SENDER",
                                          "",
                                          " SENDER=x",
                                          "SENDER =x",
                                          "EXT",
                                          "HOSTS=x",
                                          "ENV=x",
                                          "BASH_ENV=x"};
    const struct environment_row *rows = environment_rows();

    (void)state;
    for (int name = 0; name < ENVIRONMENT_COUNT; name++) {
        char entry[64];
        struct buf buf = buf_over(entry, sizeof entry);

        buf_printf(&buf, "%s=", rows[name].name);
        assert_int_equal(environment_is_of_message(buf_span(&buf)), name < ENVIRONMENT_OF_MESSAGE_END);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_false(environment_is_of_message(span_text(foreign[i])));
    assert_false(environment_is_of_message(SPAN("SENDER\0=x")));
}

static void names_are_there_once_and_helped(void **state)
{
    const struct environment_row *rows = environment_rows();

    (void)state;
    for (int i = 0; i < ENVIRONMENT_COUNT; i++) {
        assert_true(rows[i].name[0] != '\0' && rows[i].help[0] != '\0');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rows[i].name, rows[j].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_entries),
        cmocka_unit_test(a_nul_ends_a_value),
        cmocka_unit_test(an_empty_one_has_no_entries),
        cmocka_unit_test(all_names_at_their_longest_fit),
        cmocka_unit_test(what_does_not_fit_shows),
        cmocka_unit_test(too_many_entries_are_refused),
        cmocka_unit_test(the_main_half_may_set_its_own_names_only),
        cmocka_unit_test(names_are_there_once_and_helped),
    };

    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
