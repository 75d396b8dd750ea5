/*
 * Which route an address belongs to. The receiver asks it to accept a recipient, the writer asks it again, and the
 * processor asks it for the handlers.
 *
 * Most specific first: the exact address; `local+extension@domain` to the route of `local@domain`, the longest such
 * `local` first; `*@domain`. Letter case never matters. Postmaster, bare or at a configured domain (of any route, or
 * the hostname), is accepted and kept when none of these takes it. An indirect local part (it holds '%', '!' or '@')
 * is for an exact route only, so that nothing that looks like relaying is ever accepted. A local part that has to be
 * quoted has no extension.
 */
#ifndef COMMON_ROUTE_H
#define COMMON_ROUTE_H

#include "common/address.h"
#include "common/buf.h"
#include "common/config.h"

enum route_verdict {
    ROUTE_UNKNOWN_USER,   /* the domain is one of ours, the local part is not */
    ROUTE_UNKNOWN_DOMAIN, /* relaying would be needed */
    ROUTE_FOUND,
    ROUTE_KEPT, /* postmaster without a route of its own: accepted, no handler */
};

struct route_match {
    enum route_verdict verdict;
    const struct config_route *route; /* with ROUTE_FOUND; borrowed from the configuration */
    struct span extension;            /* borrowed from the address; empty without one */
};

struct route_match route_find(const struct config *config, const struct address *address);

#endif
