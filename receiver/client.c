#include "receiver/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

enum { IP6_NETWORK_BYTES = 8 };

union peer {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_storage storage;
};

static const char *ip4(struct client *client, const void *address)
{
    memcpy(client->network, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    memcpy(client->network + 12, address, 4);
    return inet_ntop(AF_INET, address, client->text, sizeof client->text);
}

static const char *ip6(struct client *client, const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        return ip4(client, &address->s6_addr[12]);
    memcpy(client->network, address->s6_addr, IP6_NETWORK_BYTES);
    return inet_ntop(AF_INET6, address, client->text, sizeof client->text);
}

void client_of(int fd, struct client *client)
{
    union peer peer = {0};
    socklen_t length = sizeof peer;
    const char *text = NULL;

    *client = (struct client){0};
    if (getpeername(fd, &peer.any, &length) == 0) {
        if (peer.any.sa_family == AF_INET)
            text = ip4(client, &peer.ip4.sin_addr);
        else if (peer.any.sa_family == AF_INET6)
            text = ip6(client, &peer.ip6.sin6_addr);
    }
    if (text == NULL)
        snprintf(client->text, sizeof client->text, "local");
}

void client_turn_away(int fd, enum reply reply, const char *hostname)
{
    char storage[REPLY_ROOM_MAX];
    struct buf output = buf_over(storage, sizeof storage);

    reply_put(&output, reply, span_text(hostname));
    if (write(fd, output.data, output.size) < 0)
        log_say(LOG_NOTICE, "the client left before it was turned away");
}
