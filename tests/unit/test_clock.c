#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

static const struct {
    int64_t time_ms;
    const char *iso8601;
    const char *rfc5322;
} times[] = {
    {0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 +0000"},
    {1, "1970-01-01T00:00:00.001Z", "Thu, 01 Jan 1970 00:00:00 +0000"},
    {999, "1970-01-01T00:00:00.999Z", "Thu, 01 Jan 1970 00:00:00 +0000"},
    {-1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 +0000"},
    {-1000, "1969-12-31T23:59:59.000Z", "Wed, 31 Dec 1969 23:59:59 +0000"},
    {951782400000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 +0000"},
    {1769903999123, "2026-01-31T23:59:59.123Z", "Sat, 31 Jan 2026 23:59:59 +0000"},
    {1775001600000, "2026-04-01T00:00:00.000Z", "Wed, 01 Apr 2026 00:00:00 +0000"},
    {1777593600000, "2026-05-01T00:00:00.000Z", "Fri, 01 May 2026 00:00:00 +0000"},
    {1782000000000, "2026-06-21T00:00:00.000Z", "Sun, 21 Jun 2026 00:00:00 +0000"},
    {1784505600000, "2026-07-20T00:00:00.000Z", "Mon, 20 Jul 2026 00:00:00 +0000"},
    {1787788800000, "2026-08-27T00:00:00.000Z", "Thu, 27 Aug 2026 00:00:00 +0000"},
    {2147483648000, "2038-01-19T03:14:08.000Z", "Tue, 19 Jan 2038 03:14:08 +0000"},
    {253402300799999, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 +0000"},
};

static void times_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char iso8601[CLOCK_ISO8601_SIZE];
        char rfc5322[CLOCK_RFC5322_SIZE];

        clock_iso8601(times[i].time_ms, iso8601);
        clock_rfc5322(times[i].time_ms, rfc5322);
        assert_string_equal(iso8601, times[i].iso8601);
        assert_string_equal(rfc5322, times[i].rfc5322);
    }
}

/* Nor on where the machine stands: all is UTC. */
static void the_locale_does_not_matter(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
    tzset();
    (void)setlocale(LC_ALL, "de_DE.UTF-8");
    times_are_written(state);
    (void)setlocale(LC_ALL, "C");
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

/* Times that no mail has, but a damaged database may: any text will do, as long as it ends within its storage. */
static void absurd_times_stay_in_bounds(void **state)
{
    static const int64_t absurd[] = {INT64_MIN,        INT64_MIN + 1,    INT64_MAX,       INT64_MAX - 1,
                                     253402300800000,  -62135596800001,  -62167219200001, -99999999999999999,
                                     9999999999999999, 67768036191676799};

    (void)state;
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        struct {
            char text[CLOCK_RFC5322_SIZE];
            char guard;
        } storage;

        memset(&storage, '#', sizeof storage);
        clock_iso8601(absurd[i], storage.text);
        assert_non_null(memchr(storage.text, '\0', CLOCK_ISO8601_SIZE));
        assert_int_equal(storage.text[CLOCK_ISO8601_SIZE], '#');
        clock_rfc5322(absurd[i], storage.text);
        assert_non_null(memchr(storage.text, '\0', CLOCK_RFC5322_SIZE));
        assert_int_equal(storage.guard, '#');
    }
}

static void the_clocks_run(void **state)
{
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t start = clock_monotonic_ms();
    int64_t now = clock_now_ms();

    (void)state;
    /* time() may read a coarser clock than ours. */
    assert_true(now >= before && now < before + 60000);
    for (int i = 0; i < 1000; i++) {
        int64_t next = clock_monotonic_ms();

        assert_true(next >= start);
        start = next;
    }
}

/* No clock says so, but a database may. */
static void a_year_of_many_digits_is_cut(void **state)
{
    char iso[CLOCK_ISO8601_SIZE];
    char rfc[CLOCK_RFC5322_SIZE];

    (void)state;
    clock_iso8601(INT64_MAX, iso);
    assert_string_equal(iso, "292278994-08-17T07:12:55");
    clock_iso8601(INT64_MIN, iso);
    assert_string_equal(iso, "-292275055-05-16T16:47:0");
    clock_rfc5322(INT64_MAX, rfc);
    assert_string_equal(rfc, "Sun, 17 Aug 292278994 07:12:55 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(absurd_times_stay_in_bounds),
        cmocka_unit_test(the_clocks_run),
        cmocka_unit_test(a_year_of_many_digits_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
