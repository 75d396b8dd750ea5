/* Headers that need no decoding, and those that are left to GMime. That both read alike is fuzz_plain's to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/headers/plain.h"
#include "tests/unit/support.h"

static const struct {
    enum reading reading;
    const char *value;
    const char *kept; /* NULL: it is not plain */
} values[] = {
    {READ_TEXT, "", ""},
    {READ_TEXT, " a  subject\t", "a  subject"},
    {READ_TEXT, " folded\n\tonce\r\n twice", "folded once twice"},
    {READ_TEXT, " what? 1=1 (so)", "what? 1=1 (so)"},
    {READ_TEXT, " =?utf-8?Q?x?=", NULL},
    {READ_TEXT, " x=?", NULL},
    {READ_TEXT, " Gr\xc3\xbcn", NULL},
    {READ_TEXT, " a\rb", NULL},
    {READ_TEXT, " a\x7f", NULL},
    {READ_TEXT, " a\x01", NULL},
    {READ_RAW, " <1@example.org>\n <2@example.org>", "<1@example.org> <2@example.org>"},
    {READ_RAW, " <=?utf-8?Q?x?=@example.org>", "<=?utf-8?Q?x?=@example.org>"},
    {READ_ADDRESSES, " a@example.org", "a@example.org"},
    {READ_ADDRESSES, " <a@example.org>", "a@example.org"},
    {READ_ADDRESSES, " A B <a.b+c@sub.example.org>", "A B <a.b+c@sub.example.org>"},
    {READ_ADDRESSES, " \"A B\" <a@example.org>", "A B <a@example.org>"},
    {READ_ADDRESSES, " \"B, A.\" <a@example.org>", "\"B, A.\" <a@example.org>"},
    {READ_ADDRESSES, " a@example.org,B <b@example.org> ,\n\t<c@example.org>",
     "a@example.org, B <b@example.org>, c@example.org"},
    {READ_ADDRESSES, " nobody", "nobody"},
    {READ_ADDRESSES, " A. B <a@example.org>", NULL},
    {READ_ADDRESSES, " A  B <a@example.org>", NULL},
    {READ_ADDRESSES, " A<a@example.org>", NULL},
    {READ_ADDRESSES, " \" A\" <a@example.org>", NULL},
    {READ_ADDRESSES, " \"\" <a@example.org>", NULL},
    {READ_ADDRESSES, " \"A\\\"\" <a@example.org>", NULL},
    {READ_ADDRESSES, " \"A <a@example.org>", NULL},
    {READ_ADDRESSES, " A <a@example.org", NULL},
    {READ_ADDRESSES, " a@example.org (comment)", NULL},
    {READ_ADDRESSES, " a@example.org,", NULL},
    {READ_ADDRESSES, " ,a@example.org", NULL},
    {READ_ADDRESSES, " a@example.org; b@example.org", NULL},
    {READ_ADDRESSES, " group: a@example.org;", NULL},
    {READ_ADDRESSES, " a@[192.0.2.1]", NULL},
    {READ_ADDRESSES, " a@example.org.", NULL},
    {READ_ADDRESSES, " a..b@example.org", NULL},
    {READ_ADDRESSES, " a@xn--bcher-kva.example", NULL},
    {READ_ADDRESSES, " =?utf-8?Q?x?= <a@example.org>", NULL},
};

static void plain_values_are_kept_and_others_left(void **state)
{
    char kept[MESSAGE_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        bool is_plain = plain_value(NULL, values[i].reading, span_text(values[i].value), kept);

        if (is_plain != (values[i].kept != NULL))
            fail_msg("%s: plain: %d", values[i].value, is_plain);
        if (is_plain)
            assert_string_equal(kept, values[i].kept);
    }
}

static void what_does_not_fit_is_left(void **state)
{
    static char text[3 * MESSAGE_TEXT_SIZE];
    static char blank[16 * 1024 + 1];
    char kept[MESSAGE_TEXT_SIZE];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_true(plain_value(NULL, READ_TEXT, (struct span){text, MESSAGE_TEXT_MAX}, kept));
    assert_int_equal(strlen(kept), MESSAGE_TEXT_MAX);
    assert_false(plain_value(NULL, READ_TEXT, (struct span){text, MESSAGE_TEXT_MAX + 1}, kept));
    memset(blank, ' ', sizeof blank - 1);
    blank[sizeof blank - 1] = 'a';
    assert_true(plain_value(NULL, READ_TEXT, (struct span){blank + sizeof blank - 16384, 16384}, kept));
    assert_string_equal(kept, "a");
    assert_false(plain_value(NULL, READ_TEXT, (struct span){blank, sizeof blank}, kept));
    /* It grows by the spaces behind its commas. */
    for (size_t i = 0; i + 4 <= MESSAGE_TEXT_MAX; i += 4)
        memcpy(text + i, "a@b,", 4);
    assert_false(plain_value(NULL, READ_ADDRESSES, (struct span){text, MESSAGE_TEXT_MAX - 1}, kept));
    assert_true(plain_value(NULL, READ_ADDRESSES, (struct span){text, 399}, kept));
    assert_int_equal(strlen(kept), 498);
}

static int read_block(const char *message, struct message_headers *headers)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    struct err err = {0};
    int status;

    assert_int_equal(write(fd, message, strlen(message)), (ssize_t)strlen(message));
    *headers = (struct message_headers){0};
    status = block_read(fd, plain_value, NULL, headers, &err);
    (void)close(fd);
    return status;
}

static void one_value_decides_for_all(void **state)
{
    static struct message_headers headers;

    (void)state;
    assert_int_equal(
        read_block("Subject: a\nsubject: b\nX-Other: \xfc\nAuto-Submitted: auto-replied\n\nSubject: c\n", &headers),
        1);
    assert_string_equal(headers.subject, "a");
    assert_string_equal(headers.no_reply, "Auto-Submitted is auto-replied");
    assert_int_equal(read_block("Subject: a\nFrom: \xfc\n\n", &headers), 0);
    /* Of the same name the first counts. */
    assert_int_equal(read_block("Subject: a\nSubject: \xfc\n\n", &headers), 1);
    assert_int_equal(read_block("", &headers), 1);
    assert_string_equal(headers.subject, "");
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    static struct message_headers headers;
    struct err err = {0};

    (void)state;
    assert_int_equal(block_read(-1, plain_value, NULL, &headers, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_are_kept_and_others_left),
        cmocka_unit_test(what_does_not_fit_is_left),
        cmocka_unit_test(one_value_decides_for_all),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
