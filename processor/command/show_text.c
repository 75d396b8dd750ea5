/* What `mailmill show` says of a message to people. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "processor/command/lookup.h"
#include "processor/command/show.h"
#include "processor/text.h"

/* ---- fields ---- */

static void print_field(FILE *out, const char *name, struct span value)
{
    (void)fprintf(out, "  %-12s", name);
    text_write(out, value);
    (void)fputc('\n', out);
}

static void print_time(const struct command_call *call, const char *name, int64_t time_ms)
{
    char time[TEXT_TIME_SIZE], age[TEXT_DURATION_SIZE];

    text_time(time_ms, time);
    text_duration(call->now_ms - time_ms, age);
    (void)fprintf(call->out.out, "  %-12s%s UTC, %s ago\n", name, time, age);
}

static int print_recipients(FILE *out, struct query *message, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, message->index, STATEMENT_RECIPIENT_LIST, err) != 0)
        return -1;
    query_text(&query, ":message_id", query_column_text(message, LOOKUP_ID));
    while ((row = query_next(&query, err)) == 1)
        print_field(out, "recipient", query_column_text(&query, 1));
    return row;
}

static void print_client(FILE *out, struct query *message)
{
    struct span tls = query_column_text(message, LOOKUP_TLS);

    (void)fprintf(out, "  %-12s", "client");
    text_write(out, query_column_text(message, LOOKUP_CLIENT_ADDRESS));
    (void)fputs(", which called itself ", out);
    text_write(out, query_column_text(message, LOOKUP_CLIENT_HELO));
    (void)fputs(", by ", out);
    text_write(out, query_column_text(message, LOOKUP_CLIENT_PROTOCOL));
    (void)fputs(tls.size > 0 ? ", " : "", out);
    text_write(out, tls);
    (void)fputc('\n', out);
}

static void print_file(const struct command_call *call, struct query *message, const char *file)
{
    if (file[0] == '\0' && !query_column_is_null(message, LOOKUP_GONE_MS))
        print_time(call, "file removed", query_column_number(message, LOOKUP_GONE_MS));
    else
        print_field(call->out.out, "file", span_text(file[0] != '\0' ? file : "no longer in the spool"));
}

static int print_envelope(const struct command_call *call, struct query *message, const char *file, struct err *err)
{
    FILE *out = call->out.out;
    char size[TEXT_SIZE_SIZE];

    term_write(&call->out, TERM_BOLD, "Envelope");
    (void)fputc('\n', out);
    print_time(call, "received", query_column_number(message, LOOKUP_RECEIVED_MS));
    print_field(out, "sender", lookup_sender(query_column_text(message, LOOKUP_SENDER)));
    if (print_recipients(out, message, err) != 0)
        return -1;
    print_client(out, message);
    text_size((uint64_t)query_column_number(message, LOOKUP_SIZE_BYTES), size);
    print_field(out, "size", span_text(size));
    print_file(call, message, file);
    return 0;
}

static void print_headers(const struct term *term, struct query *message)
{
    static const struct {
        const char *name;
        enum lookup_column column;
    } headers[] = {
        {"Subject", LOOKUP_SUBJECT},
        {"From", LOOKUP_HEADER_FROM},
        {"To", LOOKUP_HEADER_TO},
        {"Date", LOOKUP_HEADER_DATE},
        {"Reply-To", LOOKUP_HEADER_REPLY_TO},
        {"Message-ID", LOOKUP_HEADER_MESSAGE_ID},
        {"List-ID", LOOKUP_HEADER_LIST_ID},
        {"no reply", LOOKUP_NO_REPLY},
    };

    term_write(term, TERM_BOLD, "Headers");
    (void)fputs(query_column_is_null(message, LOOKUP_SUBJECT) ? " (not read yet)\n" : "\n", term->out);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (query_column_text(message, (int)headers[i].column).size > 0)
            print_field(term->out, headers[i].name, query_column_text(message, (int)headers[i].column));
}

/* ---- attempts ---- */

/* How an attempt ended: in the words that were written down, else by its exit code or signal. */
static void print_reason(FILE *out, struct query *attempt)
{
    struct span detail = query_column_text(attempt, ATTEMPT_DETAIL);
    int signal_number = (int)query_column_number(attempt, ATTEMPT_SIGNAL);
    const char *signal_name = sigabbrev_np(signal_number);

    if (detail.size > 0) {
        (void)fputs(", ", out);
        text_write(out, detail);
    } else if (!query_column_is_null(attempt, ATTEMPT_EXIT_CODE)) {
        (void)fprintf(out, ", exit code %d", (int)query_column_number(attempt, ATTEMPT_EXIT_CODE));
    } else if (!query_column_is_null(attempt, ATTEMPT_SIGNAL)) {
        (void)fprintf(out, ", signal %d (%s)", signal_number, signal_name != NULL ? signal_name : "?");
    }
}

static void print_duration(FILE *out, struct query *attempt, int64_t now_ms)
{
    int64_t started_ms = query_column_number(attempt, ATTEMPT_STARTED_MS);
    char duration[TEXT_DURATION_SIZE];

    if (query_column_is_null(attempt, ATTEMPT_ENDED_MS)) {
        text_duration(now_ms - started_ms, duration);
        (void)fprintf(out, " for %s", duration);
    } else {
        (void)fprintf(out, ", %.3f s", (double)(query_column_number(attempt, ATTEMPT_ENDED_MS) - started_ms) / 1000);
    }
}

static void print_output(FILE *out, const char *name, struct span output)
{
    if (output.size == 0)
        return;
    (void)fprintf(out, "    %s:\n", name);
    text_write_lines(out, output, "      | ");
}

/* One of a handler, or, `what` being something else, of what has the same columns. */
static void print_attempt(const struct command_call *call, const char *what, struct query *attempt)
{
    FILE *out = call->out.out;
    char time[TEXT_TIME_SIZE], outcome[LOOKUP_WORD_SIZE];

    text_time(query_column_number(attempt, ATTEMPT_STARTED_MS), time);
    lookup_word(attempt, ATTEMPT_OUTCOME, outcome);
    (void)fprintf(out, "  %s %lld, %s UTC: ", what, (long long)query_column_number(attempt, ATTEMPT_NUMBER), time);
    term_write(&call->out, term_state_colour(outcome), outcome);
    print_duration(out, attempt, call->now_ms);
    print_reason(out, attempt);
    (void)fputc('\n', out);
    print_output(out, "stdout", query_column_text(attempt, ATTEMPT_STDOUT));
    print_output(out, "stderr", query_column_text(attempt, ATTEMPT_STDERR));
}

static int print_attempts(const struct command_call *call, int64_t delivery, struct query *message, struct err *err)
{
    struct query attempt;
    int row;

    if (lookup_attempts(&attempt, message->index, delivery, err) != 0)
        return -1;
    while ((row = query_next(&attempt, err)) == 1)
        print_attempt(call, "attempt", &attempt);
    if (row < 0 || lookup_on_dead_runs(&attempt, message->index, delivery, err) != 0)
        return -1;
    while ((row = query_next(&attempt, err)) == 1)
        print_attempt(call, "on-dead run", &attempt);
    return row;
}

/* ---- deliveries ---- */

static void print_due(const struct command_call *call, struct query *delivery)
{
    int64_t due_ms = query_column_number(delivery, DELIVERY_DUE_MS);
    char wait[TEXT_DURATION_SIZE];

    if (query_column_is_null(delivery, DELIVERY_DUE_MS))
        return;
    text_duration(due_ms - call->now_ms, wait);
    (void)fprintf(call->out.out, ", due %s%s", due_ms > call->now_ms ? "in " : "now",
                  due_ms > call->now_ms ? wait : "");
}

static void print_delivery(const struct command_call *call, struct query *delivery)
{
    FILE *out = call->out.out;
    char state[LOOKUP_WORD_SIZE];
    int64_t replay = query_column_number(delivery, DELIVERY_REPLAY);

    lookup_word(delivery, DELIVERY_STATE, state);
    (void)fputc('\n', out);
    term_write(&call->out, TERM_BOLD, "Delivery");
    (void)fputs(" to ", out);
    text_write(out, query_column_text(delivery, DELIVERY_RECIPIENT));
    (void)fputs(", route ", out);
    text_write(out, query_column_text(delivery, DELIVERY_ROUTE));
    (void)fputs(", handler ", out);
    text_write(out, query_column_text(delivery, DELIVERY_HANDLER));
    (void)fputs(": ", out);
    term_write(&call->out, term_state_colour(state), state);
    print_due(call, delivery);
    if (replay > 0)
        (void)fprintf(out, ", asked for again %lld time%s", (long long)replay, replay == 1 ? "" : "s");
    (void)fputc('\n', out);
    /* The last attempt's reason stands with it; what was never attempted has one of its own. */
    if (query_column_number(delivery, DELIVERY_ATTEMPTS) == 0 &&
        query_column_text(delivery, DELIVERY_DETAIL).size > 0)
        print_field(out, "because", query_column_text(delivery, DELIVERY_DETAIL));
    if (query_column_text(delivery, DELIVERY_REPLIED_TO).size > 0)
        print_field(out, "replied to", query_column_text(delivery, DELIVERY_REPLIED_TO));
}

static int print_deliveries(const struct command_call *call, struct query *message, struct err *err)
{
    struct query delivery;
    int row, count = 0;

    if (lookup_deliveries(&delivery, message->index, query_column_text(message, LOOKUP_ID), err) != 0)
        return -1;
    for (; (row = query_next(&delivery, err)) == 1; count++) {
        print_delivery(call, &delivery);
        if (print_attempts(call, query_column_number(&delivery, DELIVERY_ID), message, err) != 0) {
            query_end(&delivery);
            return -1;
        }
    }
    if (row == 0 && count == 0)
        (void)fprintf(call->out.out, "\nNo deliveries: %s.\n",
                      query_column_is_null(message, LOOKUP_QUEUED_MS) ? "the processor has not taken it in yet"
                                                                      : "no route has a handler for it");
    return row;
}

int show_text(const struct command_call *call, struct query *message, const char *file, struct err *err)
{
    char state[LOOKUP_WORD_SIZE], id[LOOKUP_WORD_SIZE + 1];

    lookup_word(message, LOOKUP_STATE, state);
    snprintf(id, sizeof id, "%.16s", query_column_text(message, LOOKUP_ID).data);
    term_write(&call->out, TERM_BOLD, id);
    (void)fputs("  ", call->out.out);
    term_write(&call->out, term_state_colour(state), state);
    (void)fputs("\n\n", call->out.out);
    if (print_envelope(call, message, file, err) != 0)
        return -1;
    (void)fputc('\n', call->out.out);
    print_headers(&call->out, message);
    return print_deliveries(call, message, err);
}
