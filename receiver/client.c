#include "receiver/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

enum { IP4_OFFSET = 12, IP6_NETWORK_BYTES = 8 };

union peer {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_storage storage;
};

/* The address of a peer in either family's socket. False: it has none. */
static bool address_of(const union peer *peer, unsigned char address[static NETWORK_ADDRESS_SIZE])
{
    memcpy(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", IP4_OFFSET);
    if (peer->any.sa_family == AF_INET)
        memcpy(address + IP4_OFFSET, &peer->ip4.sin_addr, sizeof peer->ip4.sin_addr);
    else if (peer->any.sa_family == AF_INET6)
        memcpy(address, &peer->ip6.sin6_addr, sizeof peer->ip6.sin6_addr);
    else
        return false;
    return true;
}

static void fill_in(struct client *client, const struct networks *proxies,
                    const unsigned char address[static NETWORK_ADDRESS_SIZE])
{
    network_address_text(address, client->text);
    memcpy(client->network, address, network_address_is_ip4(address) ? CLIENT_NETWORK_SIZE : IP6_NETWORK_BYTES);
    client->is_proxy = networks_contain(proxies, address);
}

static void nobody(struct client *client)
{
    *client = (struct client){.text = "local"};
}

void client_of(int fd, const struct networks *proxies, struct client *client)
{
    union peer peer = {0};
    socklen_t length = sizeof peer;
    unsigned char address[NETWORK_ADDRESS_SIZE];

    nobody(client);
    if (getpeername(fd, &peer.any, &length) == 0 && address_of(&peer, address))
        fill_in(client, proxies, address);
}

void client_named(struct span text, const struct networks *proxies, struct client *client)
{
    unsigned char address[NETWORK_ADDRESS_SIZE];

    nobody(client);
    if (network_address_parse(address, text) == 0)
        fill_in(client, proxies, address);
}

void client_turn_away(int fd, enum reply reply, const char *hostname)
{
    char storage[REPLY_ROOM_MAX];
    struct buf output = buf_over(storage, sizeof storage);

    reply_put(&output, reply, span_text(hostname));
    if (write(fd, output.data, output.size) < 0)
        log_say(LOG_NOTICE, "the client left before it was turned away");
}
