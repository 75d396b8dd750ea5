#include "processor/headers/automatic.h"

#include <assert.h>

/* How a rule reads a header's value. */
enum reading {
    ANY_VALUE,    /* the header alone says it */
    FIRST_WORD,   /* its first word is one of `words` */
    NOT_THE_WORD, /* its first word is none of `words` */
    HAS_A_WORD,   /* one of its words is one of `words` */
};

enum { RULE_WORDS = 4 };

struct rule {
    const char *name;
    bool is_prefix; /* of the header's name */
    enum reading reading;
    const char *words[RULE_WORDS];
};

static const struct rule rules[] = {
    {.name = "Auto-Submitted", .reading = NOT_THE_WORD, .words = {"no"}},
    {.name = "Precedence", .reading = FIRST_WORD, .words = {"bulk", "list", "junk", "auto_reply"}},
    {.name = "List-", .is_prefix = true, .reading = ANY_VALUE},
    {.name = "X-Auto-Response-Suppress", .reading = HAS_A_WORD, .words = {"all", "autoreply", "oof"}},
    {.name = "X-Autoreply", .reading = NOT_THE_WORD, .words = {"no"}},
    {.name = "X-Autorespond", .reading = NOT_THE_WORD, .words = {"no"}},
    {.name = "Content-Type", .reading = FIRST_WORD, .words = {"multipart/report"}},
};
static_assert(sizeof rules / sizeof rules[0] == 7, "a rule was added or lost");

static bool is_separator(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == ',' || byte == ';' || byte == '\0';
}

/* Passes over separators and comments, "(...)", which may nest and may not end. */
static struct span skip_to_word(struct span value)
{
    size_t at = 0;
    size_t depth = 0;

    for (; at < value.size; at++) {
        if (value.data[at] == '(')
            depth++;
        else if (value.data[at] == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !is_separator(value.data[at]))
            break;
    }
    return span_slice(value, at, value.size);
}

/* Takes the next word off the front of `value`; empty when there is none. */
static struct span next_word(struct span *value)
{
    struct span rest = skip_to_word(*value);
    size_t size = 0;

    while (size < rest.size && !is_separator(rest.data[size]) && rest.data[size] != '(')
        size++;
    *value = span_slice(rest, size, rest.size);
    return span_slice(rest, 0, size);
}

static bool is_listed(const struct rule *rule, struct span word)
{
    for (size_t i = 0; i < RULE_WORDS && rule->words[i] != NULL; i++)
        if (span_equal_nocase(word, span_text(rule->words[i])))
            return true;
    return false;
}

/* Gives in `word` the one that decided. */
static bool objects(const struct rule *rule, struct span value, struct span *word)
{
    *word = next_word(&value);
    switch (rule->reading) {
    case ANY_VALUE:
        return true;
    case FIRST_WORD:
        return is_listed(rule, *word);
    case NOT_THE_WORD:
        return word->size > 0 && !is_listed(rule, *word);
    case HAS_A_WORD:
        while (word->size > 0 && !is_listed(rule, *word))
            *word = next_word(&value);
        return word->size > 0;
    }
    return true;
}

static bool is_about(const struct rule *rule, struct span name)
{
    struct span wanted = span_text(rule->name);

    return rule->is_prefix ? span_starts_nocase(name, wanted) : span_equal_nocase(name, wanted);
}

/* Words of ours as they are; a word of the sender's only where it can't be mistaken for anything else. */
static void say(struct buf *reason, struct span name, const struct rule *rule, struct span word)
{
    enum { NAME_SHOWN = 60, WORD_SHOWN = 30 };

    if (rule->is_prefix) {
        buf_put_text(reason, "has a ");
        buf_put(reason, span_slice(name, 0, NAME_SHOWN));
        buf_put_text(reason, " header");
        return;
    }
    buf_put_text(reason, rule->name);
    buf_put_text(reason, " is ");
    for (size_t i = 0; i < word.size && i < WORD_SHOWN; i++)
        buf_put_byte(reason, word.data[i] > 0x20 && word.data[i] < 0x7f ? word.data[i] : '?');
}

bool automatic_judge(struct span name, struct span value, struct buf *reason)
{
    struct span word;

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (is_about(&rules[i], name) && objects(&rules[i], value, &word)) {
            say(reason, name, &rules[i], word);
            return true;
        }
    }
    return false;
}
