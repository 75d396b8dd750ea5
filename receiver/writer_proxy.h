/*
 * The writer's part in one session's PROXY header: whether the session may name a client at all, which the writer
 * decides by the address that it had from the listener, and whether this one may have another session.
 *
 *     writer_proxy_join(&proxy, &config, client);             a session begins; true: its client is still to be named
 *     writer_proxy_name(&proxy, client, named, &err)          the session names it; "" is the proxy itself
 *     writer_proxy_is_same(&proxy, &other)                    are both sessions of one client?
 *     writer_proxy_log(&proxy, &line)                         via=ADDRESS, where there is a proxy
 */
#ifndef RECEIVER_WRITER_PROXY_H
#define RECEIVER_WRITER_PROXY_H

#include <stdbool.h>

#include "common/config.h"
#include "common/envelope.h"
#include "common/err.h"
#include "common/log.h"
#include "receiver/client.h"

/* A zeroed one is a session where nobody is trusted. */
struct writer_proxy {
    char via[ENVELOPE_CLIENT_SIZE];             /* the proxy, once it has named a client; else empty */
    unsigned char network[CLIENT_NETWORK_SIZE]; /* valid with is_client */
    bool is_client;                             /* it counts for max-sessions-per-client */
};

/* `client` is the peer, as it was told. Costs nothing where no proxy is trusted. */
bool writer_proxy_join(struct writer_proxy *proxy, const struct config *config, const char *client);

/*
 * Puts the named address in the place of the proxy's in `client`. A protocol error when it is not the canonical text
 * of an address.
 */
__attribute__((warn_unused_result)) int writer_proxy_name(struct writer_proxy *proxy,
                                                          char client[static ENVELOPE_CLIENT_SIZE], struct span named,
                                                          struct err *err);

bool writer_proxy_is_same(const struct writer_proxy *a, const struct writer_proxy *b);

void writer_proxy_log(const struct writer_proxy *proxy, struct log_line *line);

#endif
