/*
 * The parser of the PROXY header: what is right, each way of being wrong, and that it makes no difference how the
 * bytes are cut into reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "receiver/proxy.h"
#include "tests/unit/support.h"

/* A span for a table. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR "\xC0\x00\x02\x01" /* 192.0.2.1 */
#define SIX "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC6\x33\x64\x07"
#define PORTS "\x9C\x40\x00\x19"
#define HUNDRED_AND_EIGHT                                                                                            \
    "/a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"     \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* ---- what is right: "" is the proxy's own connection ---- */

static const struct {
    struct span header;
    const char *client;
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\n"), "192.0.2.1"},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255"},
    {BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0"},
    {BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\n"), "2001:db8::1"},
    {BYTES("PROXY TCP6 2001:0DB8:0:0:0:0:0:0001 :: 1 1\r\n"), "2001:db8::1"},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
           "65535\r\n"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {BYTES("PROXY TCP6 ::ffff:198.51.100.7 ::1 1 1\r\n"), "198.51.100.7"},
    {BYTES("PROXY UNKNOWN\r\n"), ""},
    {BYTES("PROXY UNKNOWN a\rb  c d e f g h \xFF \r\n"), ""},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
           "65535\r\n"),
     ""}, /* 107 bytes */
    {BYTES(SIGNATURE "\x21\x11\0\x0C" FOUR FOUR PORTS), "192.0.2.1"},
    {BYTES(SIGNATURE "\x21\x11\0\x13" FOUR FOUR PORTS "\x04\0\x04TLVs"), "192.0.2.1"},
    {BYTES(SIGNATURE "\x21\x11\0\x0D" FOUR FOUR PORTS "\xFF"), "192.0.2.1"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" SIX SIX PORTS), "2001:db8::1"},
    {BYTES(SIGNATURE "\x21\x21\0\x28" SIX SIX PORTS "\x04\0\x01x"), "2001:db8::1"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" MAPPED SIX PORTS), "198.51.100.7"},
    {BYTES(SIGNATURE "\x20\x00\0\0"), ""},
    {BYTES(SIGNATURE "\x20\x11\0\x0C" FOUR FOUR PORTS), ""},
    {BYTES(SIGNATURE "\x20\x11\0\x02xx"), ""},
    {BYTES(SIGNATURE "\x20\xFF\0\x03\r\nx"), ""},
    {BYTES(SIGNATURE "\x21\x00\0\0"), ""},
    {BYTES(SIGNATURE "\x21\x00\0\x05TLVs!"), ""},
    {BYTES(SIGNATURE "\x21\x31\0\xD8" HUNDRED_AND_EIGHT HUNDRED_AND_EIGHT), ""},
    {BYTES(SIGNATURE "\x21\x32\0\xDA" HUNDRED_AND_EIGHT HUNDRED_AND_EIGHT "xx"), ""},
};

/* Feeds a header in pieces of at most `piece` bytes, the first of `first`; gives what was not taken of the whole. */
static enum proxy_verdict feed(struct proxy *proxy, struct span whole, size_t first, size_t piece, size_t *left)
{
    enum proxy_verdict verdict = PROXY_MORE;
    size_t size = first;

    *proxy = (struct proxy){0};
    for (size_t at = 0; at < whole.size; at += size, size = piece) {
        struct span input = span_slice(whole, at, at + size);
        size_t end = at + input.size;

        verdict = proxy_take(proxy, &input);
        *left = whole.size - end + input.size;
        if (verdict != PROXY_MORE)
            return verdict;
        assert_int_equal(input.size, 0);
    }
    return verdict;
}

static void expect_good(size_t row, struct span whole, size_t first, size_t piece)
{
    struct proxy proxy;
    size_t left = 0;
    enum proxy_verdict verdict = feed(&proxy, whole, first, piece, &left);

    if (verdict != (good[row].client[0] == '\0' ? PROXY_ITSELF : PROXY_CLIENT))
        fail_msg("row %zu gives %d: %s", row, (int)verdict, proxy.mistake == NULL ? "" : proxy.mistake);
    assert_string_equal(proxy.client, good[row].client);
    assert_int_equal(left, whole.size - good[row].header.size);
}

static void good_headers_however_they_are_cut(void **state)
{
    static char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct buf buf = buf_over(text, sizeof text);
        struct span header = good[i].header;

        buf_put(&buf, header);
        buf_put_text(&buf, "EHLO client.example.org\r\n");
        assert_false(buf.overflowed);
        for (size_t size = 1; size <= buf.size; size++) {
            expect_good(i, header, size, header.size);
            expect_good(i, buf_span(&buf), size, buf.size);
            expect_good(i, buf_span(&buf), size, 1);
            expect_good(i, buf_span(&buf), size, size);
        }
    }
}

static void a_header_that_is_not_whole_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        for (size_t size = 0; size < good[i].header.size; size++) {
            struct proxy proxy = {0};
            struct span input = span_slice(good[i].header, 0, size);

            assert_int_equal(proxy_take(&proxy, &input), PROXY_MORE);
            assert_int_equal(input.size, 0);
            assert_string_equal(proxy.client, "");
        }
}

/* ---- what is wrong, and how soon that is said: `size` bytes at the latest ---- */

#define NINETY "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

static const struct {
    struct span header;
    const char *mistake;
    size_t size; /* 0: all of it */
} bad[] = {
    {BYTES("EHLO client.example.org\r\n"), "begins as neither", 1},
    {BYTES("\0"), "begins as neither", 1},
    {BYTES("proxy TCP4 192.0.2.1 198.51.100.1 40000 25\r\n"), "begins as neither", 1},
    {BYTES("PROXY\r\n"), "begins as neither", 6},
    {BYTES("PROXYTCP4"), "begins as neither", 6},
    {BYTES("\r\n\r\n\0\r\nQUIT\r"), "begins as neither", 12},
    {BYTES("\r\nPROXY TCP4"), "begins as neither", 3},
    {BYTES("PROXY \r\n"), "its family", 0},
    {BYTES("PROXY  TCP4 192.0.2.1 198.51.100.1 40000 25\r\n"), "its family", 0},
    {BYTES("PROXY tcp4 192.0.2.1 198.51.100.1 40000 25\r\n"), "its family", 0},
    {BYTES("PROXY TCP5 192.0.2.1 198.51.100.1 40000 25\r\n"), "its family", 0},
    {BYTES("PROXY UDP4 192.0.2.1 198.51.100.1 40000 25\r\n"), "its family", 0},
    {BYTES("PROXY UNKNOWNX\r\n"), "its family", 0},
    {BYTES("PROXY TCP4\r\n"), "six words", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000\r\n"), "six words", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 \r\n"), "six words", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 1\r\n"), "six words", 0},
    {BYTES("PROXY TCP4 192.0.2.1  198.51.100.1 40000 25\r\n"), "six words", 0},
    {BYTES("PROXY TCP4 192.0.2 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 192.0.2.256 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 192.0.2.01 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 192.0.2.1/32 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 mail.example.com 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4  198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 192.0.2.1\t 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 2001:db8::1 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 ::ffff:192.0.2.1 198.51.100.1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP6 192.0.2.1 2001:db8::1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP6 [2001:db8::1] 2001:db8::1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP6 fe80::1%eth0 2001:db8::1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP6 2001:db8:::1 2001:db8::1 40000 25\r\n"), "its source", 0},
    {BYTES("PROXY TCP4 192.0.2.1 2001:db8::1 40000 25\r\n"), "its destination", 0},
    {BYTES("PROXY TCP4 192.0.2.1 x 40000 25\r\n"), "its destination", 0},
    {BYTES("PROXY TCP6 2001:db8::1 192.0.2.1 40000 25\r\n"), "its destination", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 99999999999999999999999\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 040 25\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1  25\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 smtp 25\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\r\n"), "a port", 0},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\n"), "CR LF", 0},
    {BYTES("PROXY UNKNOWN\nEHLO x\r\n"), "CR LF", 14},
    {BYTES("PROXY UNKNOWN \0 x\r\n"), "CR LF", 15},
    {BYTES("PROXY UNKNOWN " NINETY "123\r\n"), "107 bytes", 107},
    {BYTES("PROXY " NINETY NINETY), "107 bytes", 107},
    {BYTES(SIGNATURE "\x11\x11\0\x0C" FOUR FOUR PORTS), "its version", 16},
    {BYTES(SIGNATURE "\x31\x11\0\x0C" FOUR FOUR PORTS), "its version", 16},
    {BYTES(SIGNATURE "\x22\x11\0\x0C" FOUR FOUR PORTS), "its command", 16},
    {BYTES(SIGNATURE "\x2F\x11\0\x0C" FOUR FOUR PORTS), "its command", 16},
    {BYTES(SIGNATURE "\x21\x41\0\x0C" FOUR FOUR PORTS), "its family or transport", 16},
    {BYTES(SIGNATURE "\x21\xF1\0\x0C" FOUR FOUR PORTS), "its family or transport", 16},
    {BYTES(SIGNATURE "\x21\x13\0\x0C" FOUR FOUR PORTS), "its family or transport", 16},
    {BYTES(SIGNATURE "\x21\x12\0\x0C" FOUR FOUR PORTS), "not TCP", 16},
    {BYTES(SIGNATURE "\x21\x22\0\x24" SIX SIX PORTS), "not TCP", 16},
    {BYTES(SIGNATURE "\x21\x10\0\x0C" FOUR FOUR PORTS), "not TCP", 16},
    {BYTES(SIGNATURE "\x21\x11\0\x0B" FOUR FOUR PORTS), "too short", 16},
    {BYTES(SIGNATURE "\x21\x21\0\x23" SIX SIX PORTS), "too short", 16},
    {BYTES(SIGNATURE "\x21\x21\0\x0C" FOUR FOUR PORTS), "too short", 16},
    {BYTES(SIGNATURE "\x21\x31\0\xD7" HUNDRED_AND_EIGHT HUNDRED_AND_EIGHT), "too short", 16},
    {BYTES(SIGNATURE "\x21\x11\x10\x01" FOUR FOUR PORTS), "longer than 4096 bytes", 16},
    {BYTES(SIGNATURE "\x20\x00\xFF\xFF"), "longer than 4096 bytes", 16},
};

static void bad_headers_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t size = 1; size <= bad[i].header.size; size++) {
            struct span header = bad[i].header;
            size_t latest = bad[i].size == 0 ? header.size : bad[i].size;
            struct proxy proxy;
            size_t left = 0;

            if (feed(&proxy, header, size, size, &left) != PROXY_MALFORMED ||
                strstr(proxy.mistake, bad[i].mistake) == NULL)
                fail_msg("row %zu, cut at %zu: \"%s\"", i, size, proxy.mistake == NULL ? "" : proxy.mistake);
            assert_int_equal(header.size - left, latest);
            assert_string_equal(proxy.client, "");
        }
}

/* As many TLVs as there may be, none of which is kept. */
static void the_longest_header(void **state)
{
    static const char head[] = SIGNATURE "\x21\x11\x10\x00" FOUR FOUR PORTS;
    static char text[PROXY_V2_HEAD + PROXY_V2_REST_MAX + 1];
    struct proxy proxy;
    size_t left = 0;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, head, sizeof head - 1);
    for (size_t piece = 1; piece <= sizeof text; piece = piece * 3 + 1) {
        assert_int_equal(feed(&proxy, (struct span){text, sizeof text}, piece, piece, &left), PROXY_CLIENT);
        assert_int_equal(left, 1);
        assert_string_equal(proxy.client, "192.0.2.1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_however_they_are_cut),
        cmocka_unit_test(a_header_that_is_not_whole_is_waited_for),
        cmocka_unit_test(bad_headers_however_they_are_cut),
        cmocka_unit_test(the_longest_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
