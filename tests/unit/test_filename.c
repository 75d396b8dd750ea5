#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/filename.h"
#include "tests/unit/support.h"

/* A span for tables, which want constants. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

static char storage[FILENAME_SIZE];

static const char *safe(struct span proposed)
{
    struct buf name = buf_over(storage, sizeof storage);

    return filename_make_safe(proposed, &name) ? storage : NULL;
}

static const struct {
    struct span proposed;
    const char *safe; /* NULL: nothing is left */
} rows[] = {
    {BYTES("report.pdf"), "report.pdf"},
    {BYTES("Gr\xc3\xbc\xc3\x9f\x65 (1).txt"), "Gr\xc3\xbc\xc3\x9f\x65 (1).txt"},
    {BYTES("/etc/passwd"), "passwd"},
    {BYTES("../../x"), "x"},
    {BYTES("..\\..\\x"), "x"},
    {BYTES("C:\\x\\y.txt"), "y.txt"},
    {BYTES("C:y"), "C_y"},
    {BYTES(".."), NULL},
    {BYTES("."), NULL},
    {BYTES(""), NULL},
    {BYTES("/"), NULL},
    {BYTES("a/"), NULL},
    {BYTES(" . "), NULL},
    {BYTES("\n\r\t"), NULL},
    {BYTES(".bashrc"), "bashrc"},
    {BYTES("-rf"), "rf"},
    {BYTES("--.-x"), "x"},
    {BYTES("x. . "), "x"},
    {BYTES("a\0b\x1b[31m\x7f\n.c"), "ab[31m.c"},
    {BYTES("a\xc2\x85"
           "b\xe2\x80\xae"
           "c\xef\xbb\xbf"),
     "abc"},
    {BYTES("a\xff\xc3.txt"), "a__.txt"},
    {BYTES("a:*?\"<>|b"), "a_______b"},
    {BYTES("\xf0\x9f\x93\x8e.png"), "\xf0\x9f\x93\x8e.png"},
};

static void names_are_made_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = safe(rows[i].proposed);

        if (rows[i].safe == NULL)
            assert_null(name);
        else
            assert_string_equal(name, rows[i].safe);
    }
}

static void long_names_are_cut_between_characters(void **state)
{
    char text[1000];
    struct buf proposed = buf_over(text, sizeof text);
    char numbered_storage[FILENAME_SIZE];

    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        struct buf numbered = buf_over(numbered_storage, sizeof numbered_storage);
        struct buf name = buf_over(storage, sizeof storage);

        buf_clear(&proposed);
        for (int i = 0; i < shift; i++)
            buf_put_byte(&proposed, 'x');
        while (proposed.size < 900)
            buf_put_text(&proposed, "\xf0\x9f\x93\x8e");
        buf_put_text(&proposed, ".jpeg");
        assert_true(filename_make_safe(buf_span(&proposed), &name));
        assert_true(name.size <= FILENAME_MAX_BYTES && span_is_utf8(buf_span(&name)));
        assert_string_equal(storage + name.size - 5, ".jpeg");
        filename_number(buf_span(&name), 4294967295u, &numbered);
        assert_false(numbered.overflowed);
        assert_string_equal(numbered_storage + numbered.size - 16, "-4294967295.jpeg");
    }
    memset(text, '.', 999);
    memset(text + 1, 'x', 997);
    text[0] = 'a';
    assert_int_equal(strlen(safe((struct span){text, 999})), FILENAME_MAX_BYTES - 16);
}

static void names_are_numbered(void **state)
{
    static const struct {
        const char *name, *numbered;
    } names[] = {{"a.pdf", "a-2.pdf"},
                 {"a", "a-2"},
                 {"a.tar.gz", "a.tar-2.gz"},
                 {"a.no extension at all", "a.no extension at all-2"}};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf numbered = buf_over(storage, sizeof storage);

        filename_number(span_text(names[i].name), 2, &numbered);
        assert_string_equal(storage, names[i].numbered);
    }
}

static void names_are_made_up(void **state)
{
    struct buf name = buf_over(storage, sizeof storage);

    (void)state;
    filename_make_up(3, SPAN("IMAGE/png"), &name);
    assert_string_equal(storage, "part-3.png");
    buf_clear(&name);
    filename_make_up(4, SPAN("x/../../y"), &name);
    assert_string_equal(storage, "part-4.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_safe),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(names_are_numbered),
        cmocka_unit_test(names_are_made_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
