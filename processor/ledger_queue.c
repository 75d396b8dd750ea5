/* Messages become deliveries: when they have come, and again when the operator wants it. */
#include <string.h>

#include "common/route.h"
#include "processor/ledger.h"
#include "processor/ledger_step.h"

static int set_headers(struct index *index, const char *id, const struct message_headers *headers, struct err *err)
{
    /* Headers that nobody could read must not be answered by a machine. */
    static const struct message_headers unreadable = {.no_reply = "the message's headers could not be read"};
    struct query query;

    if (headers == NULL)
        headers = &unreadable;
    if (query_start(&query, index, STATEMENT_MESSAGE_SET_HEADERS, err) != 0)
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
    return query_run(&query, err);
}

struct addition {
    const char *message_id;
    int64_t recipient;
    const struct config_route *route;
    const char *only; /* a handler's name, or NULL for all */
    int64_t now_ms;
    bool replay;
};

/* Whether a handler is asked for: by its name, or as a filter whose output the one of that name reads. */
static bool is_wanted(const struct addition *what, size_t i)
{
    const struct config_route *route = what->route;

    if (what->only == NULL || strcmp(what->only, route->handlers[i].name) == 0)
        return true;
    for (size_t later = i + 1; later < route->handler_count; later++)
        if (strcmp(what->only, route->handlers[later].name) == 0)
            return route->handlers[i].kind == HANDLER_FILTER;
    return false;
}

/* Adds the deliveries of one recipient. Only the first is due; each of the others when the one before it is done. */
static int add_deliveries(struct index *index, const struct addition *what, int *added, struct err *err)
{
    bool is_first = true;

    for (size_t i = 0; i < what->route->handler_count; i++) {
        const struct config_handler *handler = &what->route->handlers[i];
        struct query query;

        if (!is_wanted(what, i))
            continue;
        if (query_start(&query, index, STATEMENT_DELIVERY_ADD, err) != 0)
            return -1;
        query_text(&query, ":message_id", span_text(what->message_id));
        query_number(&query, ":recipient", what->recipient);
        query_text(&query, ":route", span_text(what->route->pattern));
        query_text(&query, ":handler", span_text(handler->name));
        query_number(&query, ":position", (int64_t)i + 1);
        if (is_first)
            query_number(&query, ":due_ms", what->now_ms);
        query_number(&query, ":now", what->now_ms);
        query_number(&query, ":replay", what->replay ? 1 : 0);
        if (query_run(&query, err) != 0)
            return -1;
        is_first = false;
        (*added)++;
    }
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

static int queue_all(struct index *index, const struct config *config, const struct envelope *envelope,
                     int64_t now_ms, struct err *err)
{
    int added = 0;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct route_match match = route_find(config, &envelope->recipients[i]);
        struct addition what = {
            .message_id = envelope->id, .recipient = (int64_t)i + 1, .route = match.route, .now_ms = now_ms};

        if (match.verdict == ROUTE_FOUND && add_deliveries(index, &what, &added, err) != 0)
            return -1;
    }
    return ledger_touch(index, STATEMENT_MESSAGE_SET_QUEUED, envelope->id, now_ms, err);
}

int ledger_queue(struct index *index, const struct config *config, const struct envelope *envelope,
                 uint64_t size_bytes, const struct message_headers *headers, int64_t now_ms, struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = ledger_is_queued(index, envelope->id, err);
    if (status == 0) {
        status = index_put_message(index, envelope, size_bytes, err);
        if (status == 0)
            status = set_headers(index, envelope->id, headers, err);
        if (status == 0)
            status = queue_all(index, config, envelope, now_ms, err);
    } else if (status == 1) {
        status = 0;
    }
    return ledger_finish(index, status, err);
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

/* ---- replay ---- */

/* Reads the recipients of a message into an envelope, in their order. */
static int load_recipients(struct index *index, const char *id, struct envelope *envelope, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_RECIPIENT_LIST, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(id));
    while ((row = query_next(&query, err)) == 1) {
        struct address address;

        if (address_parse(&address, query_column_text(&query, 1), err) != 0 ||
            envelope_add_recipient(envelope, &address, err) != 0) {
            query_end(&query);
            return -1;
        }
    }
    if (row == 0 && envelope->recipient_count == 0)
        return err_set(err, ERR_PERMANENT, "there is no message %s", id);
    return row;
}

/* A handler that runs now would end as what it was started as; the operator has to wait for that, or stop it. */
static int refuse_running(struct index *index, const char *id, const char *handler, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_DELIVERY_RUNNING, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    if (handler != NULL)
        query_text(&query, ":handler", span_text(handler));
    row = query_next(&query, err);
    if (row == 1)
        err_set(err, ERR_PERMANENT, "%s: handler %.*s is running; wait until it has ended", id,
                (int)query_column_text(&query, 0).size, query_column_text(&query, 0).data);
    query_end(&query);
    return row == 0 ? 0 : -1;
}

static int reopen(struct index *index, const char *id, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_MESSAGE_REOPEN, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    return query_run(&query, err);
}

static int replay_all(struct index *index, const struct config *config, const struct envelope *envelope,
                      struct addition what, int *queued, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct route_match match = route_find(config, &envelope->recipients[i]);

        what.recipient = (int64_t)i + 1;
        what.route = match.route;
        if (match.verdict == ROUTE_FOUND && add_deliveries(index, &what, queued, err) != 0)
            return -1;
    }
    if (*queued > 0)
        return reopen(index, what.message_id, err);
    if (what.only != NULL)
        return err_set(err, ERR_PERMANENT, "%s: no route has a handler %s for its recipients", what.message_id,
                       what.only);
    return err_set(err, ERR_PERMANENT, "%s: no route has a handler for its recipients", what.message_id);
}

int ledger_replay(struct index *index, const struct config *config, const char *id, const char *handler,
                  int64_t now_ms, int *queued, struct err *err)
{
    struct addition what = {.message_id = id, .only = handler, .now_ms = now_ms, .replay = true};
    struct envelope envelope = {0};
    int status;

    *queued = 0;
    if (index_begin(index, err) != 0)
        return -1;
    status = load_recipients(index, id, &envelope, err);
    if (status == 0)
        status = refuse_running(index, id, handler, err);
    if (status == 0)
        status = replay_all(index, config, &envelope, what, queued, err);
    envelope_free(&envelope);
    return ledger_finish(index, status, err);
}
