#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "processor/handlers/diff.h"
#include "processor/handlers/shorten.h"
#include "tests/unit/support.h"

#define RULE "===================================================================\n"
#define LOW "___________________________________________________________________\n"
#define HUNK "@@ -1,2 +1,2 @@\n one\n-two\n+three\n"

/* ---- what is found: "path@first line-last line", the body's first line behind a colon ---- */

static unsigned line_of(struct span text, size_t at)
{
    return (unsigned)diff_count_lines(span_slice(text, 0, at)) + 1;
}

static const char *found(const char *text)
{
    static char storage[4096];
    struct buf list = buf_over(storage, sizeof storage);
    struct span whole = span_text(text);
    struct diff_file file;
    size_t at = 0;

    while (diff_next(whole, &at, &file)) {
        assert_true(file.start <= file.body && file.body <= file.end && file.end <= whole.size && at == file.end);
        buf_printf(&list, "%s%s@%u:%u-%u", list.size > 0 ? " " : "", file.path, line_of(whole, file.start),
                   line_of(whole, file.body), line_of(whole, file.end) - 1);
    }
    return storage;
}

static const struct {
    const char *text;
    const char *found;
} rows[] = {
    {"", ""},
    {"no diff\n--- here\n@@ -1 +1 @@\n", ""},
    {"Index: just a word\nof a log\n", ""},
    {"Modified: also\nnothing\n", ""},
    {"log\n\nIndex: a b.c\n" RULE "--- a b.c\t(revision 1)\n+++ a b.c\t(revision 2)\n" HUNK "\nend\n",
     "a b.c@3:7-10"},
    {"Index: a\n" RULE "--- a\n+++ a\n" HUNK "Index: b\n" RULE "--- b\n+++ b\n" HUNK, "a@1:5-8 b@9:13-16"},
    {"Modified: t/a\nURL: http://svn.example.org/a\n" RULE "--- t/a\n+++ t/a\n" HUNK, "t/a@1:6-9"},
    {"Copied: t/b (from r1, t/a)\n" RULE "(Binary files differ)\n\nx\n", "t/b@1:3-3"},
    {"Index: a\n" RULE "Cannot display: file marked as a binary type.\nsvn:mime-type = image/png\n\nx\n", "a@1:3-4"},
    {"Added: empty\n" RULE "\nx\n", "empty@1:3-2"},
    {"Property changes on: a\n" LOW "Name: svn:ignore\n   + x\n     y\n\nx\n", "a@1:3-5"},
    {"Index: a\n" RULE "--- a\n+++ a\n" HUNK "\nProperty changes on: a\n" LOW "Added: p\n## -0,0 +1 ##\n+v\n\nx\n",
     "a@1:5-14"},
    {"Index: a\n" RULE "--- a\n+++ a\n" HUNK "\nProperty changes on: b\n" LOW "Added: p\n## -0,0 +1 ##\n+v\n",
     "a@1:5-8 b@10:12-14"},
    {"Modified: a\n" RULE "--- a\n+++ a\n" HUNK "\n\nProperty changes on: a\n" LOW "Name: p\n   + v\n\n\nx\n",
     "a@1:5-14"},
    {"diff --git a/x y b/x y\nindex 1..2 100644\n--- a/x y\n+++ b/x y\n" HUNK "-- \n2.39\n", "x y@1:5-8"},
    {"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\ndiff --git a/z b/z\nold mode 100644\n"
     "new mode 100755\n",
     "y@1:5-4 z@5:8-7"},
    {"diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
     "gone@1:5-6"},
    {"diff --git \"a/\\303\\274\\n\" \"b/\\303\\274\\n\"\n--- \"a/\\303\\274\\n\"\n+++ \"b/\\303\\274\\n\"\n" HUNK,
     "\xc3\xbc?@1:4-7"},
    {"diff --cc m\nindex 1,2..3\n--- a/m\n+++ b/m\n@@@ -1,1 -1,1 +1,2 @@@\n- x\n -y\n++z\ndiff --cc n\n",
     "m@1:5-8 n@9:10-9"},
    {"diff --git a/i b/i\nindex 1..2\nGIT binary patch\nliteral 3\nKabc\n\nliteral 0\nHdef\n\n-- \n", "i@1:3-8"},
    {"diff -r 123 -r 456 h.c\n--- a/h.c\tSat\n+++ b/h.c\tSat\n" HUNK, "h.c@1:4-7"},
    {"Index: cvs.c\n" RULE
     "RCS file: /c/cvs.c,v\nretrieving revision 1.1\ndiff -u -r1.1 -r1.2\n--- cvs.c\n+++ cvs.c\n" HUNK,
     "cvs.c@1:8-11"},
    {"--- p.c\n+++ p.c\n" HUNK "--- q.c\n+++ q.c\n" HUNK, "p.c@1:3-6 q.c@7:9-12"},
    {"--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n", "new@1:3-4"},
    /* What looks like heads within a hunk. */
    {"--- p\n+++ p\n@@ -1,2 +1,3 @@\n--- q\n-++ q\n+Index: z\n+diff --git a/r b/r\n+" RULE "x\n", "p@1:3-8"},
    /* Spaces gone from the end of lines; CRLF; no end of the last line; the mark of that. */
    {"--- p\n+++ p\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n\\ No newline at end of file\nx\n", "p@1:3-8"},
    {"--- p\r\n+++ p\r\n@@ -1,2 +1,2 @@\r\n a\r\n\r\nx\r\n", "p@1:3-5"},
    {"--- p\n+++ p\n@@ -1 +1 @@\n-b\n+c", "p@1:3-5"},
    /* Cut short, and with numbers from another world. */
    {"--- p\n+++ p\n@@ -1,9 +1,9 @@\n a\nthe rest was too long\n", "p@1:3-4"},
    {"--- p\n+++ p\n@@ -1,99999999999999999999 +1,9 @@\n a\nx\n", "p@1:3-4"},
    {"--- p\n+++ p\n@@ -x +y @@\n-a\n+b\nx\n", "p@1:3-5"},
    {"--- p\n+++ p\n@@ -1,9 +1,9 @@\n a\n[p: 7 more lines of diff left out]\n", "p@1:3-4"},
    /* A long line that a mailer broke in two. */
    {"--- p\n+++ p\n@@ -1 +1 @@\n-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\naaaa\n+b\nx\n",
     "p@1:3-6"},
};

static void diffs_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(found(rows[i].text), rows[i].found);
}

static void of_a_long_path_the_end_is_kept(void **state)
{
    static char text[3 * DIFF_PATH_SIZE];
    struct buf mail = buf_over(text, sizeof text);
    struct diff_file file;
    size_t at = 0;

    (void)state;
    buf_put_text(&mail, "Index: ");
    while (mail.size < 2 * DIFF_PATH_SIZE)
        buf_put_text(&mail, "folder/");
    buf_put_text(&mail, "a.min.js\n" RULE);
    assert_true(diff_next(buf_span(&mail), &at, &file));
    assert_int_equal(strlen(file.path), DIFF_PATH_SIZE - 1);
    assert_string_equal(strrchr(file.path, '/'), "/a.min.js");
}

/* ---- what is left out ---- */

static void put(void *context, struct span piece)
{
    buf_put(context, piece);
}

static const char *shortened(const char *text, const char *skip, size_t max_lines, bool *is_changed)
{
    static char storage[8192];
    struct buf output = buf_over(storage, sizeof storage);
    struct shorten_rules rules = {.skips = {skip}, .skip_count = skip == NULL ? 0 : 1, .max_lines = max_lines};
    struct shorten_sum sum = {0};

    *is_changed = shorten_text(span_text(text), &rules, put, &output, &sum);
    assert_int_equal(*is_changed, sum.skipped + sum.cut > 0);
    return storage;
}

static void it_says_what_is_left_out(void **state)
{
    static const char text[] =
        "log\n\nIndex: a.js\n" RULE "--- a.js\n+++ a.js\n" HUNK "\nIndex: b\n" RULE "--- b\n+++ b\n" HUNK "-- \nend";
    bool is_changed;

    (void)state;
    assert_string_equal(shortened(text, NULL, 0, &is_changed), text);
    assert_false(is_changed);
    assert_string_equal(shortened(text, "*.css", 4, &is_changed), text);
    assert_false(is_changed);
    assert_string_equal(shortened(text, "*.JS", 0, &is_changed),
                        "log\n\n[a.js: 8 lines of diff left out]\n\nIndex: b\n" RULE "--- b\n+++ b\n" HUNK
                        "-- \nend");
    assert_true(is_changed);
    assert_string_equal(shortened(text, "*.js", 3, &is_changed),
                        "log\n\n[a.js: 8 lines of diff left out]\n\nIndex: b\n" RULE
                        "--- b\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two\n[b: 1 more line of diff left out]\n-- \nend");
}

static void line_ends_stay(void **state)
{
    bool is_changed;

    (void)state;
    assert_string_equal(shortened("--- p\r\n+++ p\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\nx\r\n", "p", 0, &is_changed),
                        "[p: 5 lines of diff left out]\r\nx\r\n");
    assert_string_equal(shortened("--- p\n+++ p\n@@ -1 +1 @@\n-a\r\n+b\r\nx\n", "p", 0, &is_changed),
                        "[p: 5 lines of diff left out]\nx\n");
    assert_string_equal(shortened("--- p\n+++ p\n@@ -1 +1 @@\n-a\n+b", "p", 0, &is_changed),
                        "[p: 5 lines of diff left out]");
}

/* Done again it changes nothing. */
static void what_is_short_stays(void **state)
{
    static const char text[] = "--- p\n+++ p\n@@ -1,9 +1,9 @@\n-0123456789012345678901234567890123456789012345678901"
                               "234567890123456789\n-2\n-3\n-4\n-5\n-6\n-7\n-8\n-9\nx\n";
    char once[1024];
    struct buf kept = buf_over(once, sizeof once);
    bool is_changed;

    (void)state;
    for (size_t lines = 1; lines < 8; lines++) {
        buf_clear(&kept);
        buf_put_text(&kept, shortened(text, NULL, lines, &is_changed));
        assert_true(is_changed);
        assert_string_equal(shortened(once, NULL, lines, &is_changed), once);
        assert_false(is_changed);
    }
}

static void armour_is_seen(void **state)
{
    (void)state;
    assert_true(shorten_has_armour(SPAN("x\n-----BEGIN PGP SIGNED MESSAGE-----\n")));
    assert_true(shorten_has_armour(SPAN("-----BEGIN PGP MESSAGE-----")));
    assert_false(
        shorten_has_armour(SPAN("+-----BEGIN PGP SIGNED MESSAGE-----\n-----BEGIN PGP PUBLIC KEY BLOCK-----")));
    assert_false(shorten_has_armour(SPAN("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diffs_are_found),          cmocka_unit_test(of_a_long_path_the_end_is_kept),
        cmocka_unit_test(it_says_what_is_left_out), cmocka_unit_test(line_ends_stay),
        cmocka_unit_test(what_is_short_stays),      cmocka_unit_test(armour_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
