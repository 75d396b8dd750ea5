/*
 * IP addresses and networks, as a configuration names them: "192.0.2.1", "198.51.100.0/24", "2001:db8::/32".
 *
 *     network_parse(&network, "198.51.100.0/24", &err);
 *     network_address_parse(address, span);
 *     network_contains(&network, address)
 *
 * Both families are kept in one form, 16 bytes in the network's order: an IPv4 address is the IPv6 address that
 * stands for it (::ffff:192.0.2.1; RFC 4291, section 2.5.5.2). So it makes no difference by which kind of socket a
 * peer has come. Pure: no system call.
 */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    NETWORK_ADDRESS_SIZE = 16,
    NETWORK_IP4_BITS = 96,          /* how many bits stand before an IPv4 address */
    NETWORK_ADDRESS_TEXT_SIZE = 46, /* the longest text of an address, and the NUL */
};

struct network {
    unsigned char address[NETWORK_ADDRESS_SIZE];
    unsigned bits; /* of the prefix, in that form; 128 for an address alone */
};

/* Networks, as in a configuration; a zeroed one is empty. */
struct networks {
    struct network *list; /* allocated */
    size_t count;
};

/* Reads an address, or a network with its prefix length. Errors are permanent, name the text and the remedy. */
__attribute__((warn_unused_result)) int network_parse(struct network *network, const char *text, struct err *err);

/* Reads an address alone, of either family. -1: it is none. */
__attribute__((warn_unused_result)) int network_address_parse(unsigned char address[static NETWORK_ADDRESS_SIZE],
                                                              struct span text);
/* The canonical text (RFC 5952): "192.0.2.1", "2001:db8::1". */
void network_address_text(const unsigned char address[static NETWORK_ADDRESS_SIZE],
                          char text[static NETWORK_ADDRESS_TEXT_SIZE]);
bool network_address_is_ip4(const unsigned char address[static NETWORK_ADDRESS_SIZE]);

/* Whether the network has the address; one of IPv6 has no IPv4 addresses, however short its prefix. */
bool network_contains(const struct network *network, const unsigned char address[static NETWORK_ADDRESS_SIZE]);
/* Whether one of them has it. */
bool networks_contain(const struct networks *networks, const unsigned char address[static NETWORK_ADDRESS_SIZE]);

#endif
