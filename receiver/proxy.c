#include "receiver/proxy.h"

#include <assert.h>
#include <string.h>

enum {
    PORT_MAX = 65535,
    IP4_SIZE = 4,
    IP6_SIZE = 16,
    V1_WORDS = 6, /* PROXY, the family, two addresses, two ports */
};

static const char v1_start[] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const char v2_start[] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static enum proxy_verdict refuse(struct proxy *proxy, const char *mistake)
{
    proxy->mistake = mistake;
    return PROXY_MALFORMED;
}

/* Whether what has come can still become this start. */
static bool may_be(const struct proxy *proxy, const char *start, size_t size)
{
    return memcmp(proxy->head, start, proxy->size < size ? proxy->size : size) == 0;
}

/* ---- version 1: PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 CRLF ---- */

/* Cuts a line into words at single spaces. Gives their number; one more than `max` when there are more. */
static size_t split(struct span line, struct span *words, size_t max)
{
    size_t count = 0;

    for (;;) {
        size_t size = span_find(line, ' ');

        if (count == max)
            return max + 1;
        words[count++] = span_slice(line, 0, size);
        if (size == line.size)
            return count;
        line = span_slice(line, size + 1, line.size);
    }
}

/* No leading zero, which somebody else might take for octal. */
static bool is_port(struct span text)
{
    unsigned long long port;

    return span_number(text, PORT_MAX, &port) == 0 && (text.data[0] != '0' || text.size == 1);
}

/* By its text, not by what it stands for: in TCP6 an IPv4 address stands as ::ffff:192.0.2.1. */
static bool is_of_family(struct span text, bool is_ip6)
{
    return (span_find(text, ':') < text.size) == is_ip6;
}

static enum proxy_verdict read_v1(struct proxy *proxy, struct span line)
{
    struct span words[V1_WORDS];
    size_t count = split(line, words, V1_WORDS);
    unsigned char source[NETWORK_ADDRESS_SIZE];
    unsigned char destination[NETWORK_ADDRESS_SIZE];
    bool is_ip6 = count > 1 && span_equal(words[1], span_text("TCP6"));

    /* Whatever stands behind it is not looked at (section 2.1). */
    if (count > 1 && span_equal(words[1], span_text("UNKNOWN")))
        return PROXY_ITSELF;
    if (count > 1 && !is_ip6 && !span_equal(words[1], span_text("TCP4")))
        return refuse(proxy, "its family is none of TCP4, TCP6 and UNKNOWN");
    if (count != V1_WORDS)
        return refuse(proxy, "it is not six words with one space between them");
    if (network_address_parse(source, words[2]) != 0 || !is_of_family(words[2], is_ip6))
        return refuse(proxy, "its source is not an address of its family");
    if (network_address_parse(destination, words[3]) != 0 || !is_of_family(words[3], is_ip6))
        return refuse(proxy, "its destination is not an address of its family");
    if (!is_port(words[4]) || !is_port(words[5]))
        return refuse(proxy, "a port is not a number from 0 to 65535");
    network_address_text(source, proxy->client);
    return PROXY_CLIENT;
}

static enum proxy_verdict take_v1(struct proxy *proxy, struct span *input)
{
    while (input->size > 0) {
        char byte = input->data[0];

        *input = span_slice(*input, 1, input->size);
        proxy->head[proxy->size++] = byte;
        if (byte == '\n' && proxy->head[proxy->size - 2] == '\r')
            return read_v1(proxy, (struct span){proxy->head, proxy->size - 2});
        if (byte == '\n' || byte == '\0')
            return refuse(proxy, "its line does not end with CR LF");
        if (proxy->size == PROXY_V1_MAX)
            return refuse(proxy, "its line is longer than 107 bytes");
    }
    return PROXY_MORE;
}

/* ---- version 2: a head with the size of the rest, then addresses, then TLVs ---- */

enum {
    V2_VERSION = 2,
    V2_LOCAL = 0, /* command */
    V2_PROXY = 1,
    V2_AT_COMMAND = 12, /* a byte: version and command */
    V2_AT_FAMILY = 13,  /* a byte: family and transport */
    V2_AT_SIZE = 14,    /* two bytes, the higher one first */
    V2_STREAM = 1,      /* transport */
    V2_TRANSPORTS = 3,
};

/* By family: the bytes of its addresses and ports, and of each address. */
static const struct {
    size_t size;
    size_t address_size; /* 0: the addresses are no client's */
} v2_families[] = {
    {0, 0},                       /* not said */
    {2 * IP4_SIZE + 4, IP4_SIZE}, /* IPv4 */
    {2 * IP6_SIZE + 4, IP6_SIZE}, /* IPv6 */
    {216, 0},                     /* UNIX: two paths of 108 bytes */
};
enum { V2_FAMILIES = sizeof v2_families / sizeof v2_families[0], V2_KEPT = PROXY_V2_HEAD + 2 * IP6_SIZE + 4 };
static_assert((int)V2_KEPT <= (int)PROXY_KEPT, "head and addresses must fit");

static unsigned byte_at(const struct proxy *proxy, size_t at)
{
    return (unsigned char)proxy->head[at];
}

static size_t v2_rest(const struct proxy *proxy)
{
    return (size_t)byte_at(proxy, V2_AT_SIZE) << 8 | byte_at(proxy, V2_AT_SIZE + 1);
}

/* As soon as the head is there: what is no good need not be waited for. */
static enum proxy_verdict check_v2_head(struct proxy *proxy)
{
    unsigned command = byte_at(proxy, V2_AT_COMMAND) & 0x0F;
    unsigned family = byte_at(proxy, V2_AT_FAMILY) >> 4;
    unsigned transport = byte_at(proxy, V2_AT_FAMILY) & 0x0F;

    if (byte_at(proxy, V2_AT_COMMAND) >> 4 != V2_VERSION)
        return refuse(proxy, "its version is not 2");
    if (v2_rest(proxy) > PROXY_V2_REST_MAX)
        return refuse(proxy, "it is longer than 4096 bytes behind its head");
    /* Of a connection of its own the rest is not looked at (section 2.2). */
    if (command == V2_LOCAL)
        return PROXY_MORE;
    if (command != V2_PROXY)
        return refuse(proxy, "its command is neither LOCAL nor PROXY");
    if (family >= V2_FAMILIES || transport >= V2_TRANSPORTS)
        return refuse(proxy, "its family or transport is none that there is");
    if (v2_families[family].address_size > 0 && transport != V2_STREAM)
        return refuse(proxy, "its transport is not TCP");
    if (v2_rest(proxy) < v2_families[family].size)
        return refuse(proxy, "it is too short for the addresses of its family");
    return PROXY_MORE;
}

static enum proxy_verdict read_v2(struct proxy *proxy)
{
    unsigned family = byte_at(proxy, V2_AT_FAMILY) >> 4;
    unsigned char source[NETWORK_ADDRESS_SIZE] = {[10] = 0xFF, [11] = 0xFF};

    if ((byte_at(proxy, V2_AT_COMMAND) & 0x0F) == V2_LOCAL || v2_families[family].address_size == 0)
        return PROXY_ITSELF;
    memcpy(source + sizeof source - v2_families[family].address_size, proxy->head + PROXY_V2_HEAD,
           v2_families[family].address_size);
    network_address_text(source, proxy->client);
    return PROXY_CLIENT;
}

/* Takes what is there up to this place of the header, and keeps what there is room for: TLVs are passed over. */
static bool take_until(struct proxy *proxy, struct span *input, size_t end)
{
    struct span taken = span_slice(*input, 0, end - proxy->size);
    struct span kept = span_slice(taken, 0, proxy->size < V2_KEPT ? V2_KEPT - proxy->size : 0);

    memcpy(proxy->head + (kept.size > 0 ? proxy->size : 0), kept.data, kept.size);
    proxy->size += taken.size;
    *input = span_slice(*input, taken.size, input->size);
    return proxy->size == end;
}

static enum proxy_verdict take_v2(struct proxy *proxy, struct span *input)
{
    if (proxy->size < PROXY_V2_HEAD) {
        if (!take_until(proxy, input, PROXY_V2_HEAD))
            return PROXY_MORE;
        if (check_v2_head(proxy) != PROXY_MORE)
            return PROXY_MALFORMED;
    }
    return take_until(proxy, input, PROXY_V2_HEAD + v2_rest(proxy)) ? read_v2(proxy) : PROXY_MORE;
}

/* ---- either ---- */

enum proxy_verdict proxy_take(struct proxy *proxy, struct span *input)
{
    while (input->size > 0) {
        if (proxy->size >= sizeof v1_start && may_be(proxy, v1_start, sizeof v1_start))
            return take_v1(proxy, input);
        if (proxy->size >= sizeof v2_start)
            return take_v2(proxy, input);
        proxy->head[proxy->size++] = input->data[0];
        *input = span_slice(*input, 1, input->size);
        if (!may_be(proxy, v1_start, sizeof v1_start) && !may_be(proxy, v2_start, sizeof v2_start))
            return refuse(proxy, "it begins as neither version does");
    }
    return PROXY_MORE;
}
