/* What is taken of a file that is injected, and what is refused, however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "processor/command/inject_body.h"

enum { ROOM = 8192 };

/* Takes `input` in pieces of `step` bytes and gives what is put out. */
static enum inject_verdict take(struct span input, size_t step, uint64_t size_max, uint64_t header_max,
                                struct buf *output)
{
    struct inject_body body;

    inject_body_start(&body, size_max, header_max);
    for (size_t at = 0; at < input.size; at += step)
        inject_body_take(&body, span_slice(input, at, at + step), output);
    inject_body_end(&body, output);
    assert_false(output->overflowed);
    return body.verdict;
}

static void check(struct span input, enum inject_verdict verdict, struct span wanted)
{
    char storage[ROOM];

    for (size_t step = 1; step <= input.size + 1; step++) {
        struct buf output = buf_over(storage, sizeof storage);

        assert_int_equal(take(input, step, 1000, 500, &output), verdict);
        if (verdict == INJECT_GOOD)
            assert_true(span_equal(buf_span(&output), wanted));
    }
}

static void test_line_ends(void **state)
{
    static const char nul[] = "a\0b\n";

    (void)state;
    check(span_text("Subject: x\n\nbody\n"), INJECT_GOOD, span_text("Subject: x\n\nbody\n"));
    check(span_text("Subject: x\r\n\r\nbody\r\n"), INJECT_GOOD, span_text("Subject: x\n\nbody\n"));
    check(span_text("Subject: x\n\r\n.\n..\nno end"), INJECT_GOOD, span_text("Subject: x\n\n.\n..\nno end\n"));
    check((struct span){nul, sizeof nul - 1}, INJECT_GOOD, (struct span){nul, sizeof nul - 1});
    check(span_text("\n"), INJECT_GOOD, span_text("\n"));
    check(span_text(""), INJECT_EMPTY, span_text(""));
    check(span_text("a\rb\n"), INJECT_BARE_CR, span_text(""));
    check(span_text("a\r\r\n"), INJECT_BARE_CR, span_text(""));
    check(span_text("a\r"), INJECT_BARE_CR, span_text(""));
}

/* The line's end counts as the two octets that it would be sent as. */
static void test_sizes(void **state)
{
    char storage[ROOM];
    struct span input = span_text("a: b\n\n12\n"); /* 6 + 2 + 4 */

    (void)state;
    for (uint64_t size_max = 1; size_max < 15; size_max++) {
        struct buf output = buf_over(storage, sizeof storage);

        assert_int_equal(take(input, 3, size_max, 100, &output), size_max < 12 ? INJECT_TOO_BIG : INJECT_GOOD);
    }
    for (uint64_t header_max = 1; header_max < 10; header_max++) {
        struct buf output = buf_over(storage, sizeof storage);

        assert_int_equal(take(input, 3, 100, header_max, &output),
                         header_max < 6 ? INJECT_HEADER_TOO_BIG : INJECT_GOOD);
    }
}

static enum inject_verdict take_fields(int count, const char *field, const char *end)
{
    char storage[ROOM], text[ROOM];
    struct buf output = buf_over(storage, sizeof storage), input = buf_over(text, sizeof text);

    for (int i = 0; i < count; i++)
        buf_put_text(&input, field);
    buf_put_text(&input, end);
    return take(buf_span(&input), 7, ROOM, ROOM, &output);
}

static void test_loops(void **state)
{
    (void)state;
    assert_int_equal(take_fields(99, "Received: x\n", "\n"), INJECT_GOOD);
    assert_int_equal(take_fields(100, "Received: x\n", "\n"), INJECT_LOOP);
    assert_int_equal(take_fields(100, "rEceived \t: x\r\n", "\n"), INJECT_LOOP);
    assert_int_equal(take_fields(100, " Received: x\n", "\n"), INJECT_GOOD);
    assert_int_equal(take_fields(100, "Received-By: x\n", "\n"), INJECT_GOOD);
    assert_int_equal(take_fields(100, "X-Received: x\n", "\n"), INJECT_GOOD);
    assert_int_equal(take_fields(1, "\n", "Received: x\nReceived: x\n"), INJECT_GOOD);
}

/* The body is nobody's header. */
static void test_fields_of_the_body(void **state)
{
    char text[ROOM], storage[ROOM];
    struct buf input = buf_over(text, sizeof text), output = buf_over(storage, sizeof storage);

    (void)state;
    buf_put_text(&input, "Subject: x\n\n");
    for (int i = 0; i < 200; i++)
        buf_put_text(&input, "Received: x\n");
    assert_int_equal(take(buf_span(&input), 64, ROOM, ROOM, &output), INJECT_GOOD);
}

static void test_words(void **state)
{
    (void)state;
    for (enum inject_verdict verdict = INJECT_EMPTY; verdict <= INJECT_LOOP; verdict++)
        assert_true(strlen(inject_body_fault(verdict)) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends),          cmocka_unit_test(test_sizes), cmocka_unit_test(test_loops),
        cmocka_unit_test(test_fields_of_the_body), cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
