/* mailmill metrics: how things stand and what has happened, in figures. */
#include <stdio.h>
#include <string.h>

#include "processor/command/commands.h"
#include "processor/command/exposition.h"
#include "processor/command/options.h"
#include "processor/command/overview.h"
#include "processor/command/refused.h"

enum { REASON_SIZE = 16, REASONS_MAX = 64 };

/* Rejections by their reasons, which are those of the table refusal. */
struct reasons {
    struct reason {
        char name[REASON_SIZE];
        int64_t count;
    } list[REASONS_MAX];
    size_t count;
};

/* ---- what was refused ---- */

/* What no receiver of ours says, as there are fewer reasons, is counted with the last one. */
static void add_reason(struct reasons *reasons, struct span name, int64_t count)
{
    size_t i = 0;

    while (i < reasons->count && !span_equal(span_text(reasons->list[i].name), name))
        i++;
    if (i == REASONS_MAX) {
        i--;
    } else if (i == reasons->count) {
        struct buf copy = buf_over(reasons->list[i].name, REASON_SIZE);

        buf_put(&copy, i + 1 < REASONS_MAX ? name : span_text("other"));
        reasons->count++;
    }
    reasons->list[i].count += count;
}

/* Whether `reply` begins so; '4' stands for 4 or 5, '0' for any digit. */
static bool has_form(struct span reply, const char *form)
{
    size_t size = strlen(form);

    if (reply.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        char byte = reply.data[i];
        bool fits = form[i] == '4'   ? byte == '4' || byte == '5'
                    : form[i] == '0' ? byte >= '0' && byte <= '9'
                                     : byte == form[i];

        if (!fits)
            return false;
    }
    return true;
}

/* As the trigger rejection_counted does it. */
static struct span reason_of(struct span reply)
{
    if (has_form(reply, "400 4.0.0 "))
        return span_slice(reply, 0, 9);
    return has_form(reply, "400 ") ? span_slice(reply, 0, 3) : span_text("other");
}

static int count_indexed(struct command_call *call, struct reasons *reasons, int64_t *last_id, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, &call->index, STATEMENT_COMMAND_REJECTION_LAST, err) != 0 || query_next(&query, err) != 1)
        return -1;
    *last_id = query_column_number(&query, 0);
    query_end(&query);
    if (query_start(&query, &call->index, STATEMENT_METRICS_REFUSED, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        add_reason(reasons, query_column_text(&query, 0), query_column_number(&query, 1));
    return row;
}

static int print_refused(struct command_call *call, struct refused *refused, struct err *err)
{
    static const char name[] = "mailmill_rejections_total";
    struct reasons reasons = {0};
    struct rejection rejection;
    int64_t last_id = 0;

    if (call->index.db != NULL && count_indexed(call, &reasons, &last_id, err) != 0)
        return -1;
    refused_start(refused, last_id);
    while (refused_next(refused, &rejection))
        add_reason(&reasons, reason_of(rejection.reply), 1);
    exposition_family(call->out.out, name, "counter",
                      "Refused recipients and messages, by the code and the status of the reply.");
    for (size_t i = 0; i < reasons.count; i++)
        exposition_sample(call->out.out, name,
                          (const struct exposition_label[]){{"reason", span_text(reasons.list[i].name)}, {0}},
                          reasons.list[i].count);
    return 0;
}

/* ---- out of the index ---- */

static int print_received(struct command_call *call, struct err *err)
{
    static const char name[] = "mailmill_received_total";
    struct query query;

    if (query_start(&query, &call->index, STATEMENT_METRICS_RECEIVED, err) != 0 || query_next(&query, err) != 1)
        return -1;
    exposition_family(call->out.out, name, "counter", "Messages that were accepted.");
    exposition_sample(call->out.out, name, NULL, query_column_number(&query, 0));
    query_end(&query);
    return 0;
}

/* A sample for each row, which has a route, a handler, the value of a third label, and a number. */
static int print_by_handler(struct command_call *call, enum statement statement, const char *name, const char *label,
                            struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, &call->index, statement, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        exposition_sample(call->out.out, name,
                          (const struct exposition_label[]){{"route", query_column_text(&query, 0)},
                                                            {"handler", query_column_text(&query, 1)},
                                                            {label, query_column_text(&query, 2)},
                                                            {0}},
                          query_column_number(&query, 3));
    return row;
}

/* The bucket without a bound is the last of its handler's. */
static void print_bucket(FILE *out, struct query *query)
{
    char storage[EXPOSITION_SECONDS_SIZE];
    struct buf bound = buf_over(storage, sizeof storage);
    bool is_last = query_column_number(query, 2) == INT64_MAX;
    struct exposition_label labels[] = {
        {"route", query_column_text(query, 0)}, {"handler", query_column_text(query, 1)}, {"le", {0}}, {0}};

    if (is_last)
        buf_put_text(&bound, "+Inf");
    else
        exposition_put_seconds(&bound, query_column_number(query, 2));
    labels[2].value = buf_span(&bound);
    exposition_sample(out, "mailmill_attempt_seconds_bucket", labels, query_column_number(query, 3));
    if (!is_last)
        return;
    labels[2].name = NULL;
    exposition_seconds(out, "mailmill_attempt_seconds_sum", labels, query_column_number(query, 4));
    exposition_sample(out, "mailmill_attempt_seconds_count", labels, query_column_number(query, 3));
}

static int print_times(struct command_call *call, struct err *err)
{
    struct query query;
    int row;

    exposition_family(call->out.out, "mailmill_attempt_seconds", "histogram", "What ended attempts took.");
    if (query_start(&query, &call->index, STATEMENT_METRICS_TIMES, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        print_bucket(call->out.out, &query);
    return row;
}

/* One family after the other, of the same rows. */
static int print_store(struct command_call *call, const char *name, int column, const char *help, struct err *err)
{
    struct query query;
    int row;

    exposition_family(call->out.out, name, "gauge", help);
    if (query_start(&query, &call->index, STATEMENT_METRICS_STORE, err) != 0)
        return -1;
    while ((row = query_next(&query, err)) == 1)
        exposition_sample(call->out.out, name,
                          (const struct exposition_label[]){{"state", query_column_text(&query, 0)}, {0}},
                          query_column_number(&query, column));
    return row;
}

static int print_index(struct command_call *call, struct err *err)
{
    FILE *out = call->out.out;

    if (print_received(call, err) != 0)
        return -1;
    exposition_family(out, "mailmill_deliveries", "gauge", "Deliveries in the history, by their state.");
    if (print_by_handler(call, STATEMENT_METRICS_DELIVERIES, "mailmill_deliveries", "state", err) != 0)
        return -1;
    exposition_family(out, "mailmill_attempts_total", "counter", "Attempts that have ended, by their outcome.");
    if (print_by_handler(call, STATEMENT_METRICS_ATTEMPTS, "mailmill_attempts_total", "outcome", err) != 0 ||
        print_times(call, err) != 0)
        return -1;
    return print_store(call, "mailmill_spool_files", 1, "Messages in the spool.", err) != 0
               ? -1
               : print_store(call, "mailmill_spool_bytes", 2, "The size of the messages in the spool.", err);
}

/* ---- how things stand ---- */

static void print_gauge(FILE *out, const char *name, const char *help, int64_t value)
{
    exposition_family(out, name, "gauge", help);
    exposition_sample(out, name, NULL, value);
}

static void print_pauses(FILE *out, const struct overview *overview)
{
    static const char name[] = "mailmill_handler_paused";

    exposition_family(out, name, "gauge", "Whether a handler is paused, by the operator or for its failures.");
    for (size_t i = 0; i < overview->handler_count; i++) {
        const struct overview_handler *handler = &overview->handlers[i];

        exposition_sample(out, name,
                          (const struct exposition_label[]){
                              {"route", span_text(handler->route)}, {"handler", span_text(handler->handler)}, {0}},
                          handler->pause.by[0] != '\0');
    }
}

static void print_overview(const struct command_call *call, const struct overview *overview)
{
    static const char oldest[] = "mailmill_oldest_waiting_seconds";
    FILE *out = call->out.out;

    print_gauge(out, "mailmill_processor_up", "Whether the processor runs.", overview->is_alive);
    if (overview->has_spool)
        print_gauge(out, "mailmill_spool_free_bytes", "Free space in the file system of the spool.",
                    (int64_t)overview->free_bytes);
    exposition_family(out, oldest, "gauge", "How long what waits longest has waited; 0 where nothing does.");
    exposition_seconds(
        out, oldest, NULL,
        overview->has_waiting && call->now_ms > overview->oldest_ms ? call->now_ms - overview->oldest_ms : 0);
    print_pauses(out, overview);
}

static int print_all(struct command_call *call, struct refused *refused)
{
    struct overview overview = {0};
    struct err err = {0};
    int status = overview_gather(&overview, call, &err);

    if (status == 0) {
        print_overview(call, &overview);
        status = print_refused(call, refused, &err);
    }
    if (status == 0 && overview.has_index)
        status = print_index(call, &err);
    overview_free(&overview);
    return status == 0 ? COMMAND_OK : command_fail(call, &err);
}

int command_metrics(struct command_call *call)
{
    struct options options = options_start(call, NULL, 0);
    struct refused refused = {0};
    struct err err = {0};
    bool has_no_spool, has_no_index;
    int status;

    if (options_next(&options) == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_spool(call, &has_no_spool)) != COMMAND_GO_ON)
        return status;
    if (refused_open(&refused, call->config.index, &err) != 0)
        return command_fail(call, &err);
    status = command_open_index(call, INDEX_READER, &has_no_index);
    if (status == COMMAND_GO_ON)
        status = print_all(call, &refused);
    refused_close(&refused);
    return status;
}
