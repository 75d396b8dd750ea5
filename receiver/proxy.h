/*
 * The header of the PROXY protocol, in which a proxy says whose connection it passes on: version 1 is a line of text,
 * version 2 is binary ("The PROXY protocol, Versions 1 & 2", doc/proxy-protocol.txt in HAProxy's sources). The parser
 * is pure: bytes in, a verdict out.
 *
 *     struct proxy proxy = {0};
 *     while ((verdict = proxy_take(&proxy, &input)) == PROXY_MORE)
 *         read more into `input`
 *     PROXY_CLIENT: proxy.client is the address of the client
 *     PROXY_ITSELF: the connection is the proxy's own, such as a health check
 *     PROXY_MALFORMED: proxy.mistake says why
 *
 * How the bytes are cut into reads makes no difference. What is left of `input` behind the header is the client's.
 */
#ifndef RECEIVER_PROXY_H
#define RECEIVER_PROXY_H

#include <stddef.h>

#include "common/buf.h"
#include "common/network.h"

enum {
    PROXY_V1_MAX = 107,       /* bytes of the longest line, CRLF counted (section 2.1) */
    PROXY_V2_HEAD = 16,       /* bytes of the part that is always there (section 2.2) */
    PROXY_V2_REST_MAX = 4096, /* bytes behind it that are taken, TLVs counted; senders keep to some hundred */
    PROXY_KEPT = PROXY_V1_MAX + 1,
};

enum proxy_verdict {
    PROXY_MORE,
    PROXY_CLIENT,
    PROXY_ITSELF,
    PROXY_MALFORMED,
};

/* A zeroed one has seen nothing. */
struct proxy {
    char client[NETWORK_ADDRESS_TEXT_SIZE]; /* canonical, with PROXY_CLIENT; IPv4 in IPv6 as IPv4 */
    const char *mistake;                    /* with PROXY_MALFORMED */

    /* Private to the parser. */
    size_t size; /* bytes taken so far, those of TLVs counted */
    char head[PROXY_KEPT];
};

/* Takes bytes from the front of `input`, up to the header's end. Not to be called again after another verdict than
 * PROXY_MORE. */
enum proxy_verdict proxy_take(struct proxy *proxy, struct span *input);

#endif
