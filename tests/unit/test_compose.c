#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/mime/charset.h"
#include "processor/mime/compose.h"
#include "processor/mime/headers.h"
#include "tests/unit/support.h"

static const struct message_reply plain = {
    .from = "8ball@example.com",
    .to = "asker@example.org",
    .subject = "Will it rain?",
    .in_reply_to = "<1@example.org>",
    .references = "<0@example.org>",
    .date = "Sat, 31 Jan 2026 23:59:59 +0000",
    .message_id = "<reply.1@mail.example.com>",
};

static char written[4 * 1024 * 1024];

/* Gives compose_write()'s status; what it wrote is in `written`, as text. */
static int compose(const struct message_reply *reply, struct span body, struct err *err)
{
    int in = memfd_create("body", MFD_CLOEXEC);
    int out = memfd_create("reply", MFD_CLOEXEC);
    ssize_t size;
    int status;

    assert_true(in >= 0 && out >= 0);
    assert_int_equal(write(in, body.data, body.size), (ssize_t)body.size);
    *err = (struct err){0};
    status = compose_write(reply, in, out, err);
    size = pread(out, written, sizeof written - 1, 0);
    assert_true(size >= 0);
    written[size] = '\0';
    /* What is written can be read by our own parser, and never holds a CR or a NUL. */
    assert_int_equal(strlen(written), size);
    assert_null(strchr(written, '\r'));
    (void)close(in);
    (void)close(out);
    return status;
}

static void assert_composed(const struct message_reply *reply, struct span body)
{
    struct err err;

    if (compose(reply, body, &err) != 0)
        fail_msg("%s", err.text);
}

static void assert_has(const char *part)
{
    if (strstr(written, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, written);
}

static const struct message_headers *read_back(void)
{
    static struct message_headers headers;
    struct err err = {0};
    int fd = memfd_create("reply", MFD_CLOEXEC);

    assert_int_equal(write(fd, written, strlen(written)), (ssize_t)strlen(written));
    assert_int_equal(headers_parse(fd, &headers, &err), 0);
    (void)close(fd);
    return &headers;
}

/* Short texts into large fields. */
static void set(char *field, const char *text)
{
    memcpy(field, text, strlen(text) + 1);
}

/* ---- headers ---- */

static void a_reply_is_whole(void **state)
{
    (void)state;
    assert_composed(&plain, SPAN("Yes.\n"));
    assert_string_equal(written, "From: 8ball@example.com\n"
                                 "To: asker@example.org\n"
                                 "Subject: Re: Will it rain?\n"
                                 "Date: Sat, 31 Jan 2026 23:59:59 +0000\n"
                                 "Message-ID: <reply.1@mail.example.com>\n"
                                 "In-Reply-To: <1@example.org>\n"
                                 "References: <0@example.org> <1@example.org>\n"
                                 "Auto-Submitted: auto-replied\n"
                                 "MIME-Version: 1.0\n"
                                 "Content-Type: text/plain; charset=utf-8\n"
                                 "Content-Transfer-Encoding: 7bit\n"
                                 "\n"
                                 "Yes.\n");
}

static void subjects_are_answered(void **state)
{
    static const struct {
        const char *subject;
        const char *answered;
    } rows[] = {
        {"", "Re: your message"},
        {"re: x", "re: x"},
        {"RE: x", "RE: x"},
        {"Regarding x", "Re: Regarding x"},
        {"Grüße aus München?", "Re: Grüße aus München?"},
        {"Привет, 你好, Ωmega and a longer text after it so that the words must be folded somewhere",
         "Re: Привет, 你好, Ωmega and a longer text after it so that the words must be folded somewhere"},
        {"=?utf-8?Q?a=0AX-Evil:_b?=", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_reply reply = plain;

        (void)snprintf(reply.subject, sizeof reply.subject, "%s", rows[i].subject);
        assert_composed(&reply, SPAN("x"));
        if (rows[i].answered != NULL)
            assert_string_equal(read_back()->subject, rows[i].answered);
        for (const char *at = written; *at != '\0'; at++)
            assert_true((unsigned char)*at < 0x7f);
        assert_null(strstr(written, "\nX-Evil"));
    }
}

static void a_long_subject_is_folded(void **state)
{
    struct message_reply reply = plain;
    size_t line = 0;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof reply.subject; i += 2)
        memcpy(reply.subject + i, "ü", 3);
    assert_composed(&reply, SPAN("x"));
    for (const char *at = written; *at != '\0'; at++) {
        line = *at == '\n' ? 0 : line + 1;
        assert_true(line <= 998);
    }
    assert_true(strlen(read_back()->subject) > MESSAGE_TEXT_MAX - 8);
}

static void threads_are_continued(void **state)
{
    struct message_reply reply = plain;
    struct buf references = buf_over(reply.references, sizeof reply.references);

    (void)state;
    for (int i = 0; i < 200; i++)
        buf_printf(&references, "<%d@example.org> ", i);
    assert_composed(&reply, SPAN("x"));
    /* The first, which names the thread, and the last: those of the parent, and the parent. */
    assert_true(strncmp(read_back()->references, "<0@example.org> <182@example.org> ", 34) == 0);
    assert_non_null(strstr(read_back()->references, " <199@example.org> <1@example.org>"));
}

static void broken_ids_are_left_out(void **state)
{
    struct message_reply reply = plain;

    (void)state;
    set(reply.in_reply_to, "no id at all");
    set(reply.references, "<a b@example.org> <\xc3\xbc@example.org> <good@example.org> <unended@example.o");
    assert_composed(&reply, SPAN("x"));
    assert_null(strstr(written, "In-Reply-To"));
    assert_has("<good@example.org>");
    assert_null(strstr(written, "\xc3\xbc"));
    reply.references[0] = '\0';
    assert_composed(&reply, SPAN("x"));
    assert_null(strstr(written, "References"));
}

static void nothing_can_be_injected(void **state)
{
    static const size_t fields[] = {
        offsetof(struct message_reply, from),       offsetof(struct message_reply, to),
        offsetof(struct message_reply, subject),    offsetof(struct message_reply, in_reply_to),
        offsetof(struct message_reply, references), offsetof(struct message_reply, date),
        offsetof(struct message_reply, message_id),
    };
    static const char *const evil[] = {
        "\nBcc: x@example.net", "\r\nBcc: x@example.net", "\rBcc: x", "\x1b", "\x7f", "\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t j = 0; j < sizeof evil / sizeof evil[0]; j++) {
            struct message_reply reply = plain;
            char *field = (char *)&reply + fields[i];
            struct err err;

            set(field + strlen(field), evil[j]);
            assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
            assert_int_equal(err.kind, ERR_PERMANENT);
            assert_string_equal(written, "");
        }
    }
}

static void wrong_fields_are_refused(void **state)
{
    struct message_reply reply = plain;
    struct err err;

    (void)state;
    set(reply.to, "nobody");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
    set(reply.to, "a@example.org, b@example.org");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
    set(reply.to, "postmaster");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
    reply = plain;
    set(reply.message_id, "reply@example.com");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
    set(reply.message_id, "<>");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
    set(reply.message_id, "<a@b>c@d>");
    assert_int_equal(compose(&reply, SPAN("x"), &err), -1);
}

/* An address stays one address, whatever its quotes hold. */
static void strange_addresses_stay_one(void **state)
{
    static const char *const addresses[] = {"\"a, b\"@example.org", "\"x <y@example.net>\"@example.org",
                                            "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "jürgen@example.org"};

    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct message_reply reply = plain;
        char line[200];

        (void)snprintf(reply.to, sizeof reply.to, "%s", addresses[i]);
        (void)snprintf(line, sizeof line, "\nTo: %s\n", addresses[i]);
        assert_composed(&reply, SPAN("x"));
        assert_has(line);
    }
}

/* ---- bodies ---- */

static void bodies_are_encoded(void **state)
{
    static const struct {
        struct span body;
        const char *encoding;
        const char *written;
    } rows[] = {
        {{"", 0}, "7bit", ""},
        {{"no end", 6}, "7bit", "no end\n"},
        {{"a\r\nb\r\n", 6}, "7bit", "a\nb\n"},
        {{".\n..\n", 5}, "7bit", ".\n..\n"},
        {{"Gr\xc3\xbc\xc3\x9f\x65\n", 8}, "quoted-printable", "Gr=C3=BC=C3=9Fe\n"},
        {{"Gr\xfc\xdf\x65\n", 6}, "quoted-printable", "Gr=EF=BF=BD=EF=BF=BDe\n"},
        {{"a\0b\n", 4}, "quoted-printable", "a=EF=BF=BDb\n"},
        {{"\xd0\x9f\xd1\x80\xd0\xb8\n", 7}, "quoted-printable", "=D0=9F=D1=80=D0=B8\n"},
        {{"half \xc3", 6}, "quoted-printable", "half =EF=BF=BD\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char end[100];

        assert_composed(&plain, rows[i].body);
        (void)snprintf(end, sizeof end, "Content-Transfer-Encoding: %s\n\n%s", rows[i].encoding, rows[i].written);
        assert_has(end);
        assert_string_equal(strstr(written, "\n\n") + 2, rows[i].written);
    }
}

static void long_lines_are_broken(void **state)
{
    static char body[3000];

    (void)state;
    memset(body, 'x', sizeof body);
    assert_composed(&plain, (struct span){body, sizeof body});
    assert_has("quoted-printable");
    assert_has("=\nxx");
}

static void a_large_body_passes(void **state)
{
    static char body[3 * 1024 * 1024];

    (void)state;
    memset(body, 'x', sizeof body);
    for (size_t i = 70; i < sizeof body; i += 71)
        body[i] = '\n';
    assert_composed(&plain, (struct span){body, sizeof body});
    assert_true(strlen(written) >= sizeof body);
}

static void a_huge_body_is_refused(void **state)
{
    struct err err = {0};
    int in = memfd_create("body", MFD_CLOEXEC);
    int out = memfd_create("reply", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(in, COMPOSE_BODY_MAX + 1), 0);
    assert_int_equal(compose_write(&plain, in, out, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_int_equal(lseek(out, 0, SEEK_END), 0);
    (void)close(in);
    (void)close(out);
}

static void failures_are_reported(void **state)
{
    struct err err = {0};
    int in = memfd_create("body", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(compose_write(&plain, -1, in, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(compose_write(&plain, in, -1, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    (void)close(in);
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
        cmocka_unit_test(a_reply_is_whole),         cmocka_unit_test(subjects_are_answered),
        cmocka_unit_test(a_long_subject_is_folded), cmocka_unit_test(threads_are_continued),
        cmocka_unit_test(broken_ids_are_left_out),  cmocka_unit_test(nothing_can_be_injected),
        cmocka_unit_test(wrong_fields_are_refused), cmocka_unit_test(strange_addresses_stay_one),
        cmocka_unit_test(bodies_are_encoded),       cmocka_unit_test(long_lines_are_broken),
        cmocka_unit_test(a_large_body_passes),      cmocka_unit_test(a_huge_body_is_refused),
        cmocka_unit_test(failures_are_reported),
    };

    return cmocka_run_group_tests(tests, open_charsets, close_charsets);
}
