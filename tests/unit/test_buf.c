#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/support.h"

static const struct span nothing = {NULL, 0};

/* ---- spans ---- */

static void slices_are_clamped(void **state)
{
    static const struct {
        size_t from, to;
        const char *slice;
    } rows[] = {
        {0, 5, "hello"},
        {0, 6, "hello"},
        {0, 0, ""},
        {0, 99, "hello"},
        {1, 3, "el"},
        {4, 5, "o"},
        {5, 5, ""},
        {6, 7, ""},
        {3, 2, ""},
        {SIZE_MAX, 0, ""},
        {0, SIZE_MAX, "hello"},
        {2, 2, ""},
        {SIZE_MAX, SIZE_MAX, ""},
        {4, SIZE_MAX, "o"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span slice = span_slice(SPAN("hello"), rows[i].from, rows[i].to);

        assert_true(span_equal(slice, span_text(rows[i].slice)));
    }
    assert_int_equal(span_slice(nothing, 0, 10).size, 0);
}

static void spans_are_bytes(void **state)
{
    (void)state;
    assert_true(span_equal(SPAN("a\0b"), SPAN("a\0b")));
    assert_false(span_equal(SPAN("a\0b"), SPAN("a\0c")));
    assert_false(span_equal(SPAN("a"), SPAN("a\0")));
    assert_true(span_equal(nothing, SPAN("")));
    assert_true(span_equal(nothing, nothing));
    assert_false(span_equal(nothing, SPAN("\0")));
    assert_int_equal(span_text("").size, 0);
}

static void only_ascii_letters_have_two_cases(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char left = (char)a;
            char right = (char)b;
            int upper = a < b ? a : b;
            bool same = a == b || (upper >= 'A' && upper <= 'Z' && a + b == 2 * upper + ('a' - 'A'));

            assert_int_equal(span_equal_nocase((struct span){&left, 1}, (struct span){&right, 1}), same);
        }
    assert_true(span_equal_nocase(SPAN("x\0Y"), SPAN("X\0y")));
    assert_false(span_equal_nocase(SPAN("x"), SPAN("xx")));
    assert_true(span_equal_nocase(nothing, SPAN("")));
}

static void beginnings(void **state)
{
    (void)state;
    assert_true(span_starts_nocase(SPAN("MAIL FROM:<>"), SPAN("mail from:")));
    assert_true(span_starts_nocase(SPAN("mail"), SPAN("MAIL")));
    assert_true(span_starts_nocase(SPAN("mail"), SPAN("")));
    assert_false(span_starts_nocase(SPAN("mai"), SPAN("mail")));
    assert_false(span_starts_nocase(SPAN("maiL\0"), SPAN("mail\1")));
    assert_false(span_starts_nocase(nothing, SPAN("m")));
}

static void finding_a_byte(void **state)
{
    (void)state;
    assert_int_equal(span_find(SPAN("a\0b\0"), '\0'), 1);
    assert_int_equal(span_find(SPAN("abc"), '\0'), 3); /* the terminator is not one of its bytes */
    assert_int_equal(span_find(SPAN("abc"), 'c'), 2);
    assert_int_equal(span_find(SPAN("\xFF"), '\xFF'), 0);
    assert_int_equal(span_find(nothing, 'a'), 0);
}

static void trimming(void **state)
{
    (void)state;
    assert_true(span_equal(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
    assert_true(span_equal(span_trim(SPAN("a")), SPAN("a")));
    assert_true(span_equal(span_trim(SPAN(" \t ")), SPAN("")));
    assert_true(span_equal(span_trim(SPAN(" \0 ")), SPAN("\0")));
    assert_true(span_equal(span_trim(SPAN("\r\n")), SPAN("\r\n")));
    assert_int_equal(span_trim(nothing).size, 0);
}

/* ---- UTF-8 ---- */

static size_t encode(uint32_t point, char bytes[4])
{
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    for (size_t i = size; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3F));
    bytes[0] = (char)(marks[size] | point);
    return size;
}

static void every_code_point_is_utf8_but_the_surrogates(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        char bytes[4];
        size_t size = encode(point, bytes);
        bool valid = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);

        if (span_is_utf8((struct span){bytes, size}) != valid)
            fail_msg("U+%04X", (unsigned)point);
        /* Cut short it is no character, and the text cannot go on from there. */
        if (size > 1 && span_is_utf8((struct span){bytes, size - 1}))
            fail_msg("U+%04X without its last byte", (unsigned)point);
    }
}

static void what_is_not_utf8(void **state)
{
    const struct span bad[] = {
        SPAN("\x80"), /* a continuation without a beginning */
        SPAN("\xBF"),
        SPAN("\xC0\x80"), /* NUL, overlong */
        SPAN("\xC0\xAF"), /* "/", overlong in two, three and four bytes */
        SPAN("\xE0\x80\xAF"),
        SPAN("\xF0\x80\x80\xAF"),
        SPAN("\xC1\xBF"), /* the last overlong form of each length */
        SPAN("\xE0\x9F\xBF"),
        SPAN("\xF0\x8F\xBF\xBF"),
        SPAN("\xED\xA0\x80"), /* surrogates, alone and as a pair */
        SPAN("\xED\xBF\xBF"),
        SPAN("\xED\xA0\xBD\xED\xB8\x80"),
        SPAN("\xF4\x90\x80\x80"), /* U+110000 */
        SPAN("\xF5\x80\x80\x80"),
        SPAN("\xF8\x88\x80\x80\x80"),
        SPAN("\xFC\x84\x80\x80\x80\x80"),
        SPAN("\xFE"),
        SPAN("\xFF"),
        SPAN("\xC3"), /* cut short */
        SPAN("\xE2\x82"),
        SPAN("\xF0\x9F\x98"),
        SPAN("\xC3("), /* cut short by another character */
        SPAN("\xE2\x82("),
        SPAN("\xE2(\xA1"),
        SPAN("\xF0\x9F\x98("),
        SPAN("\xF0(\x98\x80"),
        SPAN("\xC3\xC3\xBC"),
        SPAN("gr\xFC\xDF"), /* Latin-1 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char within[32];
        struct buf buf = buf_over(within, sizeof within);

        assert_false(span_is_utf8(bad[i]));
        buf_put_text(&buf, "ok \xC3\xA9 ");
        buf_put(&buf, bad[i]);
        assert_false(span_is_utf8(buf_span(&buf)));
        buf_put_text(&buf, "ok");
        assert_false(span_is_utf8(buf_span(&buf)));
    }
}

static void what_is_utf8(void **state)
{
    (void)state;
    assert_true(span_is_utf8(nothing));
    assert_true(span_is_utf8(SPAN("a\0b")));
    assert_true(span_is_utf8(SPAN("Gr\xC3\xBC\xC3\x9F"
                                  "e \xE2\x82\xAC \xF0\x9F\x8E\xB1")));
    assert_true(span_is_utf8(SPAN("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")));
    /* The byte behind the span would complete it, and does not count. */
    assert_false(span_is_utf8((struct span){"\xC3\xBC", 1}));
}

/* ---- numbers ---- */

static void numbers_up_to_the_largest(void **state)
{
    unsigned long long number = 7;

    (void)state;
    assert_int_equal(span_number(SPAN("18446744073709551615"), ULLONG_MAX, &number), 0);
    assert_true(number == ULLONG_MAX);
    assert_int_equal(span_number(SPAN("0000000000000000000000000000042"), ULLONG_MAX, &number), 0);
    assert_true(number == 42);
    assert_int_equal(span_number(SPAN("18446744073709551616"), ULLONG_MAX, &number), -1);
    assert_int_equal(span_number(SPAN("18446744073709551620"), ULLONG_MAX, &number), -1);
    assert_int_equal(span_number(SPAN("99999999999999999999999999"), ULLONG_MAX, &number), -1);
    assert_int_equal(span_number(SPAN("18446744073709551615"), ULLONG_MAX - 1, &number), -1);
    assert_true(number == 42); /* a failure leaves it alone */
}

/* Around every small limit, where the limit is shorter than a digit too. */
static void numbers_near_each_limit(void **state)
{
    (void)state;
    for (unsigned max = 0; max < 130; max++)
        for (unsigned value = 0; value < 1400; value++) {
            unsigned long long number = 0;
            char text[8];
            int size = snprintf(text, sizeof text, "%u", value);
            int status = span_number((struct span){text, (size_t)size}, max, &number);

            if (status != (value <= max ? 0 : -1) || (status == 0 && number != value))
                fail_msg("%s with at most %u gave %d and %llu", text, max, status, number);
        }
}

static void what_is_no_number(void **state)
{
    const struct span bad[] = {SPAN(""),    SPAN("-1"), SPAN("+1"),  SPAN(" 1"),   SPAN("1 "), SPAN("1\0"),
                               SPAN("0x1"), SPAN("1."), SPAN("1e3"), SPAN("\xB2"), SPAN("/"),  SPAN(":")};
    unsigned long long number = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(span_number(bad[i], ULLONG_MAX, &number), -1);
    assert_int_equal(span_number(nothing, ULLONG_MAX, &number), -1);
    assert_true(number == 7);
}

/* ---- the buffer ---- */

static void a_buffer_fills_to_its_last_byte(void **state)
{
    char storage[8] = "#######";
    struct buf buf = buf_over(storage, 6);

    (void)state;
    assert_string_equal(storage, "");
    buf_put_text(&buf, "abc");
    buf_put(&buf, SPAN("\0d"));
    assert_false(buf.overflowed);
    assert_true(span_equal(buf_span(&buf), SPAN("abc\0d")));
    assert_memory_equal(storage, "abc\0d\0#", 7);
    buf_put_byte(&buf, 'e');
    assert_true(buf.overflowed);
    assert_memory_equal(storage, "abc\0d\0#", 7);
    buf_clear(&buf);
    assert_false(buf.overflowed);
    assert_int_equal(buf.size, 0);
    assert_string_equal(storage, "");
}

static void what_does_not_fit_whole_is_not_added(void **state)
{
    char storage[6];
    struct buf buf = buf_over(storage, sizeof storage);

    (void)state;
    buf_put_text(&buf, "ab");
    buf_put_text(&buf, "cdef");
    assert_true(buf.overflowed);
    assert_string_equal(storage, "ab");
    buf_put(&buf, (struct span){"x", SIZE_MAX});
    assert_string_equal(storage, "ab");
    buf_put_text(&buf, "cde"); /* this fits, and that something did not is still known */
    assert_string_equal(storage, "abcde");
    assert_true(buf.overflowed);
}

static void the_smallest_buffer_holds_nothing(void **state)
{
    char storage[1] = {'#'};
    struct buf buf = buf_over(storage, sizeof storage);

    (void)state;
    assert_int_equal(storage[0], '\0');
    buf_put(&buf, nothing);
    buf_put_text(&buf, "");
    buf_printf(&buf, "%s", "");
    assert_false(buf.overflowed);
    buf_put_byte(&buf, 'a');
    assert_true(buf.overflowed);
    buf_clear(&buf);
    buf_printf(&buf, "%d", 1);
    assert_true(buf.overflowed);
    assert_int_equal(buf.size, 0);
    assert_int_equal(storage[0], '\0');
}

static void printing_fits_or_leaves_no_trace(void **state)
{
    char storage[8] = "#######";
    struct buf buf = buf_over(storage, 7);

    (void)state;
    buf_printf(&buf, "%s=%d", "ab", 12);
    assert_memory_equal(storage, "ab=12\0#", 7);
    buf_printf(&buf, "%d", 34);
    assert_true(buf.overflowed);
    assert_true(span_equal(buf_span(&buf), SPAN("ab=12")));
    assert_string_equal(storage, "ab=12");
    buf_printf(&buf, "%c", '!');
    assert_memory_equal(storage, "ab=12!", 7);
    assert_int_equal(storage[7], '\0');
}

static void printing_numbers(void **state)
{
    const struct {
        unsigned long long number;
        struct span digits;
    } cases[] = {{0, SPAN("0")}, {9, SPAN("9")}, {10, SPAN("10")}, {ULLONG_MAX, SPAN("18446744073709551615")}};
    char storage[21];
    struct buf buf = buf_over(storage, sizeof storage);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&buf);
        buf_put_number(&buf, cases[i].number);
        assert_true(span_equal(buf_span(&buf), cases[i].digits));
    }
    buf_clear(&buf);
    buf_put_digits(&buf, 7, 0);
    buf_put_digits(&buf, 7, 3);
    buf_put_digits(&buf, 1234, 3);
    buf_put_digits(&buf, 0, 2);
    assert_true(span_equal(buf_span(&buf), SPAN("7007123400")));
    buf_put_digits(&buf, 1, 10);
    assert_false(buf.overflowed);
    buf_put_number(&buf, 1);
    assert_true(buf.overflowed);
}

static void several_texts_fit_or_leave_no_trace(void **state)
{
    char storage[8];
    struct buf buf = buf_over(storage, sizeof storage);

    (void)state;
    buf_put_texts(&buf, "ab", "", "=", "12", NULL);
    assert_true(span_equal(buf_span(&buf), SPAN("ab=12")));
    assert_false(buf.overflowed);
    buf_put_texts(&buf, "3", "45", NULL);
    assert_true(buf.overflowed);
    assert_string_equal(storage, "ab=12");
    buf_put_texts(&buf, "3", "4", NULL);
    assert_memory_equal(storage, "ab=1234", 8);
    assert_true(buf.overflowed);
}

static void consuming(void **state)
{
    char storage[16];
    struct buf buf = buf_over(storage, sizeof storage);

    (void)state;
    buf_put(&buf, SPAN("one\0two"));
    buf_consume(&buf, 0);
    assert_int_equal(buf.size, 7);
    buf_consume(&buf, 4);
    assert_memory_equal(storage, "two", 4);
    assert_int_equal(buf.size, 3);
    buf_put_text(&buf, "!");
    buf_consume(&buf, 99);
    assert_int_equal(buf.size, 0);
    assert_string_equal(storage, "");
    buf_consume(&buf, 1);
    assert_int_equal(buf.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_clamped),
        cmocka_unit_test(spans_are_bytes),
        cmocka_unit_test(only_ascii_letters_have_two_cases),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(finding_a_byte),
        cmocka_unit_test(trimming),
        cmocka_unit_test(every_code_point_is_utf8_but_the_surrogates),
        cmocka_unit_test(what_is_not_utf8),
        cmocka_unit_test(what_is_utf8),
        cmocka_unit_test(numbers_up_to_the_largest),
        cmocka_unit_test(numbers_near_each_limit),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(a_buffer_fills_to_its_last_byte),
        cmocka_unit_test(what_does_not_fit_whole_is_not_added),
        cmocka_unit_test(the_smallest_buffer_holds_nothing),
        cmocka_unit_test(printing_fits_or_leaves_no_trace),
        cmocka_unit_test(printing_numbers),
        cmocka_unit_test(several_texts_fit_or_leave_no_trace),
        cmocka_unit_test(consuming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
