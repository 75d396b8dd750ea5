/*
 * The rules of list-filter, as its arguments give them, and what they say of a message's headers and text. Pure: the
 * caller decodes, and brings both sides to lower case where they are more than ASCII.
 *
 *     rules_add(&rules, RULES_DROP, "Subject: *[commits]*", NULL, &err);
 *     for each header: rules_see_header(&rules, name, value, matched);
 *     for each line of the text: rules_see_line(&rules, line, matched);
 *     switch (rules_decide(&rules, matched)) ...
 */
#ifndef PROCESSOR_HANDLERS_RULES_H
#define PROCESSOR_HANDLERS_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    RULES_MAX = 100,
    RULES_GLOB_MAX = 500,       /* bytes of a rule */
    RULES_TAG_MAX = 100,        /* bytes of a tag */
    RULES_LINE_MAX = 64 * 1024, /* bytes of a value or a line that are looked at */
};

enum rules_action { RULES_DROP, RULES_KEEP, RULES_TAG };

struct rules_rule {
    enum rules_action action;
    bool is_for_body;
    struct span header; /* a glob for names; nothing for the body */
    struct span glob;   /* for a header's whole value, or a whole line */
    const char *text;   /* as it was given */
    const char *tag;
};

struct rules {
    struct rules_rule list[RULES_MAX];
    size_t count;
    bool need_body;
};

/*
 * Adds a rule about headers, "NAME: GLOB", or one about the text, which is a glob alone. `text` and `tag` stay the
 * caller's and must live on. Permanent: it is no rule, and `err` says why.
 */
__attribute__((warn_unused_result)) int rules_add(struct rules *rules, enum rules_action action, const char *text,
                                                  const char *tag, struct err *err);
__attribute__((warn_unused_result)) int rules_add_body(struct rules *rules, enum rules_action action,
                                                       const char *glob, const char *tag, struct err *err);

/* Note in `matched`, which has RULES_MAX and begins all false, what rules match. */
void rules_see_header(const struct rules *rules, struct span name, struct span value, bool *matched);
void rules_see_line(const struct rules *rules, struct span line, bool *matched);

/* The first rule to drop or keep that matched; rules->count: there is none, and the message stays. */
size_t rules_decide(const struct rules *rules, const bool *matched);

#endif
