#include "common/network.h"

#include <arpa/inet.h>
#include <string.h>

enum { IP4_OFFSET = 12, ADDRESS_BITS = 8 * NETWORK_ADDRESS_SIZE };

static const unsigned char ip4_prefix[IP4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/* What a value in a message may take of its room: the remedy must not be cut off. */
#define SHOWN "\"%.100s\""

/* ---- addresses ---- */

int network_address_parse(unsigned char address[static NETWORK_ADDRESS_SIZE], struct span text)
{
    char copy[NETWORK_ADDRESS_TEXT_SIZE];
    struct buf buf = buf_over(copy, sizeof copy);

    buf_put(&buf, text);
    if (buf.overflowed || span_find(text, '\0') < text.size)
        return -1;
    memcpy(address, ip4_prefix, IP4_OFFSET);
    if (inet_pton(AF_INET, copy, address + IP4_OFFSET) == 1)
        return 0;
    return inet_pton(AF_INET6, copy, address) == 1 ? 0 : -1;
}

bool network_address_is_ip4(const unsigned char address[static NETWORK_ADDRESS_SIZE])
{
    return memcmp(address, ip4_prefix, IP4_OFFSET) == 0;
}

void network_address_text(const unsigned char address[static NETWORK_ADDRESS_SIZE],
                          char text[static NETWORK_ADDRESS_TEXT_SIZE])
{
    struct buf written = buf_over(text, NETWORK_ADDRESS_TEXT_SIZE);

    if (!network_address_is_ip4(address)) {
        (void)inet_ntop(AF_INET6, address, text, NETWORK_ADDRESS_TEXT_SIZE); /* it fails for lack of room alone */
        return;
    }
    for (size_t i = IP4_OFFSET; i < NETWORK_ADDRESS_SIZE; i++) {
        buf_put_text(&written, i == IP4_OFFSET ? "" : ".");
        buf_put_number(&written, address[i]);
    }
}

/* ---- networks ---- */

/* Clears all bits behind the prefix. */
static void mask(unsigned char address[static NETWORK_ADDRESS_SIZE], unsigned bits)
{
    for (unsigned i = 0; i < NETWORK_ADDRESS_SIZE; i++) {
        unsigned kept = bits <= 8 * i ? 0 : bits - 8 * i;

        if (kept < 8)
            address[i] &= (unsigned char)(0xFF00U >> kept);
    }
}

static int refuse_host_bits(const struct network *network, const struct network *masked, unsigned shown_bits,
                            const char *text, struct err *err)
{
    char network_text[NETWORK_ADDRESS_TEXT_SIZE];
    char address_text[NETWORK_ADDRESS_TEXT_SIZE];

    network_address_text(masked->address, network_text);
    network_address_text(network->address, address_text);
    return err_set(err, ERR_PERMANENT,
                   SHOWN " has bits set behind its prefix; write %s/%u, or %s for that address alone", text,
                   network_text, shown_bits, address_text);
}

int network_parse(struct network *network, const char *text, struct err *err)
{
    struct span whole = span_text(text);
    size_t slash = span_find(whole, '/');
    struct span address = span_slice(whole, 0, slash);
    struct span length = span_slice(whole, slash + 1, whole.size);
    struct network masked;
    unsigned before;
    unsigned long long bits;

    if (network_address_parse(network->address, address) != 0)
        return err_set(err, ERR_PERMANENT,
                       SHOWN " is not an address or a network; write one such as 192.0.2.1, 198.51.100.0/24 or "
                             "2001:db8::/32",
                       text);
    /* The IPv4 address that is written as one of IPv6 has the prefix of that. */
    before =
        network_address_is_ip4(network->address) && span_find(address, ':') == address.size ? NETWORK_IP4_BITS : 0;
    bits = ADDRESS_BITS - before;
    if (slash < whole.size && span_number(length, ADDRESS_BITS - before, &bits) != 0)
        return err_set(err, ERR_PERMANENT, SHOWN " has no good prefix length; write one from 0 to %u behind the /",
                       text, ADDRESS_BITS - before);
    network->bits = before + (unsigned)bits;
    masked = *network;
    mask(masked.address, masked.bits);
    if (memcmp(masked.address, network->address, sizeof masked.address) != 0)
        return refuse_host_bits(network, &masked, (unsigned)bits, text, err);
    return 0;
}

bool network_contains(const struct network *network, const unsigned char address[static NETWORK_ADDRESS_SIZE])
{
    unsigned char masked[NETWORK_ADDRESS_SIZE];

    if (network->bits < NETWORK_IP4_BITS && network_address_is_ip4(address))
        return false;
    memcpy(masked, address, sizeof masked);
    mask(masked, network->bits);
    return memcmp(masked, network->address, sizeof masked) == 0;
}

bool networks_contain(const struct networks *networks, const unsigned char address[static NETWORK_ADDRESS_SIZE])
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_contains(&networks->list[i], address))
            return true;
    return false;
}
