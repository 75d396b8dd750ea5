#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/envelope.h"
#include "tests/unit/support.h"

static const char hostname[] = "mail.example.com";
static char trace_storage[ENVELOPE_TRACE_MAX];

/* ---- building and comparing ---- */

static struct address address(const char *text)
{
    struct address address = {0};
    struct err err = {0};

    if (*text != '\0' && address_parse(&address, span_text(text), &err) != 0)
        fail_msg("%s", err.text);
    return address;
}

static void add(struct envelope *envelope, const char *recipient)
{
    struct address parsed = address(recipient);
    struct err err = {0};

    assert_int_equal(envelope_add_recipient(envelope, &parsed, &err), 0);
}

static void set(char *field, size_t size, const char *text)
{
    struct buf buf = buf_over(field, size);

    buf_put_text(&buf, text);
    assert_false(buf.overflowed);
}

/* A whole envelope but for its recipients. */
static struct envelope envelope_of(const char *sender, const char *client, const char *tls)
{
    struct envelope envelope = {.sender = address(sender)};

    id_make(1769903999123, 0x123456789, envelope.id);
    set(envelope.client_address, sizeof envelope.client_address, client);
    set(envelope.client_helo, sizeof envelope.client_helo, "client.example.org");
    set(envelope.client_protocol, sizeof envelope.client_protocol, "ESMTP");
    set(envelope.tls, sizeof envelope.tls, tls);
    return envelope;
}

static void assert_same(const struct envelope *a, const struct envelope *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->sender.text, b->sender.text);
    assert_int_equal(a->sender.local_size, b->sender.local_size);
    assert_int_equal(a->recipient_count, b->recipient_count);
    for (size_t i = 0; i < a->recipient_count; i++) {
        assert_string_equal(a->recipients[i].text, b->recipients[i].text);
        assert_int_equal(a->recipients[i].local_size, b->recipients[i].local_size);
    }
    assert_string_equal(a->client_address, b->client_address);
    assert_string_equal(a->client_helo, b->client_helo);
    assert_string_equal(a->client_protocol, b->client_protocol);
    assert_string_equal(a->tls, b->tls);
}

static struct span trace_of(const struct envelope *envelope)
{
    struct buf trace = buf_over(trace_storage, sizeof trace_storage);

    envelope_write_trace(envelope, hostname, &trace);
    assert_false(trace.overflowed);
    return buf_span(&trace);
}

/* Written, and read from a copy that ends where the block does. */
static void assert_round_trip(const struct envelope *envelope)
{
    struct span trace = trace_of(envelope);
    char *copy = malloc(trace.size);
    struct envelope again = {0};
    struct err err = {0};
    size_t size = 0;

    assert_non_null(copy);
    memcpy(copy, trace.data, trace.size);
    if (envelope_read_trace(&again, (struct span){copy, trace.size}, &size, &err) != 0)
        fail_msg("%s in\n%s", err.text, trace.data);
    assert_int_equal(size, trace.size);
    assert_same(envelope, &again);
    assert_true(envelope_received_ms(&again) == envelope_received_ms(envelope));
    envelope_free(&again);
    free(copy);
}

static void assert_refused(struct span head)
{
    struct envelope envelope = {0};
    struct err err = {0};
    size_t size = 77;

    if (envelope_read_trace(&envelope, head, &size, &err) == 0)
        fail_msg("not refused:\n%.*s", (int)head.size, head.data);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_null(envelope.recipients);
    assert_int_equal(size, 77);
}

/* ---- recipients ---- */

static void a_recipient_is_added_once(void **state)
{
    struct envelope envelope = {0};

    (void)state;
    add(&envelope, "a@example.com");
    add(&envelope, "b@example.com");
    add(&envelope, "A@EXAMPLE.com");
    add(&envelope, "\"a\"@example.com");
    assert_int_equal(envelope.recipient_count, 2);
    assert_string_equal(envelope.recipients[0].text, "a@example.com");
    assert_string_equal(envelope.recipients[1].text, "b@example.com");
    envelope_free(&envelope);
    assert_null(envelope.recipients);
    envelope_free(&envelope);
}

static void add_many(struct envelope *envelope, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[64];
        struct buf buf = buf_over(text, sizeof text);

        buf_printf(&buf, "user%zu@example.com", i);
        add(envelope, text);
    }
}

static void a_thousand_recipients_and_no_more(void **state)
{
    struct envelope envelope = envelope_of("", "192.0.2.1", "");
    struct address one_more = address("more@example.com");
    struct address first = address("user0@example.com");
    struct err err = {0};

    (void)state;
    add_many(&envelope, ENVELOPE_RECIPIENTS_MAX);
    assert_round_trip(&envelope);
    assert_int_equal(envelope_add_recipient(&envelope, &first, &err), 0);
    assert_int_equal(envelope_add_recipient(&envelope, &one_more, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(envelope.recipient_count, ENVELOPE_RECIPIENTS_MAX);
    envelope_free(&envelope);
}

/* No program wrote such a block: it is damaged, and trying again will not help. */
static void a_block_with_more_is_refused(void **state)
{
    struct buf block = buf_over(trace_storage, sizeof trace_storage);

    (void)state;
    buf_put_text(&block, "Return-Path: <>\n");
    for (size_t i = 0; i <= ENVELOPE_RECIPIENTS_MAX; i++)
        buf_printf(&block, "X-Original-To: user%zu@example.com\n", i);
    buf_put_text(&block, "Received: from client.example.org ([192.0.2.1])\n\tby mail.example.com with ESMTP id "
                         "06DK3T9Q2B7XH0VA;\n\tSat, 31 Jan 2026 23:59:59 +0000\n");
    assert_refused(buf_span(&block));
}

/* ---- the written form ---- */

static void the_block_as_documented(void **state)
{
    struct envelope envelope = envelope_of("asker@example.org", "192.0.2.1", "");
    struct span trace;

    (void)state;
    add(&envelope, "8ball@example.com");
    add(&envelope, "\"two words\"@example.com");
    trace = trace_of(&envelope);
    assert_string_equal(trace.data, "Return-Path: <asker@example.org>\n"
                                    "X-Original-To: 8ball@example.com\n"
                                    "X-Original-To: \"two words\"@example.com\n"
                                    "Received: from client.example.org ([192.0.2.1])\n"
                                    "\tby mail.example.com with ESMTP id 1KGB7ZJ4K4HMASW9;\n"
                                    "\tSat, 31 Jan 2026 23:59:59 +0000\n");
    envelope_free(&envelope);
    envelope = envelope_of("", "2001:db8::1", "TLSv1.3 TLS_AES_256_GCM_SHA384");
    add(&envelope, "postmaster");
    trace = trace_of(&envelope);
    assert_string_equal(trace.data, "Return-Path: <>\n"
                                    "X-Original-To: postmaster\n"
                                    "Received: from client.example.org ([IPv6:2001:db8::1])\n"
                                    "\tby mail.example.com with ESMTP id 1KGB7ZJ4K4HMASW9"
                                    " (TLSv1.3 TLS_AES_256_GCM_SHA384);\n"
                                    "\tSat, 31 Jan 2026 23:59:59 +0000\n");
    assert_round_trip(&envelope);
    envelope_free(&envelope);
    envelope = envelope_of("", "local", "");
    add(&envelope, "a@[192.0.2.7]");
    assert_non_null(strstr(trace_of(&envelope).data, "Received: from client.example.org (local)\n"));
    assert_round_trip(&envelope);
    envelope_free(&envelope);
}

static void the_time_of_receipt_is_the_ids(void **state)
{
    struct envelope envelope = envelope_of("", "local", "");

    (void)state;
    assert_true(envelope_received_ms(&envelope) == 1769903999123);
}

static void fill(char *field, size_t size, char byte)
{
    memset(field, byte, size - 1);
    field[size - 1] = '\0';
}

/* "aaa...@bbb....ccc": as long as an address may be, each octet of the local part escaped. */
static struct address longest_address(unsigned number)
{
    char local[ADDRESS_LOCAL_MAX];
    char domain[ADDRESS_DOMAIN_MAX];
    struct address longest;
    struct err err = {0};

    memset(local, '"', sizeof local);
    for (size_t i = 0; i < 10; i++, number /= 2)
        local[i] = number % 2 == 0 ? '"' : '\\';
    memset(domain, 'd', sizeof domain);
    for (size_t i = 63; i < sizeof domain; i += 64)
        domain[i] = '.';
    assert_int_equal(
        address_build(&longest, (struct span){local, sizeof local}, (struct span){domain, sizeof domain}, &err), 0);
    assert_int_equal(strlen(longest.text), ADDRESS_SIZE - 1);
    return longest;
}

static void the_largest_block_fits_its_constant(void **state)
{
    struct envelope envelope = {.sender = longest_address(0)};
    struct buf trace = buf_over(trace_storage, sizeof trace_storage);
    char longest_hostname[ADDRESS_DOMAIN_MAX + 1];
    struct envelope again = {0};
    struct err err = {0};
    size_t size = 0;

    (void)state;
    id_make(INT64_MAX, UINT64_MAX, envelope.id);
    fill(envelope.client_address, sizeof envelope.client_address, ':');
    fill(envelope.client_helo, sizeof envelope.client_helo, 'h');
    fill(envelope.client_protocol, sizeof envelope.client_protocol, 'P');
    fill(envelope.tls, sizeof envelope.tls, 'T');
    fill(longest_hostname, sizeof longest_hostname, 'n');
    for (unsigned i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++) {
        struct address recipient = longest_address(i);

        assert_int_equal(envelope_add_recipient(&envelope, &recipient, &err), 0);
    }
    assert_int_equal(envelope.recipient_count, ENVELOPE_RECIPIENTS_MAX);
    envelope_write_trace(&envelope, longest_hostname, &trace);
    assert_false(trace.overflowed);
    assert_int_equal(envelope_read_trace(&again, buf_span(&trace), &size, &err), 0);
    assert_int_equal(size, trace.size);
    assert_same(&envelope, &again);
    envelope_free(&envelope);
    envelope_free(&again);
}

/* ---- any envelope is read as it was written ---- */

static struct address random_address(unsigned *seed)
{
    static const char *const domains[] = {"example.com",         "a.b.c.example.org",      "[192.0.2.77]",
                                          "[IPv6:2001:db8::25]", "m\xC3\xBCnchen.example", "x--y.example.net",
                                          "_x.example.com"};
    static const char specials[] = "<>()[]:;@\\,\" .=%!+-'\xC3\xBC";
    char local[ADDRESS_LOCAL_MAX];
    struct address address;
    struct err err = {0};

    do {
        size_t size = 1 + support_random(seed, ADDRESS_LOCAL_MAX);
        const char *domain = domains[support_random(seed, sizeof domains / sizeof domains[0])];

        for (size_t i = 0; i < size; i++)
            local[i] = support_random(seed, 3) == 0 ? specials[support_random(seed, sizeof specials - 1)]
                                                    : (char)(' ' + support_random(seed, 95));
        if (support_random(seed, 8) == 0)
            size = 1; /* often the shortest */
        if (address_build(&address, (struct span){local, size}, span_text(domain), &err) == 0)
            return address;
    } while (true); /* half a UTF-8 sequence: once more */
}

static void random_text(unsigned *seed, const char *alphabet, char *field, size_t size)
{
    size_t used = 1 + support_random(seed, (unsigned)size - 1);

    for (size_t i = 0; i < used; i++)
        field[i] = alphabet[support_random(seed, (unsigned)strlen(alphabet))];
    field[used] = '\0';
}

static void random_client(unsigned *seed, struct envelope *envelope)
{
    static const char *const clients[] = {"local", "192.0.2.1",   "203.0.113.255",
                                          "::1",   "2001:db8::1", "2001:db8:1234:5678:9abc:def0:1234:5678",
                                          "::",    "fe80::1",     "::ffff:198.51.100.7"};
    static const char *const protocols[] = {"SMTP", "ESMTP", "ESMTPS", "UTF8SMTP", "UTF8SMTPS"};

    set(envelope->client_address, sizeof envelope->client_address,
        clients[support_random(seed, sizeof clients / sizeof clients[0])]);
    set(envelope->client_protocol, sizeof envelope->client_protocol,
        protocols[support_random(seed, sizeof protocols / sizeof protocols[0])]);
    do
        random_text(seed, "abcXYZ019.-_:[]\xC3\xBC", envelope->client_helo, sizeof envelope->client_helo);
    while (!envelope_helo_is_valid(span_text(envelope->client_helo)));
    envelope->tls[0] = '\0';
    if (support_random(seed, 2) == 0)
        random_text(seed, "TLSv1.3 _AES()256;:id with by", envelope->tls, sizeof envelope->tls);
}

static void any_envelope_comes_back(void **state)
{
    unsigned seed = 20260131;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        unsigned recipients = 1 + support_random(&seed, round % 100 == 0 ? 200 : 5);
        struct envelope envelope = {0};
        struct err err = {0};

        if (support_random(&seed, 5) != 0)
            envelope.sender = random_address(&seed);
        id_make((int64_t)support_random(&seed, 1U << 20) << support_random(&seed, 26),
                ((uint64_t)support_random(&seed, 1U << 18) << 17) | support_random(&seed, 1U << 17), envelope.id);
        random_client(&seed, &envelope);
        for (unsigned i = 0; i < recipients; i++) {
            struct address recipient = random_address(&seed);

            assert_int_equal(envelope_add_recipient(&envelope, &recipient, &err), 0);
        }
        assert_round_trip(&envelope);
        envelope_free(&envelope);
    }
}

/* ---- whose word it is ---- */

static void what_the_sender_wrote_below_is_not_taken(void **state)
{
    struct envelope envelope = envelope_of("asker@example.org", "192.0.2.1", "");
    struct envelope again = {0};
    struct buf file = buf_over(trace_storage, sizeof trace_storage);
    struct err err = {0};
    size_t trace_size;
    size_t size = 0;

    (void)state;
    add(&envelope, "8ball@example.com");
    envelope_write_trace(&envelope, hostname, &file);
    trace_size = file.size;
    buf_put_text(&file, "X-Original-To: root@example.com\n"
                        "Return-Path: <boss@example.com>\n"
                        "Received: from evil.example.net ([198.51.100.1])\n"
                        "\tby mail.example.com with ESMTP id ZZZZZZZZZZZZZZZZ;\n"
                        "\tSat, 31 Jan 2026 23:59:59 +0000\n"
                        "\tX-Original-To: folded@example.com\n"
                        "\nX-Original-To: body@example.com\n");
    assert_int_equal(envelope_read_trace(&again, buf_span(&file), &size, &err), 0);
    assert_int_equal(size, trace_size);
    assert_same(&envelope, &again);
    envelope_free(&envelope);
    envelope_free(&again);
}

/* ---- damage ---- */

static void every_truncation_is_refused(void **state)
{
    struct envelope envelope = envelope_of("\"a>b c\"@example.org", "2001:db8::1", "TLSv1.3 TLS_AES_128_GCM_SHA256");
    struct span trace;

    (void)state;
    add(&envelope, "8ball@example.com");
    add(&envelope, "\"x y\"@example.com");
    trace = trace_of(&envelope);
    for (size_t size = 0; size < trace.size; size++) {
        char *copy = malloc(size + 1);

        assert_non_null(copy);
        memcpy(copy, trace.data, size);
        assert_refused((struct span){copy, size});
        free(copy);
    }
    envelope_free(&envelope);
}

#define BLOCK(sender, recipients, received)                                                                          \
    SPAN("Return-Path: <" sender ">\n" recipients "Received: from " received "\n\tSat, 31 Jan 2026 23:59:59 "        \
         "+0000\n")
#define TO "X-Original-To: a@example.com\n"
#define FROM_HELO "client.example.org"
#define BY "\n\tby mail.example.com with ESMTP id "
#define ID "06DK3T9Q2B7XH0VA"

static void a_good_block_for_the_bad_ones(void **state)
{
    const struct span good[] = {
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ([IPv6:2001:db8::1])" BY ID " (TLSv1.3 X);"),
        BLOCK("b@example.com", TO TO "X-Original-To: c@example.com\n", FROM_HELO " (local)" BY ID ";"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct envelope envelope = {0};
        struct err err = {0};
        size_t size = 0;

        assert_int_equal(envelope_read_trace(&envelope, good[i], &size, &err), 0);
        assert_int_equal(size, good[i].size);
        assert_round_trip(&envelope);
        envelope_free(&envelope);
    }
}

static void damaged_blocks_are_refused(void **state)
{
    const struct span bad[] = {
        SPAN(""),
        SPAN("Subject: hello\n\nno block at all\n"),
        SPAN("\n"),
        BLOCK("", "", FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("a@example.com>\n<", TO, FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("not an address", TO, FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("a\0@example.com", TO, FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", "X-Original-To: \n", FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", "X-Original-To: a@example.com\r\n", FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", "X-Original-To: a@\n", FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO "\n", FROM_HELO " ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO, "a\0b ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO, FROM_HELO BY ID ";"),
        BLOCK("", TO, FROM_HELO " [192.0.2.1]" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1)" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ([[a])" BY ID ";"),
        BLOCK("", TO, FROM_HELO " (a b)" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ()" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ([IPv6:])" BY ID ";"),
        BLOCK("", TO, " ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO, "a;b ([192.0.2.1])" BY ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])\n\tby mail.example.com with  id " ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY "06DK3T9Q2B7XH0V;"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY "06dk3t9q2b7xh0va;"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID "X;"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID " (TLS;"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID " (;"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID " TLS);"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID " (TLS\nSubject: x);"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])" BY ID " (TLS\0);"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])\n\tby mail.example.com\nSubject: x with ESMTP id " ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])\n\tby mail.example.com id " ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])\n\tby mail.example.com with TOO-LONG-PROTOCOL id " ID ";"),
        BLOCK("", TO, FROM_HELO " ([192.0.2.1])\n\tby mail.example.com\n\twith ESMTP id " ID ";"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bad[i]);
}

/* ---- HELO ---- */

static void names_that_may_stand_in_helo(void **state)
{
    char longest[ENVELOPE_HELO_SIZE];
    const struct span bad[] = {SPAN(""),     SPAN("a b"),  SPAN("a\0"),   SPAN("a\nb"), SPAN("a\tb"), SPAN("a(b)"),
                               SPAN("a;b"),  SPAN("<a>"),  SPAN("a\""),   SPAN("a@b"),  SPAN("a\\"),  SPAN("a=b"),
                               SPAN("\xFF"), SPAN("\xC3"), SPAN("a\x7F"), SPAN("a,b"),  SPAN("a/b")};

    (void)state;
    memset(longest, 'a', sizeof longest);
    assert_true(envelope_helo_is_valid((struct span){longest, sizeof longest - 1}));
    assert_false(envelope_helo_is_valid((struct span){longest, sizeof longest}));
    assert_true(envelope_helo_is_valid(SPAN("client-1.example.org")));
    assert_true(envelope_helo_is_valid(SPAN("[192.0.2.1]")));
    assert_true(envelope_helo_is_valid(SPAN("[IPv6:2001:db8::1]")));
    assert_true(envelope_helo_is_valid(SPAN("my_PC")));
    assert_true(envelope_helo_is_valid(SPAN("m\xC3\xBCnchen.example")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(envelope_helo_is_valid(bad[i]));
    for (int byte = 0; byte < 0x80; byte++) {
        char text[] = {'a', (char)byte, 'b'};
        bool valid = (byte != 0 && strchr(".-_:[]", byte) != NULL) || (byte >= '0' && byte <= '9') ||
                     (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        assert_int_equal(envelope_helo_is_valid((struct span){text, sizeof text}), valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recipient_is_added_once),      cmocka_unit_test(a_thousand_recipients_and_no_more),
        cmocka_unit_test(a_block_with_more_is_refused),   cmocka_unit_test(the_block_as_documented),
        cmocka_unit_test(the_time_of_receipt_is_the_ids), cmocka_unit_test(the_largest_block_fits_its_constant),
        cmocka_unit_test(any_envelope_comes_back),        cmocka_unit_test(what_the_sender_wrote_below_is_not_taken),
        cmocka_unit_test(every_truncation_is_refused),    cmocka_unit_test(a_good_block_for_the_bad_ones),
        cmocka_unit_test(damaged_blocks_are_refused),     cmocka_unit_test(names_that_may_stand_in_helo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
