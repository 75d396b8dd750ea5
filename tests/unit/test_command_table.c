#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>

#include "processor/command/table.h"

static const struct table_column columns[] = {
    {"ID", TABLE_FIXED}, {"SIZE", TABLE_RIGHT}, {"FROM", TABLE_FLEXIBLE}, {"SUBJECT", TABLE_FLEXIBLE}};

static void add_row(struct table *table, const char *id, int64_t size, const char *from, const char *subject)
{
    table_add(table, span_text(id), TERM_PLAIN);
    table_add_number(table, size);
    table_add(table, span_text(from), TERM_PLAIN);
    table_add(table, span_text(subject), TERM_RED);
}

/* Prints and frees the table; `width` 0 is no terminal. */
static void assert_printed(struct table *table, size_t width, bool has_colours, const char *wanted)
{
    char *written = NULL;
    size_t size = 0;
    struct term term = {.out = open_memstream(&written, &size), .width = width, .has_colours = has_colours};
    struct err err = {0};

    assert_non_null(term.out);
    assert_int_equal(table_print(table, &term, &err), 0);
    assert_int_equal(fclose(term.out), 0);
    assert_string_equal(written, wanted);
    free(written);
    table_free(table);
    assert_int_equal(table->count, 0);
}

static void columns_are_aligned_by_what_is_seen(void **state)
{
    struct table table = {.columns = columns, .column_count = 4};

    (void)state;
    add_row(&table, "A", 5, "x@example.com", "\u4E2D\u6587");
    add_row(&table, "BCD", 12345, "\u00FC@example.com", "");
    add_row(&table, "", -1, "", "one\033[2Jtwo");
    assert_printed(&table, 0, false,
                   "ID    SIZE  FROM           SUBJECT\n"
                   "A        5  x@example.com  \u4E2D\u6587\n"
                   "BCD  12345  \u00FC@example.com\n"
                   "        -1                 one^[[2Jtwo\n");
}

static void a_terminal_gets_lines_that_fit(void **state)
{
    struct table table = {.columns = columns, .column_count = 4};

    (void)state;
    /* 2 + 2 + 4 + 2 + 10 + 2 + 10 = 32 */
    add_row(&table, "A", 5, "somebody@example.com", "\u4E2D\u6587\u4E2D\u6587\u4E2D\u6587");
    add_row(&table, "B", 6, "x@y", "exactly 10");
    assert_printed(&table, 32, false,
                   "ID  SIZE  FROM        SUBJECT\n"
                   "A      5  somebody@\u2026  \u4E2D\u6587\u4E2D\u6587\u2026\n"
                   "B      6  x@y         exactly 10\n");
}

static void what_has_to_be_read_whole_is_never_cut(void **state)
{
    struct table table = {.columns = columns, .column_count = 4};

    (void)state;
    add_row(&table, "ABCDEFGHIJKLMNOP", 5, "somebody@example.com", "a long subject");
    assert_printed(&table, 10, false,
                   "ID                SIZE  FROM      SUBJECT\n"
                   "ABCDEFGHIJKLMNOP     5  somebod\u2026  a long \u2026\n");
}

/* ID and SIZE may go, FROM is to have 8 and SUBJECT 16: 2 + 2 + 4 + 2 + 8 + 2 + 16 = 36 with both. */
static const size_t rooms[] = {0, 0, 8, 16}, drops[] = {1, 0};

static void assert_printed_at(size_t width, const char *wanted)
{
    struct table table = {
        .columns = columns, .column_count = 4, .indent = "> ", .rooms = rooms, .drops = drops, .drop_count = 2};

    add_row(&table, "AB", 1234, "somebody@example.com", "a subject that is too long");
    assert_printed(&table, width, false, wanted);
}

static void columns_keep_their_room_and_others_go(void **state)
{
    (void)state;
    assert_printed_at(0, "> ID  SIZE  FROM                  SUBJECT\n"
                         "> AB  1234  somebody@example.com  a subject that is too long\n");
    assert_printed_at(48, "> ID  SIZE  FROM               SUBJECT\n"
                          "> AB  1234  somebody@example\u2026  a subject that i\u2026\n");
    assert_printed_at(38, "> ID  SIZE  FROM      SUBJECT\n"
                          "> AB  1234  somebod\u2026  a subject that \u2026\n");
    /* With one column fewer there is room to spare again. */
    assert_printed_at(37, "> ID  FROM           SUBJECT\n"
                          "> AB  somebody@exa\u2026  a subject that \u2026\n");
    assert_printed_at(30, "> FROM        SUBJECT\n"
                          "> somebody@\u2026  a subject that \u2026\n");
    /* None is left that may go: they are narrowed as without. */
    assert_printed_at(24, "> FROM      SUBJECT\n"
                          "> somebod\u2026  a subject t\u2026\n");
    assert_printed_at(5, "> FROM      SUBJECT\n"
                         "> somebod\u2026  a subje\u2026\n");
}

static void elsewhere_nothing_is_cut(void **state)
{
    static const struct table_column one[] = {{"X", TABLE_FLEXIBLE}};
    struct table table = {.columns = one, .column_count = 1, .indent = "  "};
    char text[1001], wanted[1100];

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = 'x';
    text[sizeof text - 1] = '\0';
    table_add(&table, span_text(text), TERM_PLAIN);
    snprintf(wanted, sizeof wanted, "  X\n  %s\n", text);
    assert_printed(&table, 0, false, wanted);
}

static void colours_take_no_room(void **state)
{
    struct table table = {.columns = columns, .column_count = 4};

    (void)state;
    add_row(&table, "A", 5, "x", "y");
    assert_printed(&table, 80, true,
                   "\033[1mID\033[0m  \033[1mSIZE\033[0m  \033[1mFROM\033[0m  \033[1mSUBJECT\033[0m\n"
                   "A      5  x     \033[31my\033[0m\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_by_what_is_seen),
        cmocka_unit_test(a_terminal_gets_lines_that_fit),
        cmocka_unit_test(what_has_to_be_read_whole_is_never_cut),
        cmocka_unit_test(columns_keep_their_room_and_others_go),
        cmocka_unit_test(elsewhere_nothing_is_cut),
        cmocka_unit_test(colours_take_no_room),
    };

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return 1;
    return cmocka_run_group_tests_name("command_table", tests, NULL, NULL);
}
