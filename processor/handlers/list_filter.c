/* list-filter: drops or tags mail by rules given as arguments. The rules are applied in judge.c, in a sandbox. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "processor/handlers/handler.h"
#include "processor/handlers/judge.h"
#include "processor/scratch.h"

enum {
    OPTION_DROP,
    OPTION_KEEP,
    OPTION_TAG,
    OPTION_DROP_BODY,
    OPTION_KEEP_BODY,
    OPTION_TAG_BODY,
    OPTION_NO_OUTPUT,
    OPTION_COUNT
};
static const struct handler_option options[OPTION_COUNT] = {
    [OPTION_DROP] = {"drop", "RULE", "drop what has a header that matches"},
    [OPTION_KEEP] = {"keep", "RULE", "keep it, whatever rules to drop follow"},
    [OPTION_TAG] = {"tag", "TAG RULE", "put TAG before the subject, once"},
    [OPTION_DROP_BODY] = {"drop-body", "GLOB", "drop what has a line of text that matches"},
    [OPTION_KEEP_BODY] = {"keep-body", "GLOB", "keep it, whatever rules to drop follow"},
    [OPTION_TAG_BODY] = {"tag-body", "TAG GLOB", "put TAG before the subject, once"},
    [OPTION_NO_OUTPUT] = {"no-output", NULL, "do not print the message: for `run`, where only the exit code matters"},
};

static const struct handler_exit exits[] = {
    {EX_OK, "the message stays"},
    {EX_USAGE, "the arguments are wrong"},
    {EX_TEMPFAIL, "the message could not be read, or written"},
    {HANDLER_SKIP, "the message is dropped: the handlers after this one are not run"},
    {0, NULL},
};

static const struct handler handler = {
    .name = "list-filter",
    .usage = "[--drop RULE]... [--keep RULE]... [--tag TAG RULE]...",
    .summary = "Drops or tags mail by its headers and its text. A RULE is the name of a header, a colon and "
               "a pattern for its whole value: 'Subject: *[commits]*'. In names and patterns * stands for "
               "anything, ? for one character, and all else for itself, brackets too; case does not matter. "
               "Values are decoded and unfolded, and white space at their ends does not count.\n\n"
               "The first rule to drop or to keep that matches decides; what none matches stays. Of mail that "
               "stays every tag is put whose rule matches, unless the subject has it already. What can't be "
               "parsed stays as it is.",
    .options = options,
    .option_count = OPTION_COUNT,
    .exits = exits,
    .example = "  route \"lists@example.com\" {\n"
               "      handler \"sort\" {\n"
               "          filter = {\"list-filter\", \"--keep\", \"From: *@example.org*\",\n"
               "                    \"--drop\", \"Subject: *[commits]*\",\n"
               "                    \"--tag\", \"[bugs]\", \"List-Id: *<bugs.example.com>*\"}\n"
               "      }\n"
               "      handler \"pass-on\" { run = {\"forward\", \"me@example.org\"} }\n"
               "  }\n",
};

/* What the options that are rules mean. */
static const struct {
    enum rules_action action;
    bool is_for_body;
} meanings[] = {
    [OPTION_DROP] = {RULES_DROP, false},     [OPTION_KEEP] = {RULES_KEEP, false},
    [OPTION_TAG] = {RULES_TAG, false},       [OPTION_DROP_BODY] = {RULES_DROP, true},
    [OPTION_KEEP_BODY] = {RULES_KEEP, true}, [OPTION_TAG_BODY] = {RULES_TAG, true},
};

static int take_rule(struct handler_call *call, int option, struct rules *rules)
{
    const char *tag = meanings[option].action == RULES_TAG ? call->argument : NULL;
    const char *rule = tag == NULL ? call->argument : handler_operand(call);
    struct err err = {0};
    int status;

    if (rule == NULL)
        return handler_refuse(&handler, "behind the tag %.100s its rule is missing", tag);
    status = meanings[option].is_for_body ? rules_add_body(rules, meanings[option].action, rule, tag, &err)
                                          : rules_add(rules, meanings[option].action, rule, tag, &err);
    return status == 0 ? EX_OK : handler_refuse(&handler, "--%s: %s", options[option].name, err.text);
}

/* ---- in the worker ---- */

static void judge(const void *context, const struct crew_request *request, struct buf *answer)
{
    const struct rules *rules = context;
    struct judge_verdict verdict;
    struct err err = {0};

    if (judge_message(request->fds[0], request->fds[1], rules, &verdict, &err) != 0) {
        handler_put_failure(answer, &err);
        return;
    }
    frame_start(answer, MESSAGE_FRAME_DONE);
    frame_put_number(answer, verdict.is_dropped);
    frame_put_number(answer, verdict.rule);
    frame_put_number(answer, verdict.is_changed);
}

/* ---- the handler ---- */

/* Has the message judged, which may be written anew to `changed`. What can't be judged, stays. */
static struct judge_verdict ask(int message, int changed, const struct rules *rules)
{
    static struct handler_work work = {.job = judge};
    struct judge_verdict verdict = {.rule = rules->count};
    struct err err = {0};

    work.context = rules;
    work.request = (struct crew_request){.fds = {message, changed}, .fd_count = 2};
    if (handler_work(&work, &err) != 0) {
        handler_say(&handler, "the message stays as it is: %s", err.text);
        return verdict;
    }
    verdict.is_dropped = frame_number(&work.answer) == 1;
    verdict.rule = (size_t)frame_number(&work.answer);
    verdict.is_changed = frame_number(&work.answer) == 1;
    if (!frame_is_whole(&work.answer) || verdict.rule > rules->count)
        verdict = (struct judge_verdict){.rule = rules->count};
    return verdict;
}

static int act(int message, const struct rules *rules, bool has_output)
{
    struct judge_verdict verdict;
    struct err err = {0};
    int changed;

    if (scratch_open(&changed, &err) != 0)
        return handler_fail(&handler, &err);
    verdict = ask(message, changed, rules);
    if (verdict.rule < rules->count) {
        const struct rules_rule *rule = &rules->list[verdict.rule];

        handler_say(&handler, "%s by --%s%s '%s'", verdict.is_dropped ? "dropped" : "kept",
                    verdict.is_dropped ? "drop" : "keep", rule->is_for_body ? "-body" : "", rule->text);
    }
    if (verdict.is_dropped)
        return HANDLER_SKIP;
    if (has_output && handler_print_file(verdict.is_changed ? changed : message, &err) != 0)
        return handler_fail(&handler, &err);
    return EX_OK;
}

int main(int argc, char **argv)
{
    static struct rules rules;
    struct handler_call call = handler_start(&handler, argc, argv);
    bool has_output = true;
    struct err err = {0};
    int option, status, message;
    char *operand;

    while ((option = handler_next(&call)) >= 0) {
        if (option == OPTION_NO_OUTPUT)
            has_output = false;
        else if ((status = take_rule(&call, option, &rules)) != EX_OK)
            return status;
    }
    if (option == HANDLER_STOP)
        return call.status;
    if ((operand = handler_operand(&call)) != NULL)
        return handler_refuse(&handler, "unexpected argument %.100s", operand);
    if (rules.count == 0)
        return handler_refuse(&handler, "there is no rule");
    if (scratch_open_input(&message, &err) != 0)
        return handler_fail(&handler, &err);
    return act(message, &rules, has_output);
}
