/* What `mailmill show --json` says of a message to programs. */
#include "processor/command/lookup.h"
#include "processor/command/show.h"

static void write_client(struct json *json, struct query *message)
{
    json_open(json, "client", '{');
    json_column_text(json, "address", message, LOOKUP_CLIENT_ADDRESS);
    json_column_text(json, "helo", message, LOOKUP_CLIENT_HELO);
    json_column_text(json, "protocol", message, LOOKUP_CLIENT_PROTOCOL);
    json_column_text(json, "tls", message, LOOKUP_TLS);
    json_close(json);
}

static void write_headers(struct json *json, struct query *message)
{
    json_open(json, "headers", '{');
    json_column_text(json, "from", message, LOOKUP_HEADER_FROM);
    json_column_text(json, "to", message, LOOKUP_HEADER_TO);
    json_column_text(json, "date", message, LOOKUP_HEADER_DATE);
    json_column_text(json, "reply_to", message, LOOKUP_HEADER_REPLY_TO);
    json_column_text(json, "message_id", message, LOOKUP_HEADER_MESSAGE_ID);
    json_column_text(json, "list_id", message, LOOKUP_HEADER_LIST_ID);
    json_close(json);
}

/* The rest of a query's rows, all of which have the columns of attempts. */
static int write_runs(struct json *json, const char *name, struct query *attempt, struct err *err)
{
    int row;

    json_open(json, name, '[');
    while ((row = query_next(attempt, err)) == 1) {
        json_open(json, NULL, '{');
        json_column_number(json, "number", attempt, ATTEMPT_NUMBER);
        json_column_time(json, "started", attempt, ATTEMPT_STARTED_MS);
        json_column_time(json, "ended", attempt, ATTEMPT_ENDED_MS);
        json_column_text(json, "outcome", attempt, ATTEMPT_OUTCOME);
        json_column_number(json, "exit_code", attempt, ATTEMPT_EXIT_CODE);
        json_column_number(json, "signal", attempt, ATTEMPT_SIGNAL);
        json_column_text(json, "detail", attempt, ATTEMPT_DETAIL);
        json_column_text(json, "stdout", attempt, ATTEMPT_STDOUT);
        json_column_text(json, "stderr", attempt, ATTEMPT_STDERR);
        json_close(json);
    }
    json_close(json);
    return row;
}

static int write_attempts(struct json *json, struct index *index, int64_t delivery, struct err *err)
{
    struct query query;

    if (lookup_attempts(&query, index, delivery, err) != 0 || write_runs(json, "attempts", &query, err) != 0 ||
        lookup_on_dead_runs(&query, index, delivery, err) != 0)
        return -1;
    return write_runs(json, "on_dead_runs", &query, err);
}

static int write_delivery(struct json *json, struct query *delivery, struct err *err)
{
    int status;

    json_open(json, NULL, '{');
    json_column_text(json, "recipient", delivery, DELIVERY_RECIPIENT);
    json_column_text(json, "route", delivery, DELIVERY_ROUTE);
    json_column_text(json, "handler", delivery, DELIVERY_HANDLER);
    json_column_text(json, "state", delivery, DELIVERY_STATE);
    json_column_time(json, "due", delivery, DELIVERY_DUE_MS);
    json_column_time(json, "queued", delivery, DELIVERY_QUEUED_MS);
    json_column_time(json, "ended", delivery, DELIVERY_ENDED_MS);
    json_column_number(json, "replay", delivery, DELIVERY_REPLAY);
    json_column_text(json, "replied_to", delivery, DELIVERY_REPLIED_TO);
    json_column_text(json, "detail", delivery, DELIVERY_DETAIL);
    status = write_attempts(json, delivery->index, query_column_number(delivery, DELIVERY_ID), err);
    json_close(json);
    return status;
}

static int write_deliveries(struct json *json, struct query *message, struct err *err)
{
    struct query delivery;
    int row;

    if (lookup_deliveries(&delivery, message->index, query_column_text(message, LOOKUP_ID), err) != 0)
        return -1;
    json_open(json, "deliveries", '[');
    while ((row = query_next(&delivery, err)) == 1)
        if (write_delivery(json, &delivery, err) != 0) {
            query_end(&delivery);
            row = -1;
            break;
        }
    json_close(json);
    return row;
}

int show_json(struct json *json, struct query *message, const char *file, struct err *err)
{
    int status;

    json_open(json, NULL, '{');
    status = lookup_json(message, json, err);
    json_column_time(json, "queued", message, LOOKUP_QUEUED_MS);
    json_column_time(json, "ended", message, LOOKUP_ENDED_MS);
    json_column_text(json, "no_reply", message, LOOKUP_NO_REPLY);
    if (file[0] != '\0')
        json_text(json, "file", span_text(file));
    else
        json_null(json, "file");
    json_column_time(json, "file_removed", message, LOOKUP_GONE_MS);
    write_client(json, message);
    write_headers(json, message);
    if (status == 0)
        status = write_deliveries(json, message, err);
    json_close(json);
    return status;
}
