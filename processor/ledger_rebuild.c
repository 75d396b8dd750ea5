/* What the spool says of messages that the index has forgotten. */
#include "common/route.h"
#include "processor/ledger.h"
#include "processor/ledger_step.h"

static int put_delivery(struct index *index, const struct envelope *envelope, size_t recipient,
                        const struct config_route *route, size_t handler, enum state state, int64_t ended_ms,
                        struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_DELIVERY_PUT_ENDED, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(envelope->id));
    query_number(&query, ":recipient", (int64_t)recipient + 1);
    query_text(&query, ":route", span_text(route->pattern));
    query_text(&query, ":handler", span_text(route->handlers[handler].name));
    query_number(&query, ":position", (int64_t)handler + 1);
    query_text(&query, ":state", span_text(state_word(state)));
    query_number(&query, ":queued_ms", envelope_received_ms(envelope));
    query_number(&query, ":ended_ms", ended_ms);
    query_text(&query, ":detail", span_text("by the flag of its file: the index was rebuilt"));
    return query_run(&query, err);
}

static int put_deliveries(struct index *index, const struct config *config, const struct envelope *envelope,
                          enum state state, int64_t ended_ms, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct route_match match = route_find(config, &envelope->recipients[i]);

        for (size_t handler = 0; match.verdict == ROUTE_FOUND && handler < match.route->handler_count; handler++)
            if (put_delivery(index, envelope, i, match.route, handler, state, ended_ms, err) != 0)
                return -1;
    }
    return 0;
}

int ledger_put_ended(struct index *index, const struct config *config, const struct envelope *envelope,
                     enum state state, int64_t ended_ms, struct err *err)
{
    /* Without a flag nothing was run for it. */
    if (state != STATE_SKIPPED && put_deliveries(index, config, envelope, state, ended_ms, err) != 0)
        return -1;
    if (ledger_touch(index, STATEMENT_MESSAGE_SET_QUEUED, envelope->id, envelope_received_ms(envelope), err) != 0)
        return -1;
    return ledger_touch(index, STATEMENT_MESSAGE_SET_ENDED, envelope->id, ended_ms, err);
}
