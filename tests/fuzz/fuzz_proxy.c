/*
 * Any bytes as what a proxy says first: what comes of it is the same however they are cut, no more is taken than a
 * header may have, and the client is the canonical text of an address.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* In pieces; gives how many bytes were taken. */
static size_t feed(struct proxy *proxy, struct span whole, size_t piece, enum proxy_verdict *verdict)
{
    size_t taken = 0;

    *proxy = (struct proxy){0};
    *verdict = PROXY_MORE;
    for (size_t at = 0; at < whole.size && *verdict == PROXY_MORE; at += piece) {
        struct span input = span_slice(whole, at, at + piece);
        size_t given = input.size;

        *verdict = proxy_take(proxy, &input);
        require(input.size <= given && (*verdict != PROXY_MORE || input.size == 0));
        taken += given - input.size;
    }
    return taken;
}

static void check_client(const char *client)
{
    unsigned char address[NETWORK_ADDRESS_SIZE];
    char text[NETWORK_ADDRESS_TEXT_SIZE];

    require(network_address_parse(address, span_text(client)) == 0);
    network_address_text(address, text);
    require(strcmp(text, client) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span whole = {(const char *)data, size};
    enum proxy_verdict verdict;
    struct proxy proxy;
    size_t taken = feed(&proxy, whole, size + 1, &verdict);

    require(taken <= PROXY_V2_HEAD + PROXY_V2_REST_MAX);
    require((verdict == PROXY_MALFORMED) == (proxy.mistake != NULL));
    require((verdict == PROXY_CLIENT) == (proxy.client[0] != '\0'));
    if (verdict == PROXY_CLIENT)
        check_client(proxy.client);
    for (size_t piece = 1; piece <= 64; piece = piece * 2 + 1) {
        enum proxy_verdict other_verdict;
        struct proxy other;

        require(feed(&other, whole, piece, &other_verdict) == taken && other_verdict == verdict);
        require(strcmp(other.client, proxy.client) == 0 && other.mistake == proxy.mistake);
    }
    return 0;
}
