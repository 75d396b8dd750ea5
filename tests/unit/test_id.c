#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/id.h"
#include "tests/unit/support.h"

static const int64_t last_ms = (INT64_C(1) << 45) - 1;

static void an_id_is_time_and_randomness(void **state)
{
    static const struct {
        int64_t time_ms;
        uint64_t random;
        const char *id;
    } rows[] = {
        {0, 0, "0000000000000000"},
        {1, 1, "0000000010000001"},
        {31, 32, "00000000Z0000010"},
        {1769903999123, 0x123456789, "1KGB7ZJ4K4HMASW9"},
        {(INT64_C(1) << 45) - 1, UINT64_MAX, "ZZZZZZZZZZZZZZZZ"},
        {INT64_C(1) << 45, 0, "0000000000000000"},  /* only the low bits are kept */
        {0, UINT64_C(1) << 35, "0000000000000000"}, /* of both */
        {0, (UINT64_C(1) << 35) - 1, "000000000ZZZZZZZ"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[ID_SIZE];

        id_make(rows[i].time_ms, rows[i].random, id);
        assert_string_equal(id, rows[i].id);
        assert_true(id_is_valid(span_text(id)));
        assert_true(id_time_ms(id) == (rows[i].time_ms & last_ms));
    }
}

/* As texts they sort by time first, whatever the random part: `ORDER BY id` and `ls` show them in order of receipt.
 */
static void ids_sort_by_time(void **state)
{
    char before[ID_SIZE];
    char after[ID_SIZE];
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t time_ms = (int64_t)support_random(&seed, 1U << 22) << support_random(&seed, 23);

        id_make(time_ms, UINT64_MAX, before);
        id_make(time_ms + 1, 0, after);
        assert_true(strcmp(before, after) < 0);
        assert_true(id_time_ms(before) == time_ms);
        id_make(time_ms, UINT64_MAX - 1, after);
        assert_true(strcmp(before, after) > 0);
    }
}

static void only_the_alphabet_is_valid(void **state)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t at = 0; at < ID_LENGTH; at++) {
            char id[] = "1KGB7ZJ4K4HMASW9";

            id[at] = (char)byte;
            assert_int_equal(id_is_valid((struct span){id, ID_LENGTH}),
                             memchr(alphabet, byte, sizeof alphabet - 1) != NULL);
        }
}

static void an_id_has_sixteen_characters(void **state)
{
    (void)state;
    assert_true(id_is_valid(SPAN("1KGB7ZJ4K4HMASW9")));
    assert_false(id_is_valid(SPAN("1KGB7ZJ4K4HMASW")));
    assert_false(id_is_valid(SPAN("1KGB7ZJ4K4HMASW90")));
    assert_false(id_is_valid(SPAN("1KGB7ZJ4K4HMASW\0")));
    assert_false(id_is_valid(SPAN("")));
    assert_false(id_is_valid((struct span){NULL, 0}));
}

static void what_people_type(void **state)
{
    const struct {
        struct span typed;
        const char *prefix; /* NULL: none */
    } rows[] = {
        {SPAN("0"), "0"},
        {SPAN("01kgb"), "01KGB"},
        {SPAN("o1KGB"), "01KGB"},
        {SPAN("OIL"), "011"},
        {SPAN("oil"), "011"},
        {SPAN("z"), "Z"},
        {SPAN("1kgb7zj4k4hmasw9"), "1KGB7ZJ4K4HMASW9"},
        {SPAN("1kgb7zj4k4hmasw90"), NULL},
        {SPAN(""), NULL},
        {SPAN("u"), NULL},
        {SPAN("U"), NULL},
        {SPAN("01-23"), NULL},
        {SPAN(" 01"), NULL},
        {SPAN("01%"), NULL},
        {SPAN("01_"), NULL},
        {SPAN("01*"), NULL},
        {SPAN("01\0"), NULL},
        {SPAN("01\n"), NULL},
        {SPAN("\xC3\xBC"), NULL},
        {SPAN("@"), NULL}, /* the neighbours of the letters */
        {SPAN("["), NULL},
        {SPAN("`"), NULL},
        {SPAN("{"), NULL},
        {SPAN("/"), NULL},
        {SPAN(":"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char prefix[ID_SIZE] = "";

        assert_int_equal(id_prefix(rows[i].typed, prefix), rows[i].prefix != NULL);
        if (rows[i].prefix != NULL)
            assert_string_equal(prefix, rows[i].prefix);
    }
}

static void every_beginning_of_an_id_is_a_prefix(void **state)
{
    static const char lower[] = "1kgb7zj4k4hmasw9";
    static const char upper[] = "1KGB7ZJ4K4HMASW9";

    (void)state;
    for (size_t size = 1; size <= ID_LENGTH; size++) {
        char prefix[ID_SIZE];

        assert_true(id_prefix((struct span){lower, size}, prefix));
        assert_int_equal(strlen(prefix), size);
        assert_memory_equal(prefix, upper, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_time_and_randomness),
        cmocka_unit_test(ids_sort_by_time),
        cmocka_unit_test(only_the_alphabet_is_valid),
        cmocka_unit_test(an_id_has_sixteen_characters),
        cmocka_unit_test(what_people_type),
        cmocka_unit_test(every_beginning_of_an_id_is_a_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
