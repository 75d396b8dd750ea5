#include "common/route.h"

#include <stdbool.h>

static const struct config_route *find_exact(const struct config *config, const struct address *address)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (!config->routes[i].is_catch_all && address_equal(&config->routes[i].address, address))
            return &config->routes[i];
    return NULL;
}

static const struct config_route *find_local(const struct config *config, struct span local, struct span domain)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (!route->is_catch_all && span_equal_nocase(address_local(&route->address), local) &&
            span_equal_nocase(address_domain(&route->address), domain))
            return route;
    }
    return NULL;
}

/* Tries each plus sign from the right, so that the longest local part wins. */
static const struct config_route *find_extended(const struct config *config, const struct address *address,
                                                struct span *extension)
{
    struct span local = address_local(address);

    if (local.size == 0 || local.data[0] == '"')
        return NULL;
    for (size_t plus = local.size; plus-- > 1;) {
        const struct config_route *route = NULL;

        if (local.data[plus] == '+')
            route = find_local(config, span_slice(local, 0, plus), address_domain(address));
        if (route != NULL) {
            *extension = span_slice(local, plus + 1, local.size);
            return route;
        }
    }
    return NULL;
}

static const struct config_route *find_catch_all(const struct config *config, const struct address *address)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].is_catch_all &&
            span_equal_nocase(address_domain(&config->routes[i].address), address_domain(address)))
            return &config->routes[i];
    return NULL;
}

static bool is_our_domain(const struct config *config, struct span domain)
{
    if (span_equal_nocase(domain, span_text(config->hostname)))
        return true;
    for (size_t i = 0; i < config->route_count; i++)
        if (span_equal_nocase(domain, address_domain(&config->routes[i].address)))
            return true;
    return false;
}

struct route_match route_find(const struct config *config, const struct address *address)
{
    struct route_match match = {.extension = {address->text, 0}};
    struct span domain = address_domain(address);

    if (address->text[0] == '\0')
        return match;
    match.route = find_exact(config, address);
    if (match.route == NULL && !address_is_indirect(address)) {
        match.route = find_extended(config, address, &match.extension);
        if (match.route == NULL)
            match.route = find_catch_all(config, address);
    }
    if (match.route != NULL)
        match.verdict = ROUTE_FOUND;
    else if (domain.size > 0 && !is_our_domain(config, domain))
        match.verdict = ROUTE_UNKNOWN_DOMAIN;
    else if (span_equal_nocase(address_local(address), span_text("postmaster")))
        match.verdict = ROUTE_KEPT;
    else
        match.verdict = ROUTE_UNKNOWN_USER;
    return match;
}
