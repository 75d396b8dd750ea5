#include "processor/handlers/rules.h"

#include <string.h>

#include "processor/handlers/glob.h"

static int check_text(const char *text, const char *what, size_t max, struct err *err)
{
    if (text[0] == '\0' || strlen(text) > max)
        return err_set(err, ERR_PERMANENT, "%s is empty or has more than %zu bytes", what, max);
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return err_set(err, ERR_PERMANENT, "%s has a control character", what);
    return span_is_utf8(span_text(text)) ? 0 : err_set(err, ERR_PERMANENT, "%s is not UTF-8", what);
}

static int add(struct rules *rules, struct rules_rule rule, struct err *err)
{
    if (check_text(rule.text, "a rule", RULES_GLOB_MAX, err) != 0)
        return -1;
    if (rule.action == RULES_TAG && check_text(rule.tag, "a tag", RULES_TAG_MAX, err) != 0)
        return -1;
    if (rules->count == RULES_MAX)
        return err_set(err, ERR_PERMANENT, "there are more than %d rules", RULES_MAX);
    rules->need_body = rules->need_body || rule.is_for_body;
    rules->list[rules->count++] = rule;
    return 0;
}

int rules_add(struct rules *rules, enum rules_action action, const char *text, const char *tag, struct err *err)
{
    struct span whole = span_text(text);
    size_t colon = span_find(whole, ':');
    struct rules_rule rule = {.action = action, .text = text, .tag = tag};

    rule.header = span_trim(span_slice(whole, 0, colon));
    rule.glob = span_trim(span_slice(whole, colon + 1, whole.size));
    if (colon == whole.size || rule.header.size == 0 || span_find(rule.header, ' ') < rule.header.size)
        return err_set(err, ERR_PERMANENT, "\"%.100s\" is no rule: it wants a header's name, a colon and a pattern",
                       text);
    return add(rules, rule, err);
}

int rules_add_body(struct rules *rules, enum rules_action action, const char *glob, const char *tag, struct err *err)
{
    struct rules_rule rule = {.action = action, .is_for_body = true, .text = glob, .tag = tag};

    rule.glob = span_text(glob);
    return add(rules, rule, err);
}

void rules_see_header(const struct rules *rules, struct span name, struct span value, bool *matched)
{
    value = span_slice(span_trim(value), 0, RULES_LINE_MAX);
    for (size_t i = 0; i < rules->count; i++) {
        const struct rules_rule *rule = &rules->list[i];

        if (!rule->is_for_body && !matched[i])
            matched[i] = glob_matches(rule->header, name) && glob_matches(rule->glob, value);
    }
}

void rules_see_line(const struct rules *rules, struct span line, bool *matched)
{
    line = span_slice(line, 0, RULES_LINE_MAX);
    for (size_t i = 0; i < rules->count; i++) {
        const struct rules_rule *rule = &rules->list[i];

        if (rule->is_for_body && !matched[i])
            matched[i] = glob_matches(rule->glob, line);
    }
}

size_t rules_decide(const struct rules *rules, const bool *matched)
{
    for (size_t i = 0; i < rules->count; i++)
        if (matched[i] && rules->list[i].action != RULES_TAG)
            return i;
    return rules->count;
}
