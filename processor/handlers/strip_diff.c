/* strip-diff: a `filter` handler that shortens commit mails. The work is done in strip.c, in a sandbox. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "processor/handlers/handler.h"
#include "processor/handlers/strip.h"
#include "processor/scratch.h"

enum { OPTION_SKIP, OPTION_NO_DEFAULT_SKIP, OPTION_MAX_LINES, OPTION_COUNT };
static const struct handler_option options[OPTION_COUNT] = {
    [OPTION_SKIP] = {"skip", "GLOB",
                     "leave out the diffs of files that match; may be given several "
                     "times. * stands for anything, ? for one character, all else for "
                     "itself, case aside. Without a slash it is for the file's name, "
                     "else for its whole path"},
    [OPTION_NO_DEFAULT_SKIP] = {"no-default-skip", NULL, "do not leave out *.min.css *.min.js *-min.css *-min.js"},
    [OPTION_MAX_LINES] = {"max-lines", "N", "cut each file's diff behind N lines; without it none is cut"},
};

static const struct handler_exit exits[] = {
    {EX_OK, "done, whether there was something to leave out or not"},
    {EX_USAGE, "the arguments are wrong"},
    {EX_TEMPFAIL, "the message could not be read, or written"},
    {0, NULL},
};

static const struct handler handler = {
    .name = "strip-diff",
    .usage = "[--skip GLOB]... [--max-lines N]",
    .summary = "Shortens commit mails. The message comes on standard input and goes to standard output; "
               "in place of what was left out stands a line that says so. Every byte else stays as it was.\n\n"
               "It knows the diffs of Subversion, git, CVS and Mercurial, and plain unified ones, in parts "
               "that are text/plain, text/x-diff or text/x-patch. Left alone are signed and encrypted parts, "
               "attachments, HTML, format=flowed, messages within the message, and what can't be understood. "
               "A DKIM signature of a message that got shorter stays in it, and does not verify any more.",
    .options = options,
    .option_count = OPTION_COUNT,
    .exits = exits,
    .example = "  route \"commits@example.com\" {\n"
               "      handler \"shorten\" {\n"
               "          filter = {\"strip-diff\", \"--max-lines=200\", \"--skip=*.svg\"}\n"
               "      }\n"
               "      handler \"pass-on\" { run    = {\"forward\", \"me@example.org\"} }\n"
               "  }\n",
};

static const char *const default_skips[] = {"*.min.css", "*.min.js", "*-min.css", "*-min.js"};

enum { DEFAULT_SKIPS = sizeof default_skips / sizeof default_skips[0] };

/* ---- in the worker ---- */

static void strip(const void *context, const struct crew_request *request, struct buf *answer)
{
    const struct shorten_rules *rules = context;
    struct shorten_sum sum = {0};
    struct err err = {0};

    if (strip_message(request->fds[0], request->fds[1], rules, &sum, &err) != 0) {
        handler_put_failure(answer, &err);
        return;
    }
    frame_start(answer, MESSAGE_FRAME_DONE);
    frame_put_number(answer, sum.skipped);
    frame_put_number(answer, sum.cut);
    frame_put_number(answer, sum.lines);
}

/* ---- the handler ---- */

static int take_option(struct handler_call *call, int option, struct shorten_rules *rules, bool *has_defaults)
{
    unsigned long long number;

    switch (option) {
    case OPTION_SKIP:
        if (call->argument[0] == '\0' || rules->skip_count == SHORTEN_SKIPS_MAX - DEFAULT_SKIPS)
            return handler_refuse(&handler, "--skip is empty, or there are more than %d",
                                  SHORTEN_SKIPS_MAX - DEFAULT_SKIPS);
        rules->skips[rules->skip_count++] = call->argument;
        return EX_OK;
    case OPTION_MAX_LINES:
        if (span_number(span_text(call->argument), 1000000000, &number) != 0 || number == 0)
            return handler_refuse(&handler, "--max-lines is a number from 1 on, not %.100s", call->argument);
        rules->max_lines = (size_t)number;
        return EX_OK;
    default:
        *has_defaults = false;
        return EX_OK;
    }
}

/* Tells the history, in the one line that it has for this, what became of the message. */
static bool say_result(struct frame_reader *answer)
{
    unsigned long long skipped = frame_number(answer), cut = frame_number(answer), lines = frame_number(answer);

    if (!frame_is_whole(answer) || skipped + cut == 0)
        return false;
    handler_say(&handler, "left out: %llu lines; files skipped: %llu, cut: %llu", lines, skipped, cut);
    return true;
}

/* Whatever goes wrong in there, the message goes on. */
static int pass_on(int message, const struct shorten_rules *rules)
{
    static struct handler_work work = {.job = strip, .request = {.fd_count = 2}};
    int *fds = work.request.fds;
    struct err err = {0};
    bool is_shorter = false;

    fds[0] = message;
    if (scratch_open(&fds[1], &err) != 0)
        return handler_fail(&handler, &err);
    work.context = rules;
    if (handler_work(&work, &err) == 0)
        is_shorter = say_result(&work.answer);
    else
        handler_say(&handler, "the message goes on as it was: %s", err.text);
    return handler_print_file(is_shorter ? fds[1] : message, &err) == 0 ? EX_OK : handler_fail(&handler, &err);
}

int main(int argc, char **argv)
{
    static struct shorten_rules rules;
    struct handler_call call = handler_start(&handler, argc, argv);
    bool has_defaults = true;
    struct err err = {0};
    int option, status, message;
    char *operand;

    while ((option = handler_next(&call)) >= 0)
        if ((status = take_option(&call, option, &rules, &has_defaults)) != EX_OK)
            return status;
    if (option == HANDLER_STOP)
        return call.status;
    if ((operand = handler_operand(&call)) != NULL)
        return handler_refuse(&handler, "unexpected argument %.100s", operand);
    for (size_t i = 0; has_defaults && i < DEFAULT_SKIPS; i++)
        rules.skips[rules.skip_count++] = default_skips[i];
    if (scratch_open_input(&message, &err) != 0)
        return handler_fail(&handler, &err);
    return pass_on(message, &rules);
}
