/*
 * webhook: POSTs the message to a URL, as it is or as JSON. What the web server answers decides what becomes of it;
 * how it is posted is in post.c, the JSON in post_body.c, the signature in secret.c.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "processor/handlers/handler.h"
#include "processor/handlers/post.h"
#include "processor/handlers/post_body.h"
#include "processor/handlers/secret.h"
#include "processor/scratch.h"

enum { TIMEOUT_DEFAULT_S = 30, TIMEOUT_MAX_S = 24 * 60 * 60 };

enum { OPTION_JSON, OPTION_SECRET_FILE, OPTION_CA_FILE, OPTION_TIMEOUT, OPTION_COUNT };
static const struct handler_option options[OPTION_COUNT] = {
    [OPTION_JSON] = {"json", NULL, "post a JSON object: envelope, headers, text, html, attachments"},
    [OPTION_SECRET_FILE] = {"secret-file", "FILE",
                            "sign what is posted with the secret in FILE, which nobody but "
                            "its owner and group may read"},
    [OPTION_CA_FILE] = {"ca-file", "FILE", "trust the authorities in FILE, in PEM, in place of the system's"},
    [OPTION_TIMEOUT] = {"timeout", "SECONDS", "try again when there is no answer after so long (30)"},
};

static const struct handler_exit exits[] = {
    {EX_OK, "done: the server answered with 2xx"},
    {EX_USAGE, "the arguments are wrong"},
    {EX_DATAERR, "the message can't be parsed, or the server does not want it (400, 411, 413, 415, 422)"},
    {EX_UNAVAILABLE, "there is no such thing on the server (404, 405, 410)"},
    {EX_IOERR, "the answer could not be printed"},
    {EX_TEMPFAIL, "try again: no connection, no answer, 408, 425, 429, 5xx"},
    {EX_PROTOCOL, "any other 4xx"},
    {EX_NOPERM, "the server says no (401, 402, 403, 407)"},
    {EX_CONFIG, "it is elsewhere (3xx); or the secret or the file of authorities can't be used"},
    {0, NULL},
};

static const struct handler handler = {
    .name = "webhook",
    .usage = "URL [--json] [--secret-file FILE] [--ca-file FILE] [--timeout SECONDS]",
    .summary = "POSTs the message to an http or https URL: as it is (message/rfc822), with the envelope in "
               "headers X-Mailmill-..., or as JSON. Idempotency-Key is the same whenever this is tried again. "
               "A certificate is always verified, a redirection never followed, and no proxy used.",
    .options = options,
    .option_count = OPTION_COUNT,
    .exits = exits,
    .example = "  route \"tickets@example.com\" {\n"
               "      handler \"open\" {\n"
               "          run = {\"webhook\", \"https://www.example.com/mail\", \"--json\",\n"
               "                 \"--secret-file=/etc/mailmill/webhook.secret\"}\n"
               "          timeout = \"2m\"\n"
               "      }\n"
               "  }\n",
};

struct wish {
    struct post post;
    bool as_json;
    const char *secret_file;
};

/* ---- arguments ---- */

static int take_timeout(const char *text, struct post *post)
{
    unsigned long long seconds;

    if (span_number(span_text(text), TIMEOUT_MAX_S, &seconds) != 0 || seconds == 0)
        return handler_refuse(&handler, "--timeout is a number of seconds, up to %d, not %.100s", TIMEOUT_MAX_S,
                              text);
    post->timeout_s = (long)seconds;
    return EX_OK;
}

/* What stands there is not repeated: it may be a secret. */
static int take_url(char *url, struct post *post)
{
    struct span text = span_text(url);

    if (post->url != NULL)
        return handler_refuse(&handler, "there is more than one URL");
    if (!span_starts_nocase(text, span_text("http://")) && !span_starts_nocase(text, span_text("https://")))
        return handler_refuse(&handler, "the URL does not begin with http:// or https://");
    post->url = url;
    return EX_OK;
}

static int take_option(const struct handler_call *call, int option, struct wish *wish)
{
    switch (option) {
    case OPTION_JSON:
        wish->as_json = true;
        break;
    case OPTION_SECRET_FILE:
        wish->secret_file = call->argument;
        break;
    case OPTION_CA_FILE:
        wish->post.ca_file = call->argument;
        break;
    case OPTION_TIMEOUT:
        return take_timeout(call->argument, &wish->post);
    }
    return EX_OK;
}

/* HANDLER_END: all of them were read; else the exit code to end with. */
static int take_arguments(struct handler_call *call, struct wish *wish)
{
    int option, status = EX_OK;
    char *operand;

    do {
        while (status == EX_OK && (option = handler_next(call)) != HANDLER_END) {
            if (option == HANDLER_STOP)
                return call->status;
            status = take_option(call, option, wish);
        }
        operand = status == EX_OK ? handler_operand(call) : NULL;
        if (operand != NULL)
            status = take_url(operand, &wish->post);
    } while (operand != NULL);
    if (status != EX_OK)
        return status;
    return wish->post.url != NULL ? HANDLER_END : handler_refuse(&handler, "the URL is missing");
}

/* ---- the answer ---- */

struct judgement {
    long first, last; /* status codes */
    int exit_code;
    const char *words;
};

/* The first row that fits. Whatever is none of HTTP's is tried again. */
static const struct judgement judgements[] = {
    {200, 299, EX_OK, "done"},
    {300, 399, EX_CONFIG, "it is elsewhere; correct the URL"},
    {408, 408, EX_TEMPFAIL, "to be tried again"},
    {425, 425, EX_TEMPFAIL, "to be tried again"},
    {429, 429, EX_TEMPFAIL, "to be tried again"},
    {400, 400, EX_DATAERR, "the server does not want this"},
    {411, 411, EX_DATAERR, "the server does not want this"},
    {413, 413, EX_DATAERR, "the server does not want this"},
    {415, 415, EX_DATAERR, "the server does not want this"},
    {422, 422, EX_DATAERR, "the server does not want this"},
    {401, 403, EX_NOPERM, "the server says no; look at its rights and at the secret"},
    {407, 407, EX_NOPERM, "the server says no; look at its rights and at the secret"},
    {404, 405, EX_UNAVAILABLE, "there is no such thing; correct the URL"},
    {410, 410, EX_UNAVAILABLE, "there is no such thing; correct the URL"},
    {400, 499, EX_PROTOCOL, "the server does not want this"},
    {0, 999, EX_TEMPFAIL, "to be tried again"},
};

static int judge(const struct post_answer *answer)
{
    const struct judgement *row = judgements;

    while (answer->status < row->first || answer->status > row->last)
        row++;
    if (row->exit_code == EX_OK) {
        printf("%ld %s\n", answer->status, answer->text);
        return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    }
    handler_say(&handler, "%ld: %s%s%s%s%s", answer->status, row->words, answer->location[0] != '\0' ? ": " : "",
                answer->location, answer->text[0] != '\0' ? "; it answers: " : "", answer->text);
    if (answer->retry_after_s > 0)
        handler_say(&handler, "it wants to be left alone for %lld seconds (Retry-After)", answer->retry_after_s);
    return row->exit_code;
}

/* ---- the handler ---- */

static int run(struct wish *wish, struct err *err)
{
    static struct post_answer answer;
    int message;

    if (scratch_open_input(&message, err) != 0)
        return handler_fail(&handler, err);
    wish->post.body = message;
    wish->post.content_type = "message/rfc822";
    if (wish->as_json) {
        wish->post.content_type = "application/json";
        if (post_body_json(message, &wish->post.body, err) != 0)
            return handler_fail(&handler, err);
    }
    if (post_send(&wish->post, &answer, err) != 0) {
        if (err->kind != ERR_PERMANENT)
            return handler_fail(&handler, err);
        handler_say(&handler, "%s", err->text);
        return EX_CONFIG;
    }
    return judge(&answer);
}

int main(int argc, char **argv)
{
    static struct wish wish = {.post = {.timeout_s = TIMEOUT_DEFAULT_S}};
    static struct secret secret;
    struct handler_call call = handler_start(&handler, argc, argv);
    struct err err = {0};
    int status = take_arguments(&call, &wish);

    if (status != HANDLER_END)
        return status;
    if (wish.secret_file != NULL) {
        if (secret_read(&secret, wish.secret_file, &err) != 0) {
            handler_say(&handler, "%s", err.text);
            return EX_CONFIG;
        }
        wish.post.secret = &secret;
    }
    status = run(&wish, &err);
    secret_forget(&secret);
    return status;
}
