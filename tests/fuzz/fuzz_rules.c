/* Rules of list-filter and the patterns in them: "rule NUL header-name NUL text". A pattern made of a text matches
 * it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "processor/handlers/glob.h"
#include "processor/handlers/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *take(struct span *rest)
{
    size_t end = span_find(*rest, '\0');
    char *text = malloc(end + 1); /* not by strndup: ASan may want an end of what is copied */

    if (text == NULL)
        abort();
    memcpy(text, rest->data, end);
    text[end] = '\0';
    *rest = span_slice(*rest, end + 1, rest->size);
    return text;
}

/* With stars around it and in its midst, whatever it holds: no star of its own needs to be one. */
static void check_glob(struct span text)
{
    struct span half = span_slice(text, 0, text.size / 2 > 200 ? 200 : text.size / 2);
    char storage[512];
    struct buf pattern = buf_over(storage, sizeof storage);

    buf_put_byte(&pattern, '*');
    buf_put(&pattern, half);
    buf_put_byte(&pattern, '*');
    if (memchr(half.data, '?', half.size) == NULL && !glob_matches(buf_span(&pattern), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rules rules;
    bool matched[RULES_MAX] = {false};
    struct span rest = {(const char *)data, size};
    char *rule, *name;
    struct err err = {0};
    int added;

    if (size == 0)
        return 0;
    rule = take(&rest);
    name = take(&rest);
    memset(&rules, 0, sizeof rules);
    added = rules_add(&rules, RULES_DROP, rule, NULL, &err) == 0;
    added += rules_add_body(&rules, RULES_KEEP, rule, NULL, &err) == 0;
    added += rules_add(&rules, RULES_TAG, "*: *", rule, &err) == 0;
    if (rules.count != (size_t)added)
        abort();
    rules_see_header(&rules, span_text(name), rest, matched);
    rules_see_line(&rules, rest, matched);
    if (rules_decide(&rules, matched) > rules.count)
        abort();
    if (rest.size > 0)
        check_glob(rest);
    free(name);
    free(rule);
    return 0;
}
