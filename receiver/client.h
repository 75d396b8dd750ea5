/*
 * Who a client is, and the word that one gets who can't be served.
 */
#ifndef RECEIVER_CLIENT_H
#define RECEIVER_CLIENT_H

#include <stdbool.h>

#include "common/envelope.h"
#include "common/network.h"
#include "receiver/reply.h"

enum { CLIENT_NETWORK_SIZE = 16 };

struct client {
    char text[ENVELOPE_CLIENT_SIZE]; /* the address; IPv4 in an IPv6 socket as IPv4; "local" for pipes and such */
    unsigned char network[CLIENT_NETWORK_SIZE]; /* what counts as one client: an IPv4 address, 64 bits of IPv6 */
    bool is_proxy; /* it passes on connections of others, and says whose: `trusted-proxies` */
};

/* Whoever is at the other end. One that has left already is "local", which no proxy is. */
void client_of(int fd, const struct networks *proxies, struct client *client);

/* The same by an address's text; "local" for what is none. */
void client_named(struct span text, const struct networks *proxies, struct client *client);

/* Sends one reply, without waiting for room on the way. `hostname` may be empty. */
void client_turn_away(int fd, enum reply reply, const char *hostname);

#endif
