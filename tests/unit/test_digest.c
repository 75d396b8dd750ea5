/* By what two copies of a message are known for the same, and by what they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/mime/digest.h"
#include "tests/unit/support.h"

#define CONTENT "Subject: hello\nTo: a@example.com,\n\tb@example.com\nMessage-ID: <1@example.org>\n\nReceived: text\n"

static const char *digest_of(struct span content)
{
    static char digests[4][MESSAGE_DIGEST_SIZE];
    static unsigned turn;
    char *digest = digests[turn++ % 4];
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.size), (ssize_t)content.size);
    assert_int_equal(digest_make(fd, digest, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)content.size);
    (void)close(fd);
    return digest;
}

static void it_is_sha_256(void **state)
{
    (void)state;
    assert_string_equal(digest_of(SPAN("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(digest_of(SPAN("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* Nothing but trace: the empty line is what is left. */
    assert_string_equal(digest_of(SPAN("Received: x\n\n")), digest_of(SPAN("\n")));
}

static void the_way_does_not_count(void **state)
{
    const struct span ways[] = {
        SPAN(
            "Return-Path: <asker@example.org>\nX-Original-To: 8ball@example.com\n"
            "Received: from client.example.org ([192.0.2.1])\n\tby mail.example.com with ESMTP id 06DK3T9Q2B7XH0VA;\n"
            "\tSat, 31 Jan 2026 23:59:59 +0000\n" CONTENT),
        SPAN("RECEIVED : x\n y\n z\nDelivered-To: a\nx-received: b\nReceived-SPF: pass\n"
             "DKIM-Signature: v=1;\n b=abc\nARC-Seal: i=1\nARC-Message-Signature: a\nARC-Authentication-Results: b\n"
             "Authentication-Results: c\nEnvelope-To: d\nX-Envelope-To: e\nX-Envelope-From: f\n"
             "DomainKey-Signature: g\n" CONTENT),
        SPAN("Subject: hello\nReceived: in between\nTo: a@example.com,\n\tb@example.com\nReturn-Path:\n"
             "Message-ID: <1@example.org>\nReceived:\n\n"
             "Received: text\n"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        assert_string_equal(digest_of(ways[i]), digest_of(SPAN(CONTENT)));
}

static void all_else_does(void **state)
{
    const struct span others[] = {
        SPAN("Subject: hellO\nTo: a@example.com,\n\tb@example.com\nMessage-ID: <1@example.org>\n\nReceived: text\n"),
        SPAN("Subject: hello\nTo: a@example.com,\n b@example.com\nMessage-ID: <1@example.org>\n\nReceived: text\n"),
        SPAN("Subject: hello\nTo: a@example.com,\n\tb@example.com\nMessage-ID: <2@example.org>\n\nReceived: text\n"),
        SPAN("Subject: hello\nTo: a@example.com,\n\tb@example.com\nMessage-ID: <1@example.org>\n\nReceived: Text\n"),
        SPAN("Subject: hello\nTo: a@example.com,\n\tb@example.com\nMessage-ID: <1@example.org>\n\n"),
        SPAN("X-Received-By: a\n" CONTENT),
        SPAN("Received\n" CONTENT),
        SPAN(CONTENT "\n"),
        SPAN(CONTENT "\0"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_not_equal(digest_of(others[i]), digest_of(SPAN(CONTENT)));
}

/* A name that is cut at the end of the file, or too long for one, is content. */
static void odd_names_count(void **state)
{
    (void)state;
    assert_string_not_equal(digest_of(SPAN("Subject: a\nRecei")), digest_of(SPAN("Subject: a\n")));
    assert_string_not_equal(digest_of(SPAN("Received")), digest_of(SPAN("")));
    assert_string_not_equal(
        digest_of(SPAN("a-name-that-is-longer-than-any-that-is-known-and-has-no-end-in-sight-1: x\n")),
        digest_of(SPAN("a-name-that-is-longer-than-any-that-is-known-and-has-no-end-in-sight-2: x\n")));
}

/* Wherever the parts in which it is read meet. */
static void parts_make_no_difference(void **state)
{
    enum { SIZE = 70000 };
    static char text[SIZE];
    const size_t size = 65536 - 40; /* of the subject: the part that is read first ends behind it */

    (void)state;
    memset(text, 'x', SIZE);
    memcpy(text, "Subject: ", 9);
    for (unsigned shift = 0; shift < 60; shift++) {
        char bare[MESSAGE_DIGEST_SIZE];
        struct buf message = buf_over(text, SIZE);

        message.size = size + shift;
        buf_put_text(&message, "\n\nbody\n");
        memcpy(bare, digest_of(buf_span(&message)), sizeof bare);
        message.size = size + shift;
        buf_put_text(&message, "\nReceived: from a\n by b\n\nbody\n");
        assert_string_equal(digest_of(buf_span(&message)), bare);
        memset(text + size, 'x', SIZE - size);
    }
}

static void too_large_a_message_has_none(void **state)
{
    char digest[MESSAGE_DIGEST_SIZE];
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, DIGEST_MESSAGE_MAX + 1), 0);
    assert_int_equal(digest_make(fd, digest, &err), 0);
    assert_string_equal(digest, "");
    (void)close(fd);
}

static void what_can_t_be_read_is_an_error(void **state)
{
    char digest[MESSAGE_DIGEST_SIZE];
    struct err err = {0};

    (void)state;
    assert_int_equal(digest_make(-1, digest, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_string_equal(digest, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_sha_256),
        cmocka_unit_test(the_way_does_not_count),
        cmocka_unit_test(all_else_does),
        cmocka_unit_test(odd_names_count),
        cmocka_unit_test(parts_make_no_difference),
        cmocka_unit_test(too_large_a_message_has_none),
        cmocka_unit_test(what_can_t_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
