#include "processor/ledger.h"

#include <stdio.h>

#include "processor/ledger_step.h"

int ledger_touch(struct index *index, enum statement statement, const char *id, int64_t now_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, index, statement, err) != 0)
        return -1;
    if (id != NULL)
        query_text(&query, ":id", span_text(id));
    query_number(&query, ":now", now_ms);
    return query_run(&query, err);
}

int ledger_finish(struct index *index, int status, struct err *err)
{
    if (status == 0)
        return index_commit(index, err);
    index_rollback(index);
    return -1;
}

int ledger_settle(struct index *index, int status, struct err *err)
{
    struct err second;
    int settled = 0;

    if (index_has_gathered(index))
        settled = index_settle(index, status == 0 ? err : &second);
    return status != 0 ? -1 : settled;
}

void ledger_key(const struct delivery *delivery, char key[static LEDGER_KEY_SIZE])
{
    snprintf(key, LEDGER_KEY_SIZE, "%s.%u.%s", delivery->message_id, (unsigned)(delivery->recipient & 0xFFFF),
             delivery->handler);
}

/* ---- messages ---- */

int ledger_tally(struct index *index, const char *id, struct ledger_tally *tally, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_MESSAGE_OUTCOME, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    if (query_next(&query, err) != 1)
        return -1;
    tally->deliveries = query_column_number(&query, 0);
    tally->waiting = query_column_number(&query, 1);
    tally->dead = query_column_number(&query, 2);
    query_end(&query);
    return 0;
}

int ledger_message_ended(struct index *index, const char *id, int64_t now_ms, struct err *err)
{
    return ledger_touch(index, STATEMENT_MESSAGE_SET_ENDED, id, now_ms, err);
}

/* ---- deliveries ---- */

int ledger_due(struct index *index, const char *route, const char *handler, int64_t now_ms, int64_t *id,
               struct err *err)
{
    return ledger_find_of_handler(index, STATEMENT_DELIVERY_DUE, route, handler, now_ms, id, err);
}

static void copy_column(struct query *query, int column, char *to, size_t size)
{
    struct buf copy = buf_over(to, size);

    /* All of it was bounded when it was written; text from elsewhere is cut rather than trusted. */
    buf_put(&copy, span_slice(query_column_text(query, column), 0, size - 1));
}

static int load_row(struct query *query, struct delivery *d, struct err *err)
{
    struct message_headers *h = &d->headers;
    struct {
        char *to;
        size_t size;
    } texts[] = {
        {d->client_address, sizeof d->client_address},
        {d->client_helo, sizeof d->client_helo},
        {d->client_protocol, sizeof d->client_protocol},
        {d->tls, sizeof d->tls},
        {h->subject, sizeof h->subject},
        {h->from, sizeof h->from},
        {h->to, sizeof h->to},
        {h->date, sizeof h->date},
        {h->reply_to, sizeof h->reply_to},
        {h->message_id, sizeof h->message_id},
        {h->references, sizeof h->references},
        {h->list_id, sizeof h->list_id},
        {h->no_reply, sizeof h->no_reply},
    };

    d->id = query_column_number(query, 0);
    copy_column(query, 1, d->message_id, sizeof d->message_id);
    d->recipient = query_column_number(query, 2);
    copy_column(query, 4, d->route, sizeof d->route);
    copy_column(query, 5, d->handler, sizeof d->handler);
    d->position = query_column_number(query, 6);
    d->attempts = query_column_number(query, 7);
    d->attempts_before = query_column_number(query, 8);
    d->queued_ms = query_column_number(query, 9);
    d->replay = query_column_number(query, 10);
    d->first_ms = query_column_number(query, 26);
    d->held_ms = query_column_number(query, 27);
    copy_column(query, 11, d->output, sizeof d->output);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        copy_column(query, 13 + (int)i, texts[i].to, texts[i].size);
    d->sender = (struct address){0};
    if (query_column_text(query, 12).size > 0 && address_parse(&d->sender, query_column_text(query, 12), err) != 0)
        return -1;
    return address_parse(&d->address, query_column_text(query, 3), err);
}

int ledger_load(struct index *index, int64_t id, struct delivery *delivery, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_DELIVERY_LOAD, err) != 0)
        return -1;
    query_number(&query, ":id", id);
    row = query_next(&query, err);
    if (row == 0)
        return err_set(err, ERR_BUG, "there is no delivery %lld", (long long)id);
    if (row == 1) {
        row = load_row(&query, delivery, err);
        query_end(&query);
    }
    return row;
}

int ledger_add_attempt(struct index *index, int64_t delivery, int64_t number, int64_t now_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_ATTEMPT_START, err) != 0)
        return -1;
    query_number(&query, ":delivery_id", delivery);
    query_number(&query, ":number", number);
    query_number(&query, ":now", now_ms);
    return query_run(&query, err);
}

int ledger_start_one(struct index *index, int64_t id, int64_t number, int64_t now_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_DELIVERY_START, err) != 0)
        return -1;
    query_number(&query, ":id", id);
    if (query_run(&query, err) != 0)
        return -1;
    return index_changes(index) == 0 ? 1 : ledger_add_attempt(index, id, number, now_ms, err);
}

int ledger_start(struct index *index, struct delivery *delivery, int64_t now_ms, struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    status = ledger_start_one(index, delivery->id, delivery->attempts + 1, now_ms, err);
    if (ledger_finish(index, status, err) != 0)
        return status == 1 ? 1 : -1;
    delivery->attempts++;
    return 0;
}

int ledger_end_run(struct index *index, enum statement statement, int64_t delivery, int64_t number,
                   const struct ledger_end *end, int64_t now_ms, struct err *err)
{
    struct query query;

    if (query_start(&query, index, statement, err) != 0)
        return -1;
    query_number(&query, ":delivery_id", delivery);
    query_number(&query, ":number", number);
    query_number(&query, ":now", now_ms);
    query_text(&query, ":outcome", span_text(state_word(end->state)));
    if (end->has_exit_code)
        query_number(&query, ":exit_code", end->exit_code);
    else if (end->signal != 0)
        query_number(&query, ":signal", end->signal);
    query_text(&query, ":detail", span_text(end->detail));
    query_blob(&query, ":stdout", end->out);
    query_blob(&query, ":stderr", end->errors);
    return query_run(&query, err);
}

/* One person with several spellings: what `reply-limit` counts by. */
static int reply_key(const char *text, char key[static ADDRESS_SIZE], struct err *err)
{
    char octets[ADDRESS_LOCAL_MAX + 1];
    struct address address;
    struct address plain;
    struct span local;

    key[0] = '\0';
    if (text[0] == '\0')
        return 0; /* the null sender, who gets none */
    if (address_parse(&address, span_text(text), err) != 0)
        return -1;
    local = (struct span){octets, address_local_octets(&address, octets)};
    if (local.data[0] != '+')
        local = span_slice(local, 0, span_find(local, '+'));
    if (address_build(&plain, local, address_domain(&address), err) != 0)
        return -1;
    snprintf(key, ADDRESS_SIZE, "%s", plain.text);
    for (char *at = key; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    return 0;
}

static int end_delivery(struct index *index, const struct delivery *delivery, const struct ledger_end *end,
                        int64_t now_ms, struct err *err)
{
    char key[ADDRESS_SIZE];
    struct query query;

    if ((end->replied_to != NULL && reply_key(end->replied_to, key, err) != 0) ||
        query_start(&query, index, STATEMENT_DELIVERY_END, err) != 0)
        return -1;
    query_number(&query, ":id", delivery->id);
    query_text(&query, ":state", span_text(state_word(end->state)));
    if (end->state == STATE_RETRY)
        query_number(&query, ":due_ms", end->due_ms);
    else
        query_number(&query, ":ended_ms", now_ms);
    if (end->state == STATE_DEAD && end->on_dead)
        query_number(&query, ":on_dead_ms", now_ms);
    if (end->output != NULL)
        query_text(&query, ":output", span_text(end->output));
    if (end->replied_to != NULL) {
        query_text(&query, ":replied_to", span_text(end->replied_to));
        query_text(&query, ":replied_key", span_text(key));
    }
    query_text(&query, ":detail", span_text(end->detail));
    return query_run(&query, err);
}

/* Starts one of the statements on the handlers before or after this one in the route. */
static int start_of_rest(struct query *query, struct index *index, const struct delivery *delivery,
                         enum statement statement, struct err *err)
{
    if (query_start(query, index, statement, err) != 0)
        return -1;
    query_text(query, ":message_id", span_text(delivery->message_id));
    query_number(query, ":recipient", delivery->recipient);
    query_text(query, ":route", span_text(delivery->route));
    query_number(query, ":position", delivery->position);
    return 0;
}

/* Whether there is any after it: 1 yes, 0 no, -1 error. */
static int has_rest(struct index *index, const struct delivery *delivery, struct err *err)
{
    struct query query;
    int row;

    if (start_of_rest(&query, index, delivery, STATEMENT_DELIVERY_HAS_REST, err) != 0)
        return -1;
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

static int change_rest(struct index *index, const struct delivery *delivery, enum statement statement,
                       const char *detail, int64_t now_ms, struct err *err)
{
    struct query query;

    if (start_of_rest(&query, index, delivery, statement, err) != 0)
        return -1;
    query_number(&query, ":now", now_ms);
    if (detail != NULL)
        query_text(&query, ":detail", span_text(detail));
    return query_run(&query, err);
}

/* What the end of this one means for the handlers after it in the route. */
static int pass_on(struct index *index, const struct delivery *delivery, const struct ledger_end *end, int64_t now_ms,
                   struct err *err)
{
    bool has_passed = end->state == STATE_DONE || end->state == STATE_SKIPPED;
    bool release = (has_passed && !end->skip_rest) || (end->state == STATE_DEAD && end->go_on);
    char is_dead[CONFIG_NAME_MAX + 64];
    char was_cancelled[CONFIG_NAME_MAX + 64];
    char said_skip[CONFIG_NAME_MAX + 64];

    snprintf(is_dead, sizeof is_dead, "handler %s is dead", delivery->handler);
    snprintf(was_cancelled, sizeof was_cancelled, "handler %s was cancelled", delivery->handler);
    snprintf(said_skip, sizeof said_skip, "handler %s said to skip the rest", delivery->handler);
    if (end->state == STATE_RETRY && !end->skip_rest)
        return 0;
    if (!release)
        return change_rest(index, delivery, STATEMENT_DELIVERY_SKIP_REST,
                           end->state == STATE_DEAD ? is_dead : said_skip, now_ms, err);
    /* The operator had it run again, and it alone: what it once took with it may follow now. */
    if (change_rest(index, delivery, STATEMENT_DELIVERY_REVIVE_REST, is_dead, now_ms, err) != 0 ||
        change_rest(index, delivery, STATEMENT_DELIVERY_REVIVE_REST, was_cancelled, now_ms, err) != 0)
        return -1;
    return change_rest(index, delivery, STATEMENT_DELIVERY_RELEASE_NEXT, NULL, now_ms, err);
}

int ledger_end_one(struct index *index, const struct delivery *delivery, const struct ledger_end *end, int64_t now_ms,
                   struct err *err)
{
    int rest;

    if (ledger_end_run(index, STATEMENT_ATTEMPT_END, delivery->id, delivery->attempts, end, now_ms, err) != 0 ||
        end_delivery(index, delivery, end, now_ms, err) != 0)
        return -1;
    if (index_changes(index) == 0)
        return 0;
    rest = has_rest(index, delivery, err);
    return rest == 1 ? pass_on(index, delivery, end, now_ms, err) : rest;
}

int ledger_end(struct index *index, const struct delivery *delivery, const struct ledger_end *end, int64_t now_ms,
               struct err *err)
{
    int status;

    if (index_begin(index, err) != 0)
        return -1;
    /* A handler that was done would run again. A start may be forgotten: what ran at a power cut runs again anyway.
     */
    index_must_last(index);
    status = ledger_end_one(index, delivery, end, now_ms, err);
    if (status == 0 && end->group != NULL)
        status = ledger_group_end(index, delivery, end, now_ms, err);
    if (status == 0 && end->run != NULL)
        status = ledger_handler_ran(index, delivery, end->run, end->detail, now_ms, err);
    if (status == 0 && end->left != NULL)
        status = ledger_tally(index, delivery->message_id, end->left, err);
    return ledger_finish(index, status, err);
}

int ledger_filtered(struct index *index, const struct delivery *delivery, char output[static LEDGER_KEY_SIZE],
                    struct err *err)
{
    struct query query;
    int row;

    if (delivery->position == 1)
        return 0;
    if (start_of_rest(&query, index, delivery, STATEMENT_DELIVERY_FILTERED, err) != 0)
        return -1;
    row = query_next(&query, err);
    if (row == 1)
        copy_column(&query, 0, output, LEDGER_KEY_SIZE);
    query_end(&query);
    return row;
}

int ledger_replies(struct index *index, const char *address, int64_t now_ms, unsigned *count, struct err *err)
{
    char key[ADDRESS_SIZE];
    struct query query;

    if (reply_key(address, key, err) != 0 || query_start(&query, index, STATEMENT_DELIVERY_REPLIES_SINCE, err) != 0)
        return -1;
    query_text(&query, ":key", span_text(key));
    query_number(&query, ":since", now_ms - LEDGER_REPLY_WINDOW_MS);
    if (query_next(&query, err) != 1)
        return -1;
    *count = (unsigned)query_column_number(&query, 0);
    query_end(&query);
    return 0;
}
