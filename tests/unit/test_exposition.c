/* Figures for Prometheus: seconds out of milliseconds, and labels whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "processor/command/exposition.h"

static void assert_seconds(int64_t value_ms, const char *wanted)
{
    char storage[EXPOSITION_SECONDS_SIZE];
    struct buf text = buf_over(storage, sizeof storage);

    exposition_put_seconds(&text, value_ms);
    assert_false(text.overflowed);
    assert_string_equal(storage, wanted);
}

static void test_seconds(void **state)
{
    (void)state;
    assert_seconds(0, "0");
    assert_seconds(5, "0.005");
    assert_seconds(10, "0.01");
    assert_seconds(100, "0.1");
    assert_seconds(120, "0.12");
    assert_seconds(1234, "1.234");
    assert_seconds(60000, "60");
    assert_seconds(-500, "-0.5");
    assert_seconds(INT64_MAX, "9223372036854775.807");
    assert_seconds(INT64_MIN, "-9223372036854775.808");
}

static void test_labels(void **state)
{
    static const char bytes[] = "a\\b\"c\nd\xFF\xC3\xBC";
    const struct exposition_label labels[] = {{"one", {bytes, sizeof bytes - 1}}, {"two", span_text("")}, {0}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    exposition_family(out, "x_total", "counter", "Help.");
    exposition_sample(out, "x_total", labels, -7);
    exposition_seconds(out, "x_seconds", NULL, 1500);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "# HELP x_total Help.\n# TYPE x_total counter\n"
                              "x_total{one=\"a\\\\b\\\"c\\nd\xEF\xBF\xBD\xC3\xBC\",two=\"\"} -7\n"
                              "x_seconds 1.5\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seconds), cmocka_unit_test(test_labels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
