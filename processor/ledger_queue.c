/* Messages become deliveries when they have come. */
#include <stdio.h>

#include "common/route.h"
#include "processor/ledger.h"
#include "processor/ledger_handler.h"
#include "processor/ledger_step.h"

/* 1: the message's row is queued, with its headers; 0: it was so before, or there is none; -1: error. */
static int queue_row(struct index *index, const char *id, const struct message_headers *headers, const char *digest,
                     int64_t now_ms, struct err *err)
{
    /* Headers that nobody could read must not be answered by a machine. */
    static const struct message_headers unreadable = {.no_reply = "the message's headers could not be read"};
    struct query query;

    if (headers == NULL)
        headers = &unreadable;
    if (query_start(&query, index, STATEMENT_MESSAGE_QUEUE, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    query_text(&query, ":subject", span_text(headers->subject));
    query_text(&query, ":from", span_text(headers->from));
    query_text(&query, ":to", span_text(headers->to));
    query_text(&query, ":date", span_text(headers->date));
    query_text(&query, ":reply_to", span_text(headers->reply_to));
    query_text(&query, ":message_id", span_text(headers->message_id));
    query_text(&query, ":references", span_text(headers->references));
    query_text(&query, ":list_id", span_text(headers->list_id));
    query_text(&query, ":no_reply", span_text(headers->no_reply));
    if (digest[0] != '\0')
        query_text(&query, ":digest", span_text(digest));
    query_number(&query, ":now", now_ms);
    return query_run(&query, err) != 0 ? -1 : index_changes(index);
}

int ledger_add_delivery(struct index *index, const struct ledger_addition *what, size_t i, bool is_due,
                        struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_DELIVERY_ADD, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(what->message_id));
    query_number(&query, ":recipient", what->recipient);
    query_text(&query, ":route", span_text(what->route->pattern));
    query_text(&query, ":handler", span_text(what->route->handlers[i].name));
    query_number(&query, ":position", (int64_t)i + 1);
    if (is_due)
        query_number(&query, ":due_ms", what->now_ms);
    query_number(&query, ":now", what->now_ms);
    query_number(&query, ":replay", what->replay ? 1 : 0);
    return query_run(&query, err);
}

/* Adds the deliveries of one recipient. Only the first is due; each of the others when the one before it is done. */
static int add_deliveries(struct index *index, const struct ledger_addition *what, struct err *err)
{
    for (size_t i = 0; i < what->route->handler_count; i++)
        if (ledger_add_delivery(index, what, i, i == 0, err) != 0)
            return -1;
    return 0;
}

int ledger_is_queued(struct index *index, const char *id, struct err *err)
{
    struct query query;
    int queued;

    if (query_start(&query, index, STATEMENT_MESSAGE_IS_QUEUED, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    queued = query_next(&query, err);
    if (queued == 1)
        queued = query_column_number(&query, 0) != 0;
    query_end(&query);
    return queued;
}

/*
 * The message of which this one is a copy, for the same address: 1, 0 there is none, -1 error. Whichever is queued
 * first is the original, as copies may overtake one another.
 */
static int find_original(struct index *index, const struct ledger_addition *what, const struct envelope *envelope,
                         const char *digest, char original[static ID_SIZE], struct err *err)
{
    int64_t received_ms = envelope_received_ms(envelope);
    struct query query;
    int row;

    if (digest[0] == '\0' || what->route->dedupe_ms == 0)
        return 0;
    if (query_start(&query, index, STATEMENT_DELIVERY_ORIGINAL, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(envelope->id));
    query_text(&query, ":digest", span_text(digest));
    query_text(&query, ":address", span_text(envelope->recipients[what->recipient - 1].text));
    query_number(&query, ":since", received_ms - what->route->dedupe_ms);
    query_number(&query, ":until", received_ms + what->route->dedupe_ms);
    row = query_next(&query, err);
    if (row == 1)
        snprintf(original, ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
    query_end(&query);
    return row;
}

/* The deliveries of a copy are there to be seen, and to be asked for by the operator; they do not run by themselves.
 */
static int add_duplicates(struct index *index, const struct ledger_addition *what, const char *original,
                          struct err *err)
{
    char detail[ID_SIZE + 16];

    snprintf(detail, sizeof detail, "duplicate of %s", original);
    for (size_t i = 0; i < what->route->handler_count; i++) {
        struct query query;

        if (query_start(&query, index, STATEMENT_DELIVERY_PUT_ENDED, err) != 0)
            return -1;
        query_text(&query, ":message_id", span_text(what->message_id));
        query_number(&query, ":recipient", what->recipient);
        query_text(&query, ":route", span_text(what->route->pattern));
        query_text(&query, ":handler", span_text(what->route->handlers[i].name));
        query_number(&query, ":position", (int64_t)i + 1);
        query_text(&query, ":state", span_text(state_word(STATE_SKIPPED)));
        query_number(&query, ":queued_ms", what->now_ms);
        query_number(&query, ":ended_ms", what->now_ms);
        query_text(&query, ":detail", span_text(detail));
        if (query_run(&query, err) != 0)
            return -1;
    }
    return 0;
}

static int queue_recipient(struct index *index, const struct ledger_addition *what, const struct envelope *envelope,
                           const char *digest, struct err *err)
{
    char original[ID_SIZE];
    int found = find_original(index, what, envelope, digest, original, err);

    if (found < 0)
        return -1;
    return found == 1 ? add_duplicates(index, what, original, err) : add_deliveries(index, what, err);
}

static int queue_all(struct index *index, const struct config *config, const struct envelope *envelope,
                     const char *digest, int64_t now_ms, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct route_match match = route_find(config, &envelope->recipients[i]);
        struct ledger_addition what = {
            .message_id = envelope->id, .recipient = (int64_t)i + 1, .route = match.route, .now_ms = now_ms};

        if (match.verdict == ROUTE_FOUND && queue_recipient(index, &what, envelope, digest, err) != 0)
            return -1;
    }
    return 0;
}

/* The message's row, whoever puts it: 1 it is queued now, 0 it was so before, -1 error. */
static int queue_message(struct index *index, const struct envelope *envelope, uint64_t size_bytes,
                         const struct message_headers *headers, const char *digest, int64_t now_ms, struct err *err)
{
    int status = queue_row(index, envelope->id, headers, digest, now_ms, err);

    if (status != 0)
        return status;
    if (index_put_message(index, envelope, size_bytes, err) != 0)
        return -1;
    return queue_row(index, envelope->id, headers, digest, now_ms, err);
}

int ledger_queue(struct index *index, const struct config *config, const struct envelope *envelope,
                 uint64_t size_bytes, const struct message_headers *headers, const char *digest, int64_t now_ms,
                 struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = queue_message(index, envelope, size_bytes, headers, digest, now_ms, err);
    if (status == 1)
        status = queue_all(index, config, envelope, digest, now_ms, err);
    return ledger_finish(index, status, err);
}

/* ---- queued and started ---- */

static int add_running(struct index *index, const struct ledger_addition *what, int64_t *id, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_DELIVERY_ADD_RUNNING, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(what->message_id));
    query_number(&query, ":recipient", what->recipient);
    query_text(&query, ":route", span_text(what->route->pattern));
    query_text(&query, ":handler", span_text(what->route->handlers[0].name));
    query_number(&query, ":now", what->now_ms);
    if (query_next(&query, err) != 1)
        return -1;
    *id = query_column_number(&query, 0);
    query_end(&query);
    return ledger_add_attempt(index, *id, 1, what->now_ms, err);
}

/* The first of a route runs, the others wait for it. 1, or -1. */
static int start_route(struct index *index, const struct ledger_addition *what, int64_t *id, struct err *err)
{
    if (add_running(index, what, id, err) != 0)
        return -1;
    for (size_t i = 1; i < what->route->handler_count; i++)
        if (ledger_add_delivery(index, what, i, false, err) != 0)
            return -1;
    return 1;
}

int ledger_queue_started(struct index *index, const struct config_route *route, const struct envelope *envelope,
                         uint64_t size_bytes, const struct message_headers *headers, int64_t now_ms, int64_t *id,
                         struct err *err)
{
    const struct ledger_addition what = {
        .message_id = envelope->id, .recipient = 1, .route = route, .now_ms = now_ms};
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = ledger_handler_runs(index, route->pattern, route->handlers[0].name, err);
    if (status == 1)
        status = queue_message(index, envelope, size_bytes, headers, "", now_ms, err);
    if (status == 1)
        status = start_route(index, &what, id, err);
    return ledger_finish(index, status < 0 ? -1 : 0, err) != 0 ? -1 : status;
}

int ledger_give_up(struct index *index, const char *id, int64_t now_ms, struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = ledger_touch(index, STATEMENT_MESSAGE_SET_QUEUED, id, now_ms, err);
    if (status == 0)
        status = ledger_touch(index, STATEMENT_MESSAGE_SET_ENDED, id, now_ms, err);
    return ledger_finish(index, status, err);
}
