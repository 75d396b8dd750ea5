/* mailmill try: runs the handlers of an address, or one, and shows what would be recorded. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/program.h"
#include "common/route.h"
#include "processor/account.h"
#include "processor/command/commands.h"
#include "processor/command/inject_file.h"
#include "processor/command/naming.h"
#include "processor/command/options.h"
#include "processor/command/parse.h"
#include "processor/command/try_run.h"
#include "processor/reply.h"
#include "processor/scratch.h"
#include "processor/text.h"

enum { SHOWN_MAX = 64 * 1024 /* bytes of a letter */ };

enum { TRY_FROM, TRY_OPTIONS };
static const struct option_row rows[TRY_OPTIONS] = {
    [TRY_FROM] = {'f', "from", "ADDRESS",
                  "the message's sender; the null sender if not given, who gets no automatic reply\n"
                  "\n"
                  "The handlers run with their users and their environment, a private folder and their\n"
                  "timeouts, and what they do is done: only a letter is shown instead of being sent."},
};

/* What is to be tried, and with what. */
struct trial {
    struct command_call *call;
    struct address sender;
    const struct config_route *route;
    const struct config_handler *only; /* NULL: all of the route's */
    struct envelope envelope;
    struct delivery delivery;
    int message; /* as it was given, or as the last filter left it */
    struct message_helper helper;
    struct try try;
    bool failed; /* a handler was not done */
};

/* ---- what is asked for ---- */

/* A handler's name has no "@", but a route's may stand before it. */
static int find_target(struct trial *trial, const char *typed)
{
    struct command_call *call = trial->call;
    struct route_match match;
    struct address address;
    struct err err = {0};

    if (strchr(typed, '@') != NULL && address_parse(&address, naming_address(typed), &err) == 0) {
        match = route_find(&call->config, &address);
        if (match.verdict == ROUTE_FOUND && match.route->handler_count > 0) {
            trial->route = match.route;
            trial->delivery.address = address;
            return COMMAND_GO_ON;
        }
        command_say(call, "%s has no handler to be tried; see mailmill explain %s", address.text, address.text);
        return COMMAND_NOTHING;
    }
    trial->only = naming_find(&call->config, typed, &err);
    if (trial->only == NULL)
        return command_fail(call, &err);
    trial->route = &call->config.routes[trial->only->route];
    if (!trial->route->is_catch_all)
        trial->delivery.address = trial->route->address;
    else if (address_build(&trial->delivery.address, span_text("someone"), address_domain(&trial->route->address),
                           &err) != 0)
        return command_fail(call, &err);
    return COMMAND_GO_ON;
}

/* Who is not root can run what runs as himself. */
static int check_users(struct trial *trial)
{
    struct account own;

    if (geteuid() == 0)
        return COMMAND_GO_ON;
    account_own(&own);
    for (size_t i = 0; i < trial->route->handler_count; i++) {
        const struct config_handler *handler = &trial->route->handlers[i];
        const char *user = naming_user(&trial->call->config, handler);

        if ((trial->only == NULL || trial->only == handler) && strcmp(user, own.name) != 0) {
            command_say(trial->call, "handler %s runs as user %s, and you are %s: be root, or that user",
                        handler->name, user, own.name);
            return COMMAND_FORBIDDEN;
        }
    }
    return COMMAND_GO_ON;
}

/* ---- the message ---- */

static int read_headers(struct trial *trial, struct err *err)
{
    static struct message_answer answer;
    char path[4096];

    if (program_find(MESSAGE_PROGRAM, path, sizeof path, err) != 0 || message_start(&trial->helper, path, err) != 0 ||
        message_ask_parse(&trial->helper, 1, trial->message, false, err) != 0 ||
        parse_await(&trial->helper, &answer, err) != 0)
        return -1;
    if (answer.kind == MESSAGE_FAILED) {
        *err = answer.err;
        return -1;
    }
    trial->delivery.headers = answer.headers;
    return 0;
}

static void fill_delivery(struct trial *trial)
{
    struct delivery *delivery = &trial->delivery;
    const struct envelope *envelope = &trial->envelope;

    memcpy(delivery->message_id, envelope->id, sizeof delivery->message_id);
    delivery->sender = trial->sender;
    delivery->recipient = 1;
    delivery->attempts = 1;
    snprintf(delivery->route, sizeof delivery->route, "%s", trial->route->pattern);
    snprintf(delivery->client_address, sizeof delivery->client_address, "%s", envelope->client_address);
    snprintf(delivery->client_helo, sizeof delivery->client_helo, "%s", envelope->client_helo);
    snprintf(delivery->client_protocol, sizeof delivery->client_protocol, "%s", envelope->client_protocol);
}

static int read_message(struct trial *trial)
{
    enum inject_verdict verdict;
    struct err err = {0};

    trial->envelope.sender = trial->sender;
    if (envelope_add_recipient(&trial->envelope, &trial->delivery.address, &err) != 0 ||
        inject_complete(trial->call, &trial->envelope, &err) != 0 || scratch_open(&trial->message, &err) != 0 ||
        inject_write(trial->call, &trial->envelope, trial->message, &verdict, &err) != 0)
        return command_fail(trial->call, &err);
    if (verdict != INJECT_GOOD) {
        command_say(trial->call, "%s", inject_body_fault(verdict));
        return COMMAND_DATA;
    }
    if (read_headers(trial, &err) != 0)
        return command_fail(trial->call, &err);
    fill_delivery(trial);
    return COMMAND_GO_ON;
}

/* ---- one handler ---- */

static const char *state_after(enum verdict verdict)
{
    static const char *const words[] = {
        [VERDICT_DONE] = "done", [VERDICT_SKIP] = "done", [VERDICT_RETRY] = "retry", [VERDICT_DEAD] = "dead"};

    return words[verdict];
}

static void print_bytes(const struct trial *trial, const char *title, struct span bytes)
{
    if (bytes.size == 0)
        return;
    (void)fprintf(trial->call->out.out, "%s\n", title);
    text_write_lines(trial->call->out.out, bytes, "    ");
}

static void print_outcome(const struct trial *trial, struct try_run *run)
{
    const struct term *term = &trial->call->out;
    const struct outcome *outcome = &run->attempt->outcome;
    const char *state = state_after(outcome->verdict);

    (void)fputs("  recorded as  ", term->out);
    term_write(term, term_state_colour(state), state);
    if (outcome->detail[0] != '\0')
        (void)fprintf(term->out, ": %s", outcome->detail);
    (void)fprintf(term->out, "\n  took         %lld.%03lld s\n", (long long)(run->took_ms / 1000),
                  (long long)(run->took_ms % 1000));
    print_bytes(trial, "  standard output", capture_tail(&run->attempt->out_tail));
    print_bytes(trial, "  standard error", capture_tail(&run->attempt->errors_tail));
}

/* The letter that would be sent. */
static int print_letter(struct trial *trial, struct attempt *attempt, struct err *err)
{
    static struct message_reply reply;
    static struct message_answer answer;
    static char bytes[SHOWN_MAX];
    const struct reply_source source = {.delivery = attempt->key,
                                        .hostname = trial->call->config.hostname,
                                        .recipient = &trial->delivery.address,
                                        .to = &attempt->reply_to,
                                        .headers = &trial->delivery.headers,
                                        .now_ms = trial->call->now_ms};
    ssize_t size;

    if (scratch_open(&attempt->composed, err) != 0 || reply_prepare(&reply, &source, err) != 0 ||
        message_ask_compose(&trial->helper, 2, &reply, attempt->whole, attempt->composed, err) != 0 ||
        parse_await(&trial->helper, &answer, err) != 0)
        return -1;
    if (answer.kind == MESSAGE_FAILED) {
        *err = answer.err;
        return -1;
    }
    size = pread(attempt->composed, bytes, sizeof bytes, 0);
    if (size < 0)
        return err_system(err, "reading the letter");
    print_bytes(trial, "  letter, not sent", (struct span){bytes, (size_t)size});
    if (size == (ssize_t)sizeof bytes)
        (void)fputs("    ...\n", trial->call->out.out);
    return 0;
}

/* What the end of a run leads to: 1 the next handler, 0 none, -1 error. */
static int follow_up(struct trial *trial, const struct config_handler *handler, struct try_run *run, struct err *err)
{
    struct attempt *attempt = run->attempt;
    enum verdict verdict = attempt->outcome.verdict;

    print_outcome(trial, run);
    if (verdict != VERDICT_DONE && verdict != VERDICT_SKIP) {
        trial->failed = true;
        return verdict == VERDICT_DEAD && handler->go_on && !run->was_stopped;
    }
    if (handler->kind == HANDLER_REPLY && attempt->whole_size > 0 && print_letter(trial, attempt, err) != 0)
        return -1;
    if (handler->kind == HANDLER_FILTER) {
        (void)close(trial->message);
        trial->message = attempt->whole;
        attempt->whole = -1;
    }
    return verdict == VERDICT_DONE;
}

static int try_one(struct trial *trial, const struct config_handler *handler, struct err *err)
{
    struct reply_question question = {
        .config = &trial->call->config, .sender = &trial->sender, .headers = &trial->delivery.headers};
    struct address to = {0};
    const char *refusal;
    struct try_run run;
    int status;

    reply_destination(&trial->sender, trial->delivery.headers.reply_to, &to);
    question.to = &to;
    refusal = reply_refusal(&question);
    (void)fprintf(trial->call->out.out, "%s (%s) as %s\n", handler->name, naming_kind(handler),
                  naming_user(&trial->call->config, handler));
    if (handler->kind == HANDLER_REPLY && refusal != NULL) {
        (void)fputs("  recorded as  skipped: no reply: ", trial->call->out.out);
        text_write(trial->call->out.out, span_text(refusal));
        (void)fputc('\n', trial->call->out.out);
        return 1;
    }
    (void)fflush(trial->call->out.out);
    snprintf(trial->delivery.handler, sizeof trial->delivery.handler, "%s", handler->name);
    if (try_handler(&trial->try, handler, &trial->delivery, trial->message, refusal == NULL, &run, err) != 0)
        return -1;
    run.attempt->reply_to = to;
    status = follow_up(trial, handler, &run, err);
    try_forget(&run);
    return status;
}

static int try_all(struct trial *trial)
{
    struct err err = {0};
    int status = 1;

    for (size_t i = 0; i < trial->route->handler_count && status == 1; i++) {
        const struct config_handler *handler = &trial->route->handlers[i];

        if (trial->only == NULL || trial->only == handler)
            status = try_one(trial, handler, &err);
        else if (handler > trial->only)
            break;
    }
    if (status < 0)
        return command_fail(trial->call, &err);
    return trial->failed ? COMMAND_NOTHING : COMMAND_OK;
}

/* ---- the command ---- */

static int run(struct trial *trial, const char *typed)
{
    struct command_call *call = trial->call;
    struct err err = {0};
    int status;

    if ((status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = find_target(trial, typed)) != COMMAND_GO_ON || (status = check_users(trial)) != COMMAND_GO_ON)
        return status;
    log_open("mailmill", LOG_TO_STDERR, NULL);
    if (try_open(&trial->try, call, &err) != 0)
        status = command_fail(call, &err);
    else if ((status = read_message(trial)) == COMMAND_GO_ON)
        status = try_all(trial);
    message_stop(&trial->helper);
    try_close(&trial->try);
    if (trial->message >= 0)
        (void)close(trial->message);
    envelope_free(&trial->envelope);
    return status;
}

int command_try(struct command_call *call)
{
    static struct trial trial;
    struct options options = options_start(call, rows, TRY_OPTIONS);
    struct err err = {0};
    int option;

    trial = (struct trial){.call = call, .message = -1, .helper = {.socket = -1}, .try = {.signals = -1}};
    while ((option = options_next(&options)) >= 0) {
        struct span typed = naming_address(options.argument);

        trial.sender = (struct address){0};
        if (typed.size > 0 && address_parse(&trial.sender, typed, &err) != 0)
            return options_refuse(call, "%s", err.text);
    }
    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count != 1)
        return options_refuse(call, "one address or handler is wanted");
    return run(&trial, options.operands[0]);
}
