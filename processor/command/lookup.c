#include "processor/command/lookup.h"

#include <stdio.h>
#include <string.h>

#include "common/state.h"

enum { CANDIDATES = 6 }; /* named in an error */

static void bind_filter(struct query *query, const char *name, const char *value)
{
    if (value != NULL)
        query_text(query, name, span_text(value));
}

/* What the statements have in common. */
static int start_filtered(struct query *query, struct index *index, enum statement statement,
                          const struct lookup_filter *filter, struct err *err)
{
    if (query_start(query, index, statement, err) != 0)
        return -1;
    bind_filter(query, ":state", filter->state);
    bind_filter(query, ":route", filter->route);
    bind_filter(query, ":handler", filter->handler);
    bind_filter(query, ":sender", filter->sender);
    bind_filter(query, ":subject", filter->subject);
    if (filter->since_ms != 0)
        query_number(query, ":since", filter->since_ms);
    if (filter->until_ms != 0)
        query_number(query, ":until", filter->until_ms);
    query_number(query, ":limit", filter->limit);
    return 0;
}

int lookup_start(struct query *query, struct index *index, const struct lookup_filter *filter, struct err *err)
{
    bool by_state = filter->state != NULL && state_from_word(filter->state) != STATE_COUNT;

    if (start_filtered(query, index, by_state ? STATEMENT_COMMAND_MESSAGES_IN_STATE : STATEMENT_COMMAND_MESSAGES,
                       filter, err) != 0)
        return -1;
    bind_filter(query, ":prefix", filter->id != NULL ? filter->id : "");
    return 0;
}

int lookup_choose(struct query *query, struct index *index, const struct lookup_filter *filter, const char *after,
                  bool is_waiting, struct err *err)
{
    if (start_filtered(query, index, STATEMENT_COMMAND_CHOOSE, filter, err) != 0)
        return -1;
    query_text(query, ":after", span_text(after));
    if (is_waiting)
        query_number(query, ":waiting", 1);
    return 0;
}

int lookup_deliveries(struct query *query, struct index *index, struct span id, struct err *err)
{
    if (query_start(query, index, STATEMENT_COMMAND_DELIVERIES, err) != 0)
        return -1;
    query_text(query, ":message_id", id);
    return 0;
}

int lookup_attempts(struct query *query, struct index *index, int64_t delivery, struct err *err)
{
    if (query_start(query, index, STATEMENT_COMMAND_ATTEMPTS, err) != 0)
        return -1;
    query_number(query, ":delivery_id", delivery);
    return 0;
}

int lookup_on_dead_runs(struct query *query, struct index *index, int64_t delivery, struct err *err)
{
    if (query_start(query, index, STATEMENT_COMMAND_ON_DEAD_RUNS, err) != 0)
        return -1;
    query_number(query, ":delivery_id", delivery);
    return 0;
}

bool lookup_is_state(const char *word)
{
    return state_from_word(word) != STATE_COUNT || strcmp(word, "received") == 0 || strcmp(word, "kept") == 0;
}

void lookup_word(struct query *query, int column, char word[static LOOKUP_WORD_SIZE])
{
    struct span text = query_column_text(query, column);

    snprintf(word, LOOKUP_WORD_SIZE, "%.*s", (int)text.size, text.data);
}

struct span lookup_sender(struct span sender)
{
    return sender.size == 0 ? span_text("<>") : sender;
}

static int write_recipients(struct query *message, struct json *json, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, message->index, STATEMENT_RECIPIENT_LIST, err) != 0)
        return -1;
    query_text(&query, ":message_id", query_column_text(message, LOOKUP_ID));
    json_open(json, "recipients", '[');
    while ((row = query_next(&query, err)) == 1)
        json_text(json, NULL, query_column_text(&query, 1));
    json_close(json);
    return row;
}

int lookup_json(struct query *query, struct json *json, struct err *err)
{
    json_text(json, "id", query_column_text(query, LOOKUP_ID));
    json_time(json, "received", query_column_number(query, LOOKUP_RECEIVED_MS));
    json_text(json, "state", query_column_text(query, LOOKUP_STATE));
    json_text(json, "sender", query_column_text(query, LOOKUP_SENDER));
    if (write_recipients(query, json, err) != 0)
        return -1;
    json_column_text(json, "subject", query, LOOKUP_SUBJECT);
    json_number(json, "size_bytes", query_column_number(query, LOOKUP_SIZE_BYTES));
    return 0;
}

int lookup_id(struct index *index, const char *typed, char id[static ID_SIZE], struct err *err)
{
    char prefix[ID_SIZE], names[(ID_SIZE + 1) * CANDIDATES + 1];
    struct lookup_filter filter = {.id = prefix, .limit = CANDIDATES + 1};
    struct buf list = buf_over(names, sizeof names);
    struct query query;
    int row, count = 0;

    if (!id_prefix(span_text(typed), prefix))
        return err_set(err, ERR_PERMANENT, "\"%.100s\" can't be the ID of a message", typed);
    if (lookup_start(&query, index, &filter, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1 && ++count <= CANDIDATES) {
        snprintf(id, ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, LOOKUP_ID).data);
        buf_printf(&list, "%s%s", count > 1 ? ", " : "", id);
    }
    query_end(&query);
    if (row < 0)
        return -1;
    if (count == 0)
        return err_set(err, ERR_PERMANENT, "there is no message %s", prefix);
    if (count > 1)
        return err_set(err, ERR_PERMANENT, "%s is the beginning of more than one message's ID: %s%s", prefix, names,
                       count > CANDIDATES ? ", and others" : "");
    return 0;
}
