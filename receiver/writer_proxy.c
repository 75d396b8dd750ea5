#include "receiver/writer_proxy.h"

#include <string.h>

static const struct networks nobody;

bool writer_proxy_join(struct writer_proxy *proxy, const struct config *config, const char *client)
{
    struct client peer;

    if (config->trusted_proxies.count == 0)
        return false;
    client_named(span_text(client), &config->trusted_proxies, &peer);
    memcpy(proxy->network, peer.network, sizeof proxy->network);
    proxy->is_client = !peer.is_proxy;
    return peer.is_proxy;
}

int writer_proxy_name(struct writer_proxy *proxy, char client[static ENVELOPE_CLIENT_SIZE], struct span named,
                      struct err *err)
{
    struct client who;

    if (named.size == 0)
        return 0;
    client_named(named, &nobody, &who);
    /* "local" is no canonical text of an address: the session could name itself that, and is none. */
    if (!span_equal(named, span_text(who.text)) || span_equal(named, span_text("local")))
        return err_set(err, ERR_PROTOCOL, "the session named a client that is no address");
    memcpy(proxy->via, client, sizeof proxy->via);
    memcpy(client, who.text, sizeof who.text);
    memcpy(proxy->network, who.network, sizeof proxy->network);
    proxy->is_client = true;
    return 0;
}

bool writer_proxy_is_same(const struct writer_proxy *a, const struct writer_proxy *b)
{
    return a->is_client && b->is_client && memcmp(a->network, b->network, sizeof a->network) == 0;
}

void writer_proxy_log(const struct writer_proxy *proxy, struct log_line *line)
{
    if (proxy->via[0] != '\0')
        log_text(line, "via", span_text(proxy->via));
}
