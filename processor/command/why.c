/* mailmill why: what was refused, of mail from or to an address, or from a client. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/route.h"
#include "processor/command/commands.h"
#include "processor/command/lookup.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"
#include "processor/command/refused.h"
#include "processor/command/table.h"
#include "processor/json.h"
#include "processor/text.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100000, MESSAGES_LOOKED_AT = 100000 };
static const char since_default[] = "7d";

enum { WHY_LIMIT, WHY_SINCE, WHY_JSON, WHY_OPTIONS };
static const struct option_row rows[WHY_OPTIONS] = {
    [WHY_LIMIT] = {'n', "limit", "N", "show the latest N; 50 if not given"},
    [WHY_SINCE] = {0, "since", "DURATION", "those within this time, such as 2h; 7d if not given"},
    [WHY_JSON] = {0, "json", NULL, "print a JSON array of objects, one a line"},
};

/* Columns of the statement command_rejections. */
enum column { COLUMN_TIME_MS, COLUMN_CLIENT, COLUMN_HELO, COLUMN_SENDER, COLUMN_RECIPIENT, COLUMN_REPLY };

enum { WHY_COLUMNS = 5 };
static const struct table_column columns[WHY_COLUMNS] = {
    {"REFUSED (UTC)", TABLE_FIXED}, {"CLIENT", TABLE_FIXED},   {"SENDER", TABLE_FLEXIBLE},
    {"RECIPIENT", TABLE_FLEXIBLE},  {"REPLY", TABLE_FLEXIBLE},
};

/* What is asked for. */
struct question {
    const char *address; /* or "@" and a domain; NULL: any */
    const char *client;  /* an IP address in its usual form; NULL: any */
    char storage[ADDRESS_SIZE];
    int64_t since_ms;
    int64_t limit;
    bool as_json;
};

/* ---- the command line ---- */

/* An IP address however it was written, "local", or an address of mail. */
static int read_operand(struct command_call *call, struct question *question, const char *typed)
{
    struct buf text = buf_over(question->storage, sizeof question->storage);
    struct address address;
    struct in6_addr ip;
    struct err err = {0};
    int family = strchr(typed, ':') != NULL ? AF_INET6 : AF_INET;

    if (strcmp(typed, "local") == 0) {
        question->client = typed;
    } else if (strchr(typed, '@') == NULL && inet_pton(family, typed, &ip) == 1) {
        question->client = inet_ntop(family, &ip, question->storage, sizeof question->storage);
    } else if (typed[0] == '@' && address_domain_is_valid(span_text(typed + 1))) {
        question->address = typed;
    } else if (address_parse(&address, naming_address(typed), &err) == 0) {
        buf_put_text(&text, address.text);
        question->address = question->storage;
    } else {
        return options_refuse(call, "%s; nor is it an IP address", err.text);
    }
    return COMMAND_GO_ON;
}

static int read_option(struct command_call *call, struct question *question, int option, const char *argument)
{
    unsigned long long limit;
    int64_t ago_ms;

    if (option == WHY_JSON) {
        question->as_json = true;
    } else if (option == WHY_LIMIT) {
        if (span_number(span_text(argument), LIMIT_MAX, &limit) != 0 || limit == 0)
            return options_refuse(call, "--limit is a number from 1 to %d", LIMIT_MAX);
        question->limit = (int64_t)limit;
    } else {
        if (config_parse_duration(argument, &ago_ms) != 0)
            return options_refuse(call, "--since is digits and s, m, h or d, such as 2d");
        question->since_ms = ago_ms < call->now_ms ? call->now_ms - ago_ms : 0;
    }
    return COMMAND_GO_ON;
}

static int read_options(struct command_call *call, struct question *question)
{
    struct options options = options_start(call, rows, WHY_OPTIONS);
    int option = OPTIONS_END, status = read_option(call, question, WHY_SINCE, since_default);

    while (status == COMMAND_GO_ON && (option = options_next(&options)) >= 0)
        status = read_option(call, question, option, options.argument);
    if (status != COMMAND_GO_ON)
        return status;
    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count > 1)
        return options_refuse(call, "unexpected argument %.100s", options.operands[1]);
    return options.operand_count == 0 ? COMMAND_GO_ON : read_operand(call, question, options.operands[0]);
}

/* ---- what is not in the index yet ---- */

static bool matches(const char *wanted, struct span address)
{
    struct span text = span_text(wanted);

    if (text.data[0] == '@' && address.size > text.size)
        address = span_slice(address, address.size - text.size, address.size);
    return span_equal_nocase(text, address);
}

static bool is_asked_for(const struct question *question, const struct rejection *rejection)
{
    return rejection->time_ms >= question->since_ms &&
           (question->client == NULL || span_equal(span_text(question->client), rejection->client)) &&
           (question->address == NULL || matches(question->address, rejection->sender) ||
            matches(question->address, rejection->recipient));
}

static int64_t count_waiting(struct refused *refused, const struct question *question, int64_t last_id)
{
    struct rejection rejection;
    int64_t count = 0;

    refused_start(refused, last_id);
    while (refused_next(refused, &rejection))
        count += is_asked_for(question, &rejection);
    return count;
}

/* ---- what is in it ---- */

static int find_last_id(struct command_call *call, int64_t *last_id, struct err *err)
{
    struct query query;

    *last_id = 0;
    if (call->index.db == NULL)
        return 0;
    if (query_start(&query, &call->index, STATEMENT_COMMAND_REJECTION_LAST, err) != 0 || query_next(&query, err) != 1)
        return -1;
    *last_id = query_column_number(&query, 0);
    query_end(&query);
    return 0;
}

static void bind_question(struct query *query, const struct question *question)
{
    if (question->address != NULL)
        query_text(query, ":address", span_text(question->address));
    if (question->client != NULL)
        query_text(query, ":client", span_text(question->client));
}

/* Not of all that there ever was: `looked_at` is of how many. */
static int count_accepted(struct command_call *call, const struct question *question, int64_t *count,
                          int64_t *looked_at, struct err *err)
{
    char after[ID_SIZE];
    struct query query;

    *count = *looked_at = 0;
    if (call->index.db == NULL)
        return 0;
    id_make(question->since_ms, 0, after);
    if (query_start(&query, &call->index, STATEMENT_COMMAND_ACCEPTED, err) != 0)
        return -1;
    bind_question(&query, question);
    query_text(&query, ":after", span_text(after));
    query_number(&query, ":most", MESSAGES_LOOKED_AT);
    if (query_next(&query, err) != 1)
        return -1;
    *count = query_column_number(&query, 0);
    *looked_at = query_column_number(&query, 1);
    query_end(&query);
    return 0;
}

/* ---- one after the other ---- */

typedef void show_rejection(void *output, const struct rejection *rejection);

static void add_row(void *output, const struct rejection *rejection)
{
    struct table *table = output;
    char time[TEXT_TIME_SIZE];

    text_time(rejection->time_ms, time);
    table_add(table, span_text(time), TERM_PLAIN);
    table_add(table, rejection->client, TERM_PLAIN);
    table_add(table, lookup_sender(rejection->sender), TERM_PLAIN);
    table_add(table, rejection->recipient.size > 0 ? rejection->recipient : span_text("-"), TERM_PLAIN);
    table_add(table, rejection->reply, TERM_PLAIN);
}

static void write_object(void *output, const struct rejection *rejection)
{
    struct json *json = output;

    json_open(json, NULL, '{');
    json_time(json, "time", rejection->time_ms);
    json_text(json, "client_address", rejection->client);
    json_text(json, "client_helo", rejection->helo);
    json_text(json, "sender", rejection->sender);
    json_text(json, "recipient", rejection->recipient);
    json_text(json, "reply", rejection->reply);
    json_close(json);
}

static int show_from_index(struct command_call *call, const struct question *question, int64_t limit,
                           show_rejection *show, void *output, struct err *err)
{
    struct query query;
    int row;

    if (call->index.db == NULL)
        return 0;
    if (query_start(&query, &call->index, STATEMENT_COMMAND_REJECTIONS, err) != 0)
        return -1;
    bind_question(&query, question);
    query_number(&query, ":since", question->since_ms);
    query_number(&query, ":limit", limit);
    while ((row = query_next(&query, err)) == 1)
        show(output, &(struct rejection){.time_ms = query_column_number(&query, COLUMN_TIME_MS),
                                         .client = query_column_text(&query, COLUMN_CLIENT),
                                         .helo = query_column_text(&query, COLUMN_HELO),
                                         .sender = query_column_text(&query, COLUMN_SENDER),
                                         .recipient = query_column_text(&query, COLUMN_RECIPIENT),
                                         .reply = query_column_text(&query, COLUMN_REPLY)});
    return row;
}

/* The latest so many: those still to be brought in came behind all that have been. */
static int show_all(struct command_call *call, const struct question *question, struct refused *refused,
                    show_rejection *show, void *output, struct err *err)
{
    struct rejection rejection;
    int64_t last_id, waiting, left_out;

    if (find_last_id(call, &last_id, err) != 0)
        return -1;
    waiting = count_waiting(refused, question, last_id);
    left_out = waiting > question->limit ? waiting - question->limit : 0;
    if (show_from_index(call, question, question->limit - (waiting - left_out), show, output, err) != 0)
        return -1;
    refused_start(refused, last_id);
    while (refused_next(refused, &rejection))
        if (is_asked_for(question, &rejection) && left_out-- <= 0)
            show(output, &rejection);
    return 0;
}

/* ---- what is said beside it ---- */

static void say_route(struct command_call *call, const struct question *question)
{
    struct address address;
    struct route_match match;
    struct err err;

    if (question->address[0] == '@' || address_parse(&address, span_text(question->address), &err) != 0)
        return;
    match = route_find(&call->config, &address);
    if (match.verdict == ROUTE_FOUND)
        (void)fprintf(call->out.out, "Mail to it takes the route %s.\n", match.route->pattern);
    else if (match.verdict == ROUTE_UNKNOWN_USER)
        (void)fputs("Mail to it has no route, though its domain is ours: see mailmill explain.\n", call->out.out);
}

static int say_rest(struct command_call *call, const struct question *question, bool found, struct err *err)
{
    const char *whom = question->address != NULL ? question->address : question->client;
    char since[TEXT_MINUTE_SIZE];
    int64_t accepted = 0, looked_at = 0;

    if (whom != NULL && count_accepted(call, question, &accepted, &looked_at, err) != 0)
        return -1;
    text_minute(question->since_ms, since);
    if (found)
        (void)fputc('\n', call->out.out);
    else
        (void)fprintf(call->out.out, "Nothing %s%s was refused since %s UTC.\n",
                      question->address != NULL  ? "from or to "
                      : question->client != NULL ? "from "
                                                 : "at all",
                      whom != NULL ? whom : "", since);
    if (!call->config.record_rejections)
        (void)fputs("record-rejections is false: only the log says what is refused.\n", call->out.out);
    if (whom != NULL)
        (void)fprintf(call->out.out, "%lld message%s %s it %s accepted %s%s%s.\n", (long long)accepted,
                      accepted == 1 ? "" : "s", question->address != NULL ? "from or to" : "from",
                      accepted == 1 ? "was" : "were",
                      looked_at < MESSAGES_LOOKED_AT ? "since " : "among the latest 100000",
                      looked_at < MESSAGES_LOOKED_AT ? since : "", looked_at < MESSAGES_LOOKED_AT ? " UTC" : "");
    if (question->address != NULL)
        say_route(call, question);
    return 0;
}

static int print_text(struct command_call *call, const struct question *question, struct refused *refused,
                      bool *found, struct err *err)
{
    struct table table = {.columns = columns, .column_count = WHY_COLUMNS};
    int status = show_all(call, question, refused, add_row, &table, err);

    *found = table.count > 0;
    if (status == 0 && *found)
        status = table_print(&table, &call->out, err);
    table_free(&table);
    return status == 0 ? say_rest(call, question, *found, err) : status;
}

static int print_json(struct command_call *call, const struct question *question, struct refused *refused,
                      bool *found, struct err *err)
{
    struct json json = {.out = call->out.out};
    int status;

    json_open(&json, NULL, '[');
    status = show_all(call, question, refused, write_object, &json, err);
    *found = json.has_members[0];
    json_close(&json);
    return status;
}

int command_why(struct command_call *call)
{
    struct question question = {.limit = LIMIT_DEFAULT};
    struct refused refused = {0};
    struct err err = {0};
    bool is_missing, found = false;
    int status = read_options(call, &question);

    if (status != COMMAND_GO_ON || (status = command_open_config(call)) != COMMAND_GO_ON)
        return status;
    if (refused_open(&refused, call->config.index, &err) != 0)
        return command_fail(call, &err);
    status = command_open_index(call, INDEX_READER, &is_missing);
    if (status == COMMAND_GO_ON) {
        status = (question.as_json ? print_json : print_text)(call, &question, &refused, &found, &err);
        status = status != 0 ? command_fail(call, &err) : found ? COMMAND_OK : COMMAND_NOTHING;
    }
    refused_close(&refused);
    return status;
}
