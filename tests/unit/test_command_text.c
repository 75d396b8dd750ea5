#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "processor/text.h"

/* The literal's bytes, NULs included. */
#define BYTES(literal) ((struct span){(literal), sizeof(literal) - 1})

static void assert_clean(struct span text, const char *wanted)
{
    char *written = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&written, &size);

    assert_non_null(memory);
    text_write(memory, text);
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(written, wanted);
    assert_int_equal(size, strlen(wanted));
    free(written);
}

static void what_a_terminal_would_act_upon_is_shown_in_words(void **state)
{
    (void)state;
    assert_clean(BYTES(""), "");
    assert_clean(BYTES("plain ~ text"), "plain ~ text");
    assert_clean(BYTES("Gr\u00FC\u00DFe \u4E2D\u6587 \U0001F600"), "Gr\u00FC\u00DFe \u4E2D\u6587 \U0001F600");
    assert_clean(BYTES("\033[31mred\033[0m\a"), "^[[31mred^[[0m^G");
    assert_clean(BYTES("a\0b\tc\nd\re\x7F"), "a^@b^Ic^Jd^Me^?");
    assert_clean(BYTES("\xC2\x9B"
                       "31m"),
                 "<U+009B>31m");
    assert_clean(BYTES("moc\u202Egpj"), "moc<U+202E>gpj");
    assert_clean(BYTES("\u2066x\u2069\u200F\u2028"), "<U+2066>x<U+2069><U+200F><U+2028>");
}

static void bytes_that_are_no_utf8_are_shown_by_number(void **state)
{
    (void)state;
    assert_clean(BYTES("caf\xE9 x"), "caf<E9> x");
    assert_clean(BYTES("\xC3"), "<C3>");
    assert_clean(BYTES("\xE4\xB8"), "<E4><B8>");
    assert_clean(BYTES("\xC0\xAF\xFF"), "<C0><AF><FF>"); /* an overlong form, and no form at all */
    assert_clean(BYTES("\xED\xA0\x80"), "<ED><A0><80>"); /* a surrogate */
    assert_clean(BYTES("\xE4\033[m"), "<E4>^[[m");       /* what follows a broken character is still looked at */
}

static void lines_stay_lines(void **state)
{
    char *written = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&written, &size);

    (void)state;
    assert_non_null(memory);
    text_write_lines(memory, BYTES(""), "> ");
    text_write_lines(memory, BYTES("one\r\n\ttwo\033\n\n50%\r100%"), "> ");
    text_write_lines(memory, BYTES("end\n"), "| ");
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(written, "> one\n> \ttwo^[\n> \n> 50%^M100%\n| end\n");
    free(written);
}

static void width_counts_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width(BYTES("")), 0);
    assert_int_equal(text_width(BYTES("abc")), 3);
    assert_int_equal(text_width(BYTES("Gr\u00FC\u00DFe")), 5);
    assert_int_equal(text_width(BYTES("\u4E2D\u6587")), 4);
    assert_int_equal(text_width(BYTES("e\u0301")), 1);
}

static void a_cut_is_between_characters(void **state)
{
    (void)state;
    assert_int_equal(text_fit(BYTES("abc"), 0), 0);
    assert_int_equal(text_fit(BYTES("abc"), 2), 2);
    assert_int_equal(text_fit(BYTES("abc"), 9), 3);
    assert_int_equal(text_fit(BYTES("\u00FC\u00FC"), 1), 2);
    assert_int_equal(text_fit(BYTES("\u4E2D\u6587"), 3), 3); /* the second one would end a column too far */
    assert_int_equal(text_fit(BYTES("e\u0301x"), 1), 3);     /* an accent stays with its letter */
}

static void durations_have_two_units(void **state)
{
    static const struct {
        int64_t duration_ms;
        const char *text;
    } rows[] = {
        {-5000, "0s"},
        {0, "0s"},
        {999, "0s"},
        {59999, "59s"},
        {60000, "1m"},
        {90000, "1m30s"},
        {65000, "1m05s"},
        {3600000, "1h"},
        {3659000, "1h"},
        {7500000, "2h05m"},
        {86400000, "1d"},
        {INT64_C(1054800000), "12d05h"},
        {INT64_MAX, "106751991167d07h"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[TEXT_DURATION_SIZE];

        text_duration(rows[i].duration_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void sizes_have_one_digit_behind_the_point(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1229, "1.2 KiB"},
        {UINT64_C(25) << 20, "25.0 MiB"},
        {(UINT64_C(1) << 20) - 1, "1.0 MiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[TEXT_SIZE_SIZE];

        text_size(rows[i].bytes, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void times_are_short(void **state)
{
    char time[TEXT_TIME_SIZE], minute[TEXT_MINUTE_SIZE];

    (void)state;
    text_time(INT64_C(1769903999123), time);
    assert_string_equal(time, "2026-01-31 23:59:59");
    text_minute(INT64_C(1769903999123), minute);
    assert_string_equal(minute, "2026-01-31 23:59");
}

static void assert_wrapped(const char *text, size_t column, size_t indent, const char *wanted)
{
    char *written = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&written, &size);

    assert_non_null(memory);
    text_wrap(memory, text, column, indent);
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(written, wanted);
    free(written);
}

static void prose_is_wrapped_between_words(void **state)
{
    (void)state;
    assert_wrapped("", 0, 0, "\n");
    assert_wrapped("one two\nthree", 0, 2, "one two three\n");
    assert_wrapped("123456 8", TEXT_LINE - 8, 2, "123456 8\n");
    assert_wrapped("123456 89", TEXT_LINE - 8, 2, "123456\n  89\n");
    assert_wrapped("123456789 b", TEXT_LINE - 8, 2, "123456789\n  b\n");
    assert_wrapped("a [b [c d]] e", TEXT_LINE - 6, 2, "a\n  [b [c d]] e\n");
    assert_wrapped("one.\n\ntwo", 0, 1, "one.\n\n two\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_would_act_upon_is_shown_in_words),
        cmocka_unit_test(bytes_that_are_no_utf8_are_shown_by_number),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(width_counts_columns),
        cmocka_unit_test(a_cut_is_between_characters),
        cmocka_unit_test(durations_have_two_units),
        cmocka_unit_test(sizes_have_one_digit_behind_the_point),
        cmocka_unit_test(times_are_short),
        cmocka_unit_test(prose_is_wrapped_between_words),
    };

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return 1;
    return cmocka_run_group_tests_name("command_text", tests, NULL, NULL);
}
