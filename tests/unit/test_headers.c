#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/headers/field.h"
#include "processor/mime/charset.h"
#include "processor/mime/headers.h"
#include "tests/unit/support.h"

#define TRACE                                                                                                        \
    "Return-Path: <asker@example.org>\n"                                                                             \
    "X-Original-To: 8ball@example.com\n"                                                                             \
    "Received: from client.example.org ([192.0.2.1])\n"                                                              \
    "\tby mail.example.com with ESMTP id 06DK3T9Q2B7XH0VA;\n"                                                        \
    "\tSat, 31 Jan 2026 23:59:59 +0000\n"

#define PARSE(literal) (*parse(SPAN(literal)))

static int make_file(struct span content)
{
    int fd = memfd_create("message", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.size), (ssize_t)content.size);
    return fd;
}

static const struct message_headers *parse(struct span content)
{
    static struct message_headers headers;
    struct err err = {0};
    int fd = make_file(content);

    assert_int_equal(headers_parse(fd, &headers, &err), 0);
    /* A handler may share the file's position. */
    assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)content.size);
    (void)close(fd);
    return &headers;
}

/* ---- decoding ---- */

static const struct {
    const char *raw;
    const char *decoded;
} subjects[] = {
    {"plain", "plain"},
    {"", ""},
    {"=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_M=C3=BCnchen=3F?=", "Grüße aus München?"},
    {"=?UTF-8?B?R3LDvMOfZSBhdXMgTcO8bmNoZW4/?=", "Grüße aus München?"},
    {"=?UTF-8?B?R3LDvMOfZSA=?= =?UTF-8?B?YXVzIE3DvG5jaGVu?=", "Grüße aus München"},
    {"=?UTF-8?B?R3LDvMOfZQ==?= =?utf-8?q?_aus?=", "Grüße aus"},
    {"=?iso-8859-1?q?Gr=FC=DFe_aus_M=FCnchen=3F?=", "Grüße aus München?"},
    {"=?windows-1252?Q?=80uro=3F?=", "€uro?"},
    {"=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=", "テスト"},
    {"=?x-sjis?B?g2WDWINn?=", "テスト"},
    {"=?koi8-r?B?8NLJ18XU?=", "Привет"},
    {"=?GB2312?B?xOO6ww==?=", "你好"},
    {"=?big5?B?p0Gmbg==?=", "你好"},
    {"=?ks_c_5601-1987?B?vsiz5w==?=", "안녕"},
    {"=?tis-620?Q?=CA=C7=D1=CA=B4=D5?=", "สวัสดี"},
    {"=?utf-7?Q?Gr+APw-n?=", "Grün"},
    {"=?utf-8*de?Q?Gr=C3=BCn?=", "Grün"},
    /* a character split over two words, and the space between words that is not there */
    {"=?utf-8?B?R3LD?= =?utf-8?B?vG4=?=", "Grün"},
    {"=?utf-8?Q?a?=\n =?utf-8?Q?b?=\n\tc", "ab c"},
    {"Re: =?utf-8?Q?Gr=C3=BCn?= yes", "Re: Grün yes"},
    /* raw 8-bit: UTF-8, and what is not */
    {"Grün", "Grün"},
    {"Gr\xfcn \x80", "Grün €"},
    {"Gr\xc3\xbcn and gr\xfcn", "Grün and grün"},
    /* charsets that nobody knows, or that are not open here */
    {"=?nonsense?Q?Gr=FCn?=", "Grün"},
    {"=?EBCDIC-US?Q?Gr=FCn?=", "Grün"},
    {"=?x-unknown?Q?Gr=C3=BCn?=", "Grün"},
    {"=?=?EBCDIC-US?Q?Gr=FCn?=", NULL},
    /* broken words */
    {"=?utf-8?Q?Gr=C3=BCn", "=?utf-8?Q?Gr=C3=BCn"},
    {"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
    {"=?utf-8?B?R3LDvG4?=", NULL},
    {"=?utf-8?Q?"
     "?=",
     NULL},
    {"=?utf-8?", NULL},
    {"=?", "=?"},
    {"=?utf-8?Q?Gr=FCn?=", NULL},
    {"=?utf-8?B?/////w==?=", NULL},
    {"=?utf-16?B?2AA=?=", NULL},
};

static void subjects_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        char storage[512];
        struct buf message = buf_over(storage, sizeof storage);
        const struct message_headers *headers;

        buf_put_text(&message, TRACE "Subject: ");
        buf_put_text(&message, subjects[i].raw);
        buf_put_text(&message, "\n\nbody\n");
        headers = parse(buf_span(&message));
        if (subjects[i].decoded != NULL)
            assert_string_equal(headers->subject, subjects[i].decoded);
        assert_true(span_is_utf8(span_text(headers->subject)));
    }
}

static void every_field_is_read(void **state)
{
    struct message_headers h = PARSE(TRACE "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\n"
                                           "to: 8ball@example.com,\n  \"B, C\" <b@example.com>\n"
                                           "SUBJECT: one\n"
                                           "Date: Sat, 31 Jan 2026\n 23:59:59 +0000\n"
                                           "Reply-To : r@example.org\n"
                                           "Message-Id:<1@example.org>\n"
                                           "References: <0@example.org>\n\t<00@example.org>\n"
                                           "List-Id: =?utf-8?Q?Gr=C3=BCn?= <list.example.org>\n"
                                           "Subject: two\n"
                                           "\n"
                                           "Subject: three\n");

    (void)state;
    assert_string_equal(h.from, "Jürgen <j@example.org>");
    assert_string_equal(h.to, "8ball@example.com, \"B, C\" <b@example.com>");
    assert_string_equal(h.subject, "one");
    assert_string_equal(h.date, "Sat, 31 Jan 2026 23:59:59 +0000");
    assert_string_equal(h.reply_to, "r@example.org");
    assert_string_equal(h.message_id, "<1@example.org>");
    assert_string_equal(h.references, "<0@example.org> <00@example.org>");
    assert_string_equal(h.list_id, "Grün <list.example.org>");
}

static void a_name_can_not_pose_as_an_address(void **state)
{
    struct message_headers h = PARSE(TRACE "From: =?utf-8?Q?a=40example.net=3E=2C_b?= <j@example.org>\n"
                                           "Reply-To: \"=?utf-8?Q?=22_=3Cx=40example.net=3E?=\" <r@example.org>\n\n");

    (void)state;
    assert_string_equal(h.from, "\"a@example.net>, b\" <j@example.org>");
    assert_string_equal(h.reply_to, "\"\\\" <x@example.net>\" <r@example.org>");
}

static void broken_addresses_are_kept_as_text(void **state)
{
    struct message_headers h = PARSE(TRACE "From: <<<>>>,,;:((\nTo: Gr\xfc\xdf"
                                           "e\nReply-To: undisclosed:;\n\n");

    (void)state;
    assert_string_equal(h.from, "<<<>>>,,;:((");
    assert_string_equal(h.to, "Grüße");
    assert_string_equal(h.reply_to, "undisclosed:;");
    h = PARSE(TRACE "To: Friends: a@example.org, B <b@example.org>;, c@example.org\n\n");
    assert_string_equal(h.to, "Friends: a@example.org, B <b@example.org>;, c@example.org");
}

static void control_characters_become_spaces(void **state)
{
    struct message_headers h = PARSE(TRACE "Subject: a\0b\tc\x1b"
                                           "d\x7f"
                                           "e\rf =?utf-8?Q?g=0D=0ABcc:=00h=C2=85i=E2=80=A8j?=\r\nFrom: \1\r\n\r\n");

    (void)state;
    assert_string_equal(h.from, "");
    assert_non_null(strstr(h.subject, "a b c d e f g"));
    for (const char *at = h.subject; *at != '\0'; at++)
        assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
    assert_null(strstr(h.subject, "\xc2\x85"));
    assert_null(strstr(h.subject, "\xe2\x80\xa8"));
}

static void long_texts_are_cut_between_characters(void **state)
{
    char storage[20000];
    struct buf message = buf_over(storage, sizeof storage);
    const struct message_headers *headers;

    (void)state;
    buf_put_text(&message, TRACE "Subject: x");
    for (int i = 0; i < 3000; i++)
        buf_put_text(&message, "ü");
    buf_put_text(&message, "\n\n");
    headers = parse(buf_span(&message));
    assert_int_equal(strlen(headers->subject), MESSAGE_TEXT_MAX - 1);
    assert_true(span_is_utf8(span_text(headers->subject)));
}

/* ---- where the headers end ---- */

static void what_is_no_header_ends_them(void **state)
{
    (void)state;
    assert_string_equal(PARSE(TRACE "hello\nSubject: x\n\n").subject, "");
    assert_string_equal(PARSE(TRACE "\nSubject: x\n").subject, "");
    assert_string_equal(PARSE(TRACE "\r\nSubject: x\n").subject, "");
    assert_string_equal(PARSE(TRACE ": y\nSubject: x\n").subject, "");
    assert_string_equal(PARSE(TRACE "a b: y\nSubject: x\n").subject, "");
    assert_string_equal(PARSE(TRACE "From a@example.org Sat Jan 31\nSubject: x\n").subject, "x");
    assert_string_equal(PARSE(TRACE "Subject: x").subject, "x");
    assert_string_equal(PARSE(TRACE "Subject:\nFrom:").subject, "");
    assert_string_equal(PARSE("").subject, "");
    assert_string_equal(PARSE("\n").subject, "");
    assert_string_equal(PARSE(" Subject: x\n").subject, "");
}

static void thousands_of_lines_are_read(void **state)
{
    static char storage[2 * FIELD_BLOCK_MAX];
    struct buf message = buf_over(storage, sizeof storage);
    const struct message_headers *headers;

    (void)state;
    buf_put_text(&message, TRACE "To: a@example.org");
    for (int i = 0; i < 1000; i++)
        buf_printf(&message, ",\n\t=?utf-8?Q?N=C3=BCmber_%d?= <a%d@example.org>", i, i);
    for (int i = 0; i < 1000; i++)
        buf_printf(&message, "\nX-Filler-%d: %d", i, i);
    buf_put_text(&message, "\nSubject: at the end\n\nbody");
    headers = parse(buf_span(&message));
    assert_string_equal(headers->subject, "at the end");
    assert_non_null(strstr(headers->to, "Nümber 7 <a7@example.org>"));
}

/* What lies beyond the cap is not read, and what lies before it is. */
static void the_block_is_capped(void **state)
{
    static char storage[2 * FIELD_BLOCK_MAX];
    struct buf message = buf_over(storage, sizeof storage);
    const struct message_headers *headers;

    (void)state;
    buf_put_text(&message, TRACE "Subject: early\nX-Filler: ");
    while (message.size < FIELD_BLOCK_MAX)
        buf_put_text(&message, "0123456789abcdef\n ");
    buf_put_text(&message, "\nFrom: late@example.org\n\n");
    headers = parse(buf_span(&message));
    assert_string_equal(headers->subject, "early");
    assert_string_equal(headers->from, "");
}

static void a_block_may_end_anywhere_in_a_read(void **state)
{
    static char storage[64 * 1024];

    (void)state;
    for (size_t shift = 16 * 1024 - 8; shift < 16 * 1024 + 4; shift++) {
        struct buf message = buf_over(storage, sizeof storage);

        buf_put_text(&message, "X: ");
        while (message.size < shift)
            buf_put_byte(&message, 'x');
        buf_put_text(&message, "\r\n\r\nSubject: body\n\n");
        assert_string_equal(parse(buf_span(&message))->subject, "");
    }
}

static void a_file_that_can_not_be_read_is_an_error(void **state)
{
    static struct message_headers headers;
    struct err err = {0};

    (void)state;
    assert_int_equal(headers_parse(-1, &headers, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
}

/* ---- no automatic reply ---- */

static void headers_forbid_replies(void **state)
{
    static const struct {
        const char *header;
        const char *reason;
    } rows[] = {
        {"Auto-Submitted: no", ""},
        {"Auto-Submitted: No (really)", ""},
        {"Auto-Submitted:", ""},
        {"Auto-Submitted: auto-replied", "Auto-Submitted is auto-replied"},
        {"auto-submitted: (c (d)) Auto-Generated; x=y", "Auto-Submitted is Auto-Generated"},
        {"Auto-Submitted:\n auto-notified", "Auto-Submitted is auto-notified"},
        {"Auto-Submitted: none", "Auto-Submitted is none"},
        {"Precedence: bulk", "Precedence is bulk"},
        {"Precedence: LIST", "Precedence is LIST"},
        {"precedence: junk", "Precedence is junk"},
        {"Precedence: first-class", ""},
        {"Precedence: bulky", ""},
        {"List-Id: <list.example.org>", "has a List-Id header"},
        {"List-Unsubscribe: <mailto:x@example.org>", "has a List-Unsubscribe header"},
        {"LIST-POST:", "has a LIST-POST header"},
        {"Listed: yes", ""},
        {"X-Auto-Response-Suppress: DR, OOF, AutoReply", "X-Auto-Response-Suppress is OOF"},
        {"X-Auto-Response-Suppress: All", "X-Auto-Response-Suppress is All"},
        {"X-Auto-Response-Suppress: DR, RN", ""},
        {"X-Autoreply: yes", "X-Autoreply is yes"},
        {"Content-Type: multipart/report; report-type=delivery-status", "Content-Type is multipart/report"},
        {"Content-Type: multipart/mixed", ""},
        {"Auto-Submitted: no\nAuto-Submitted: auto-replied", "Auto-Submitted is auto-replied"},
        {"Auto-Submitted: auto\x1b\xff!", "Auto-Submitted is auto?"
                                          "?!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char storage[512];
        struct buf message = buf_over(storage, sizeof storage);

        buf_printf(&message, TRACE "%s\n\nbody\n", rows[i].header);
        assert_string_equal(parse(buf_span(&message))->no_reply, rows[i].reason);
    }
}

/* ---- charsets ---- */

static void every_charset_is_open(void **state)
{
    const char *name;
    bool is_open;

    (void)state;
    for (size_t row = 0; (name = charset_name(row, &is_open)) != NULL; row++) {
        if (!is_open)
            print_message("no converter here for %s\n", name);
        assert_true(is_open);
    }
}

static void unknown_charsets_are_settled(void **state)
{
    static const char *const rows[][2] = {
        {"=?utf-8?Q?a?=", "=?utf-8?Q?a?="},
        {"x =?EBCDIC-US?Q?a?= y", "x =?x-none?Q?a?= y"},
        {"=?ebcdic-us*en?Q?a?=", "=?x-none*en?Q?a?="},
        {"=?=?ebcdic-us?Q?a?=", "=?=?x-none?Q?a?="},
        {"a=?ebcdic-us?Q?a?==?koi8-r?B?", "a=?x-none?Q?a?==?koi8-r?B?"},
        {"=? utf-8?Q?a?=", "=?x-none?Q?a?="},
        {"=??Q?a?=", "=?x-none?Q?a?="},
        {"=?ebcdic-us", "=?ebcdic-us"},
        {"=?windows-31j?Q?a?=", "=?cp932?Q?a?="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *settled = charset_settle(rows[i][0]);

        assert_string_equal(settled, rows[i][1]);
        free(settled);
    }
}

static int open_charsets(void **state)
{
    (void)state;
    return charset_open_all() == 0;
}

static int close_charsets(void **state)
{
    (void)state;
    charset_close_all();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subjects_are_decoded),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(a_name_can_not_pose_as_an_address),
        cmocka_unit_test(broken_addresses_are_kept_as_text),
        cmocka_unit_test(control_characters_become_spaces),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(what_is_no_header_ends_them),
        cmocka_unit_test(thousands_of_lines_are_read),
        cmocka_unit_test(the_block_is_capped),
        cmocka_unit_test(a_block_may_end_anywhere_in_a_read),
        cmocka_unit_test(a_file_that_can_not_be_read_is_an_error),
        cmocka_unit_test(headers_forbid_replies),
        cmocka_unit_test(every_charset_is_open),
        cmocka_unit_test(unknown_charsets_are_settled),
    };

    return cmocka_run_group_tests(tests, open_charsets, close_charsets);
}
