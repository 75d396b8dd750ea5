#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "receiver/reply.h"
#include "tests/unit/support.h"

/* RFC 2034, section 4: no enhanced code on the greeting, on what answers HELO and EHLO, and on 3xx. */
static bool has_no_status(enum reply reply)
{
    return reply == REPLY_GREETING || reply == REPLY_HELO || reply == REPLY_BAD_HELO || reply == REPLY_START_MAIL;
}

/* "CODE " or "CODE S.D.D " with S the code's first digit, then text, all printable, then CRLF, 512 bytes at most. */
static void check_line(enum reply reply, struct span line)
{
    const char *text = line.data;

    assert_in_range(line.size, 6, REPLY_LINE_MAX);
    assert_memory_equal(text + line.size - 2, "\r\n", 2);
    for (size_t i = 0; i < line.size - 2; i++)
        assert_in_range((unsigned char)text[i], 0x20, 0x7E);
    assert_int_equal((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'), reply_code(reply));
    assert_in_range(reply_code(reply), 200, 559);
    assert_int_equal(text[3], ' ');
    if (has_no_status(reply)) {
        assert_false(line.size > 8 && text[5] == '.' && text[7] == '.');
        return;
    }
    assert_true(line.size > 10);
    assert_int_equal(text[4], text[0]);
    assert_int_equal(text[5], '.');
    assert_in_range(text[6], '0', '7');
    assert_int_equal(text[7], '.');
    assert_in_range(text[8], '0', '9');
    assert_int_equal(text[9], ' ');
    assert_true(text[0] == '2' || text[0] == '4' || text[0] == '5');
}

static void every_reply_is_one_well_formed_line(void **state)
{
    static char hostile[4096];
    const struct span arguments[] = {
        SPAN(""), SPAN("a@example.com"), SPAN("x\r\n250 2.0.0 forged\r\n"), {hostile, 400}, {hostile, sizeof hostile},
    };

    (void)state;
    for (size_t i = 0; i < sizeof hostile; i++)
        hostile[i] = (char)i;
    for (int reply = REPLY_NONE + 1; reply < REPLY_COUNT; reply++)
        for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
            char storage[REPLY_ROOM_MAX];
            struct buf output = buf_over(storage, sizeof storage);

            reply_put(&output, (enum reply)reply, arguments[i]);
            assert_false(output.overflowed);
            check_line((enum reply)reply, buf_span(&output));
            assert_true(arguments[i].size > 0 ||
                        strstr(output.data, "  ") == NULL); /* no gap where our name is missing */
        }
}

static void an_argument_is_cut_and_the_rest_stays(void **state)
{
    char storage[REPLY_ROOM_MAX];
    struct buf output = buf_over(storage, sizeof storage);
    char name[600];

    (void)state;
    memset(name, 'a', sizeof name);
    reply_put(&output, REPLY_UNKNOWN_USER, (struct span){name, sizeof name});
    assert_int_equal(output.size, REPLY_LINE_MAX);
    assert_non_null(strstr(storage, "aaa>: no such address here\r\n"));
}

static void foreign_bytes_are_not_echoed(void **state)
{
    char storage[REPLY_ROOM_MAX];
    struct buf output = buf_over(storage, sizeof storage);

    (void)state;
    reply_put(&output, REPLY_NO_RELAY, SPAN("a\r\n\0\x1B[2J\xC3\xBC\x7F@b"));
    assert_string_equal(storage, "550 5.7.1 <a????[2J???@b>: relaying denied\r\n");
}

static void a_reply_without_room_is_not_begun(void **state)
{
    char storage[8];
    struct buf output = buf_over(storage, sizeof storage);

    (void)state;
    reply_put(&output, REPLY_NOOP, SPAN(""));
    assert_int_equal(output.size, 0);
    assert_true(output.overflowed);
}

static void ehlo_lists_what_is_offered(void **state)
{
    char storage[REPLY_ROOM_MAX + 1];
    struct buf output = buf_over(storage, sizeof storage);
    char longest[255];

    (void)state;
    reply_put_ehlo(&output, SPAN("mail.example.com"), 26214400, false);
    assert_string_equal(storage, "250-mail.example.com\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                                 "250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 SIZE 26214400\r\n");
    buf_clear(&output);
    memset(longest, 'a', sizeof longest);
    reply_put_ehlo(&output, (struct span){longest, sizeof longest}, UINT64_MAX, true);
    assert_false(output.overflowed);
    assert_non_null(strstr(storage, "\r\n250-STARTTLS\r\n"));
}

static void failures_become_replies(void **state)
{
    static const struct {
        int number;
        enum reply_failure failure;
        unsigned code;
    } rows[] = {
        {0, FAILURE_NONE, 250},
        {ENOSPC, FAILURE_DISK_FULL, 452},
        {EDQUOT, FAILURE_DISK_FULL, 452},
        {EFBIG, FAILURE_TOO_BIG, 552},
        {ENOMEM, FAILURE_NO_RESOURCES, 451},
        {EMFILE, FAILURE_NO_RESOURCES, 451},
        {ENFILE, FAILURE_NO_RESOURCES, 451},
        {EIO, FAILURE_TEMPORARY, 451},
        {EROFS, FAILURE_TEMPORARY, 451},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(reply_failure_of(rows[i].number), rows[i].failure);
        assert_int_equal(reply_code(reply_for_failure(rows[i].failure)), rows[i].code);
    }
    assert_int_equal(reply_code(reply_for_failure(FAILURE_REFUSED)), 554);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_is_one_well_formed_line),
        cmocka_unit_test(an_argument_is_cut_and_the_rest_stays),
        cmocka_unit_test(foreign_bytes_are_not_echoed),
        cmocka_unit_test(a_reply_without_room_is_not_begun),
        cmocka_unit_test(ehlo_lists_what_is_offered),
        cmocka_unit_test(failures_become_replies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
