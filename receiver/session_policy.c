#include "receiver/session_policy.h"

#include "common/route.h"

static enum smtp_verdict check_recipient(void *context, const struct address *address)
{
    const struct session *session = context;

    switch (route_find(session->config, address).verdict) {
    case ROUTE_FOUND:
    case ROUTE_KEPT:
        return SMTP_RECIPIENT_KEPT;
    case ROUTE_UNKNOWN_USER:
        return SMTP_RECIPIENT_UNKNOWN;
    case ROUTE_UNKNOWN_DOMAIN:
        break;
    }
    return SMTP_RECIPIENT_FOREIGN;
}

struct smtp_policy session_policy(const struct session *session)
{
    const struct config *config = session->config;

    return (struct smtp_policy){
        .hostname = config->hostname,
        .max_message_size = config->max_message_size,
        .max_recipients = config->max_recipients,
        .max_header_size = config->max_header_size,
        .max_errors = config->max_errors,
        .max_commands = config->max_commands,
        .offer_starttls = session->offers_tls,
        .discard_unknown = config->unknown == UNKNOWN_DISCARD,
        .recipient = check_recipient,
        .context = (void *)(uintptr_t)session,
    };
}
