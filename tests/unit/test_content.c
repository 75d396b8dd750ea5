#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "receiver/content.h"
#include "tests/unit/support.h"

enum { OUTPUT_SIZE = 200 * 1024, NO_END = -1 };

static char output_storage[OUTPUT_SIZE];
static struct content content;

static const struct content_limits roomy = {UINT64_MAX, UINT64_MAX};

/* Reads `input` in pieces of `step` bytes. Gives how many bytes stand behind the end, or NO_END. */
static long read_limited(struct span input, size_t step, const struct content_limits *limits, struct buf *output)
{
    *output = buf_over(output_storage, sizeof output_storage);
    content_start(&content, CONTENT_DOTTED, limits);
    for (;;) {
        struct span piece = span_slice(input, 0, step);
        size_t given = piece.size;
        enum content_status status = content_read(&content, &piece);

        input = span_slice(input, given - piece.size, input.size);
        if (status == CONTENT_MORE && input.size == 0)
            return NO_END;
        if (status == CONTENT_MORE)
            continue;
        buf_put(output, content_bytes(&content));
        content_emptied(&content);
        if (status == CONTENT_END)
            return (long)input.size;
    }
}

static long read_body(struct span input, size_t step, uint64_t max_size, struct buf *output)
{
    const struct content_limits limits = {max_size, UINT64_MAX};

    return read_limited(input, step, &limits, output);
}

/* The same for a counted body, which all of `input` is. */
static void read_counted(struct span input, size_t step, const struct content_limits *limits, struct buf *output)
{
    enum content_status status = CONTENT_MORE;

    *output = buf_over(output_storage, sizeof output_storage);
    content_start(&content, CONTENT_COUNTED, limits);
    while (input.size > 0) {
        struct span piece = span_slice(input, 0, step);
        size_t given = piece.size;

        status = content_read(&content, &piece);
        input = span_slice(input, given - piece.size, input.size);
        assert_int_not_equal(status, CONTENT_END);
        if (status == CONTENT_FULL) {
            buf_put(output, content_bytes(&content));
            content_emptied(&content);
        }
    }
    content_end(&content);
    buf_put(output, content_bytes(&content));
    content_emptied(&content);
    assert_int_equal(content_read(&content, &input), CONTENT_END);
    assert_int_equal(content_bytes(&content).size, 0);
}

struct row {
    struct span input;
    enum content_verdict verdict;
    struct span output; /* of a good one */
    long left;
};

static void check(const struct row *row)
{
    for (size_t step = 1; step <= row->input.size; step++) {
        struct buf output;
        long left = read_body(row->input, step, 1000, &output);

        if (left != row->left || content.verdict != row->verdict)
            print_error("in steps of %zu: %.*s\n", step, (int)row->input.size, row->input.data);
        assert_int_equal(left, row->left);
        assert_int_equal(content.verdict, row->verdict);
        assert_false(output.overflowed);
        if (row->verdict == CONTENT_GOOD && left != NO_END)
            assert_true(span_equal(buf_span(&output), row->output));
    }
}

static void bodies_are_decoded(void **state)
{
    const struct row rows[] = {
        {SPAN(".\r\n"), CONTENT_GOOD, SPAN(""), 0},
        {SPAN(".\r\nQUIT\r\n"), CONTENT_GOOD, SPAN(""), 6},
        {SPAN("\r\n.\r\n"), CONTENT_GOOD, SPAN("\n"), 0},
        {SPAN("a\r\nb\r\n.\r\n"), CONTENT_GOOD, SPAN("a\nb\n"), 0},
        {SPAN("..\r\n.\r\n"), CONTENT_GOOD, SPAN(".\n"), 0},
        {SPAN("...\r\n..a\r\n.a\r\n.\r\n"), CONTENT_GOOD, SPAN("..\n.a\na\n"), 0},
        {SPAN("a.\r\n a.b\r\n.\r\n"), CONTENT_GOOD, SPAN("a.\n a.b\n"), 0},
        {SPAN(" .\r\n. \r\n.\r\n"), CONTENT_GOOD, SPAN(" .\n \n"), 0},
        {SPAN("a\0b\xFF\x80\r\n\0\r\n.\r\n"), CONTENT_GOOD, SPAN("a\0b\xFF\x80\n\0\n"), 0},
        {SPAN("\x1A\t\x7F\r\n.\r\n.\r\n"), CONTENT_GOOD, SPAN("\x1A\t\x7F\n"), 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

/*
 * What other servers have taken for the end of a message: none of it is one here, none gets a message accepted, and
 * what follows, up to the real end, is not left behind to be read as commands.
 */
static void nothing_but_crlf_dot_crlf_is_an_end(void **state)
{
    const struct span ends[] = {
        SPAN("\n.\n"),       SPAN("\n.\r\n"),     SPAN("\r\n.\n"),         SPAN("\r.\r"),     SPAN("\r.\r\n"),
        SPAN("\r\n.\r"),     SPAN("\n.\r"),       SPAN("\r.\n"),           SPAN("\n\n.\r\n"), SPAN("\n\r.\r\n"),
        SPAN("\r\n\n.\r\n"), SPAN("\r\r\n.\n"),   SPAN("\r\n.\r\r\n"),     SPAN("\r\r\n.\r"), SPAN("\0\n.\r\n"),
        SPAN("\n\0.\r\n"),   SPAN("\n.\0\r\n"),   SPAN("\r\n.\0\n"),       SPAN("\r\n\0.\n"), SPAN("\r\n.\r\0\n"),
        SPAN("\r\0\n.\r\n"), SPAN("\n .\r\n"),    SPAN("\n. \r\n"),        SPAN("\r\n. \n"),  SPAN("\r\n .\n"),
        SPAN("\x85.\r\n\n"), SPAN("\r\n.\x85\n"), SPAN("\xE2\x80\xA8.\r"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char storage[200];
        struct buf input = buf_over(storage, sizeof storage);

        buf_put_text(&input, "Subject: x\r\n\r\nbody");
        buf_put(&input, ends[i]);
        buf_put_text(&input, "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\nforged\r\n.\r\nQUIT\r\n");
        check(&(struct row){buf_span(&input), CONTENT_BARE_LINE_END, {0}, 6});
    }
}

/* These have a real end after them, or are one, or hold no bare line end at all. */
static void neighbours_of_an_end(void **state)
{
    const struct row rows[] = {
        {SPAN("a\r\n.\0\r\n.\r\n"), CONTENT_GOOD, SPAN("a\n\0\n"), 0},
        {SPAN("a\r\n\0.\r\n.\r\n"), CONTENT_GOOD, SPAN("a\n\0.\n"), 0},
        {SPAN("a\r\n.\r"), CONTENT_GOOD, {0}, NO_END},
        {SPAN("a\r\n."), CONTENT_GOOD, {0}, NO_END},
        {SPAN("a\r\n"), CONTENT_GOOD, {0}, NO_END},
        {SPAN("a\r\n.\r\r\n.\r\n"), CONTENT_BARE_LINE_END, {0}, 0},
        {SPAN("a\r\n.\r.\r\n"), CONTENT_BARE_LINE_END, {0}, NO_END},
        {SPAN(".\n.\r\n"), CONTENT_BARE_LINE_END, {0}, NO_END},
        {SPAN("\n.\r\n"), CONTENT_BARE_LINE_END, {0}, NO_END},
        {SPAN("\r.\r\n"), CONTENT_BARE_LINE_END, {0}, NO_END},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

static void size_counts_octets_as_sent(void **state)
{
    const struct {
        struct span input;
        uint64_t size;
    } rows[] = {
        {SPAN(".\r\n"), 0},
        {SPAN("\r\n.\r\n"), 2},
        {SPAN("abc\r\n.\r\n"), 5},
        {SPAN("..\r\n..a\r\n.\r\n"), 7},
        {SPAN("\0\xFF\r\nx\r\n.\r\n"), 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf output;

        assert_int_equal(read_body(rows[i].input, 3, rows[i].size, &output), 0);
        assert_int_equal(content.verdict, CONTENT_GOOD);
        assert_true(content.size_bytes == rows[i].size);
        if (rows[i].size == 0)
            continue;
        for (size_t step = 1; step < rows[i].input.size; step++) {
            assert_int_equal(read_body(rows[i].input, step, rows[i].size - 1, &output), 0);
            assert_int_equal(content.verdict, CONTENT_TOO_BIG);
            assert_int_equal(output.size, 0);
        }
    }
}

static long read_with_fields(const char *field, unsigned count, const char *before)
{
    static char storage[16 * 1024];
    struct buf input = buf_over(storage, sizeof storage);
    struct buf output;

    buf_put_text(&input, before);
    for (unsigned i = 0; i < count; i++)
        buf_printf(&input, "%s from x by y\r\n\tid z; now\r\n", field);
    buf_put_text(&input, "Subject: x\r\n\r\nReceived: no\r\n.\r\n");
    assert_false(input.overflowed);
    assert_int_equal(read_body(buf_span(&input), 7, UINT64_MAX, &output), 0);
    return content.received_count;
}

static void received_fields_are_counted(void **state)
{
    (void)state;
    assert_int_equal(read_with_fields("Received:", 99, ""), 99);
    assert_int_equal(content.verdict, CONTENT_GOOD);
    assert_int_equal(read_with_fields("Received:", 100, ""), 100);
    assert_int_equal(content.verdict, CONTENT_LOOP);
    assert_int_equal(read_with_fields("RECEIVED \t:", 100, "Subject: x\r\n"), 100);
    assert_int_equal(content.verdict, CONTENT_LOOP);
    assert_int_equal(read_with_fields("Received-SPF:", 100, ""), 0);
    assert_int_equal(read_with_fields("X-Received:", 100, ""), 0);
    assert_int_equal(read_with_fields(" Received:", 100, ""), 0);
    assert_int_equal(read_with_fields("Rec eived:", 100, ""), 0);
    assert_int_equal(read_with_fields("Received", 100, ""), 0);
    assert_int_equal(read_with_fields("Received:", 100, "\r\n"), 0); /* the header is over */
    assert_int_equal(content.verdict, CONTENT_GOOD);
}

static void a_discarded_body_is_followed(void **state)
{
    struct span input = SPAN("a\r\n..\r\n.\r\nQUIT\r\n");

    (void)state;
    content_start(&content, CONTENT_DOTTED, &roomy);
    content_discard(&content);
    assert_int_equal(content_read(&content, &input), CONTENT_END);
    assert_int_equal(content.verdict, CONTENT_DISCARDED);
    assert_int_equal(content_bytes(&content).size, 0);
    assert_int_equal(input.size, 6);
    input = SPAN("a\nb\r\n.\r\n");
    content_start(&content, CONTENT_DOTTED, &roomy);
    content_discard(&content);
    assert_int_equal(content_read(&content, &input), CONTENT_END);
    assert_int_equal(content.verdict, CONTENT_BARE_LINE_END);
}

/* Lines of every length around the sizes of the area and the window, and more than one area in all. */
static void long_lines_are_kept(void **state)
{
    static char input_storage[OUTPUT_SIZE];
    static char wanted_storage[OUTPUT_SIZE];
    const size_t lengths[] = {1, 510, 511, 512, 513, 998, 1000, 1023, 1024, 1025, 32765, 32766, 32767, 32768, 65536};
    const size_t steps[] = {1, 511, 512, 513, 4096, 32767, 32768, 32769, OUTPUT_SIZE};
    struct buf input = buf_over(input_storage, sizeof input_storage);
    struct buf wanted = buf_over(wanted_storage, sizeof wanted_storage);

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t at = 0; at < lengths[i]; at++) {
            buf_put_byte(&input, (char)('a' + at % 26));
            buf_put_byte(&wanted, (char)('a' + at % 26));
        }
        buf_put_text(&input, "\r\n");
        buf_put_text(&wanted, "\n");
    }
    buf_put_text(&input, ".\r\n");
    assert_false(input.overflowed);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct buf output;

        assert_int_equal(read_body(buf_span(&input), steps[i], UINT64_MAX, &output), 0);
        assert_int_equal(content.verdict, CONTENT_GOOD);
        assert_true(span_equal(buf_span(&output), buf_span(&wanted)));
    }
}

static void counted_bodies(void **state)
{
    const struct {
        struct span input;
        enum content_verdict verdict;
        struct span output;
    } rows[] = {
        {SPAN(""), CONTENT_GOOD, SPAN("")},
        {SPAN("\r\n"), CONTENT_GOOD, SPAN("\n")},
        {SPAN("a\r\n.\r\nb\r\n"), CONTENT_GOOD, SPAN("a\n.\nb\n")},
        {SPAN(".\r\n..\r\n...a\r\n"), CONTENT_GOOD, SPAN(".\n..\n...a\n")},
        {SPAN("\0\xFF\r\n"), CONTENT_GOOD, SPAN("\0\xFF\n")},
        /* A last line without its end is given one. */
        {SPAN("a"), CONTENT_GOOD, SPAN("a\n")},
        {SPAN("a\r\nb"), CONTENT_GOOD, SPAN("a\nb\n")},
        {SPAN("a\r\n."), CONTENT_GOOD, SPAN("a\n.\n")},
        /* The same strict rules. */
        {SPAN("a\r"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("\r"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("\n"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("a\nb\r\n"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("a\r\r\n"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("a\r\n.\r"), CONTENT_BARE_LINE_END, {0}},
        {SPAN("a\r\n.\n\r\n"), CONTENT_BARE_LINE_END, {0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step <= rows[i].input.size + 1; step++) {
            struct buf output;

            read_counted(rows[i].input, step, &roomy, &output);
            assert_int_equal(content.verdict, rows[i].verdict);
            if (rows[i].verdict == CONTENT_GOOD)
                assert_true(span_equal(buf_span(&output), rows[i].output));
            else
                assert_int_equal(output.size, 0);
        }
}

/* With the area just full where the last line's end has to be added. */
static void a_counted_body_that_fills_the_area(void **state)
{
    static char input[2 * CONTENT_AREA_SIZE];

    (void)state;
    memset(input, 'a', sizeof input);
    for (size_t size = CONTENT_AREA_SIZE - 2; size <= CONTENT_AREA_SIZE + 2; size++)
        for (size_t step = 1; step <= 4096; step *= 8) {
            struct buf output;

            read_counted((struct span){input, size}, step, &roomy, &output);
            assert_int_equal(output.size, size + 1);
            assert_int_equal(output.data[size], '\n');
            assert_int_equal(content.size_bytes, size + 2);
        }
}

static void the_header_has_a_limit_of_its_own(void **state)
{
    const struct {
        struct span input;
        struct content_limits limits;
        enum content_verdict verdict;
    } rows[] = {
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {100, 11}, CONTENT_HEADER_TOO_BIG},
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {100, 12}, CONTENT_GOOD},
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {19, 12}, CONTENT_TOO_BIG},
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {11, 11}, CONTENT_TOO_BIG},
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {11, 12}, CONTENT_TOO_BIG},
        {SPAN("a: b\r\nc: d\r\n\r\nbody\r\n"), {12, 10}, CONTENT_HEADER_TOO_BIG},
        {SPAN("\r\nall body\r\n"), {100, 1}, CONTENT_GOOD},
        {SPAN("no empty line\r\n"), {100, 14}, CONTENT_HEADER_TOO_BIG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step <= rows[i].input.size; step++) {
            char storage[100];
            struct buf dotted = buf_over(storage, sizeof storage);
            struct buf output;

            buf_put(&dotted, rows[i].input);
            buf_put_text(&dotted, ".\r\n");
            assert_int_equal(read_limited(buf_span(&dotted), step, &rows[i].limits, &output), 0);
            assert_int_equal(content.verdict, rows[i].verdict);
            read_counted(rows[i].input, step, &rows[i].limits, &output);
            assert_int_equal(content.verdict, rows[i].verdict);
        }
}

/* Whatever arrives together, the fault that comes first is the one that is told. */
static void of_two_faults_the_first_counts(void **state)
{
    static char storage[4096];
    struct buf input = buf_over(storage, sizeof storage);

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_put_text(&input, "Received:\r\n");
    input.size -= 2;
    buf_put_text(&input, " from x by y");
    for (uint64_t limit = 1095; limit < 1103; limit++)
        for (size_t step = 1; step < sizeof storage; step = step * 3 + 1) {
            const struct content_limits limits = {limit, UINT64_MAX};
            struct buf output;

            read_counted(buf_span(&input), step, &limits, &output);
            assert_int_equal(content.verdict, limit < 1098 ? CONTENT_TOO_BIG : CONTENT_LOOP);
        }
}

/* A small automaton written apart from the code, to hold it to over many short bodies. */
static bool reference(struct span input, struct buf *output, size_t *used)
{
    bool good = true;
    size_t at = 0;
    bool line_start = true;

    for (;;) {
        if (line_start && input.size - at >= 3 && memcmp(input.data + at, ".\r\n", 3) == 0) {
            *used = at + 3;
            return good;
        }
        if (line_start && at < input.size && input.data[at] == '.')
            at++;
        if (at >= input.size) {
            *used = 0;
            return good;
        }
        line_start = input.size - at >= 2 && input.data[at] == '\r' && input.data[at + 1] == '\n';
        if (line_start) {
            buf_put_byte(output, '\n');
            at += 2;
            continue;
        }
        if (input.data[at] == '\r' || input.data[at] == '\n')
            good = false;
        buf_put_byte(output, input.data[at++]);
    }
}

/* The `number`th text of `length` bytes out of four kinds, and a whole end after it. */
static void put_short_body(struct buf *text, unsigned number, unsigned length)
{
    static const char bytes[] = {'\r', '\n', '.', 'a'};

    for (unsigned i = 0; i < length; i++)
        buf_put_byte(text, bytes[number >> (2 * i) & 3]);
    buf_put_text(text, "\r\n.\r\n");
}

static void every_short_body_is_read_as_by_the_rules(void **state)
{
    const unsigned length = 7;

    (void)state;
    for (unsigned number = 0; number < 1U << (2 * length); number++) {
        char text_storage[20];
        char wanted_storage[20];
        struct buf text = buf_over(text_storage, sizeof text_storage);
        struct buf wanted = buf_over(wanted_storage, sizeof wanted_storage);
        struct buf output;
        size_t used = 0;
        bool good;
        long left;

        put_short_body(&text, number, length);
        good = reference(buf_span(&text), &wanted, &used);
        left = read_body(buf_span(&text), 1 + number % 5, 1000, &output);
        assert_int_equal(left, used == 0 ? NO_END : (long)(text.size - used));
        if (left != NO_END)
            assert_int_equal(content.verdict, good ? CONTENT_GOOD : CONTENT_BARE_LINE_END);
        if (left != NO_END && good)
            assert_true(span_equal(buf_span(&output), buf_span(&wanted)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_bodies),
        cmocka_unit_test(a_counted_body_that_fills_the_area),
        cmocka_unit_test(the_header_has_a_limit_of_its_own),
        cmocka_unit_test(of_two_faults_the_first_counts),
        cmocka_unit_test(bodies_are_decoded),
        cmocka_unit_test(nothing_but_crlf_dot_crlf_is_an_end),
        cmocka_unit_test(neighbours_of_an_end),
        cmocka_unit_test(size_counts_octets_as_sent),
        cmocka_unit_test(received_fields_are_counted),
        cmocka_unit_test(a_discarded_body_is_followed),
        cmocka_unit_test(long_lines_are_kept),
        cmocka_unit_test(every_short_body_is_read_as_by_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
