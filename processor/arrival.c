#include "processor/arrival.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/route.h"
#include "processor/ledger.h"
#include "processor/runner_step.h"

/* The route of a message that may be started at once; NULL: it is to be queued. */
static const struct config_route *find_route(const struct arrival *arrival, const struct envelope *envelope,
                                             int64_t now_ms)
{
    struct route_match match;

    if (!arrival->is_open || envelope->recipient_count != 1)
        return NULL;
    match = route_find(arrival->runner->context.config, &envelope->recipients[0]);
    if (match.verdict != ROUTE_FOUND || match.route->handler_count == 0 || match.route->dedupe_ms > 0 ||
        match.route->handlers[0].kind != HANDLER_RUN ||
        !schedule_lets_pass(arrival->schedule, arrival->runner, &match.route->handlers[0], match.route->pattern,
                            now_ms))
        return NULL;
    return match.route;
}

/* What they hold and no more: nine texts that may have four KiB each, and most are short. */
static void copy_headers(struct message_headers *to, const struct message_headers *from)
{
    static_assert(sizeof *to % MESSAGE_TEXT_SIZE == 0, "texts of one size and nothing else");
    const char *texts = (const char *)from;
    char *copy = (char *)to;

    for (size_t at = 0; at < sizeof *to; at += MESSAGE_TEXT_SIZE)
        (void)memccpy(copy + at, texts + at, '\0', MESSAGE_TEXT_SIZE);
}

/* As ledger_load() would give it, but for its ID. */
static void fill(struct delivery *d, const struct config_route *route, const struct envelope *envelope,
                 const struct message_headers *headers, int64_t now_ms)
{
    d->recipient = d->position = d->attempts = 1;
    d->attempts_before = d->first_ms = d->held_ms = d->replay = 0;
    d->queued_ms = now_ms;
    d->output[0] = '\0';
    d->address = envelope->recipients[0];
    d->sender = envelope->sender;
    copy_headers(&d->headers, headers);
    snprintf(d->message_id, sizeof d->message_id, "%s", envelope->id);
    snprintf(d->route, sizeof d->route, "%s", route->pattern);
    snprintf(d->handler, sizeof d->handler, "%s", route->handlers[0].name);
    snprintf(d->client_address, sizeof d->client_address, "%s", envelope->client_address);
    snprintf(d->client_helo, sizeof d->client_helo, "%s", envelope->client_helo);
    snprintf(d->client_protocol, sizeof d->client_protocol, "%s", envelope->client_protocol);
    snprintf(d->tls, sizeof d->tls, "%s", envelope->tls);
}

int arrival_start(const struct arrival *arrival, const struct envelope *envelope, uint64_t size_bytes,
                  const struct message_headers *headers, int64_t now_ms, struct err *err)
{
    struct runner *runner = arrival->runner;
    const struct config_route *route = find_route(arrival, envelope, now_ms);
    struct attempt *attempt = route == NULL ? NULL : runner_prepare(runner, &route->handlers[0], now_ms, err);
    int started = 0;

    if (attempt == NULL)
        return 0;
    fill(&attempt->delivery, route, envelope, headers, now_ms);
    ledger_key(&attempt->delivery, attempt->key);
    attempt->message = attempt_open_message(&runner->context, attempt, err);
    if (attempt->message >= 0)
        started = ledger_queue_started(runner->context.index, route, envelope, size_bytes, headers, now_ms,
                                       &attempt->delivery.id, err);
    if (started == 1) {
        arrival->schedule->turn = route->handlers[0].number + 1;
        runner_adopt(runner, attempt, now_ms);
    } else {
        attempt_free(attempt);
    }
    return started;
}
