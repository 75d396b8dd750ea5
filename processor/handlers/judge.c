#include "processor/handlers/judge.h"

#include <stdlib.h>
#include <string.h>

#include "processor/handlers/splice.h"
#include "processor/headers/field.h"
#include "processor/mime/content.h"
#include "processor/mime/decode.h"
#include "processor/mime/tree.h"
#include "processor/parts.h"

enum { FIRST_LINE_MAX = 76 }; /* of a header that got a tag; a longer one is folded behind it */

struct job {
    const struct rules *folded; /* the rules in the form in which they are compared */
    bool matched[RULES_MAX];
};

/* ---- comparing without regard to case ---- */

/* Valid UTF-8, every letter in one case. To be freed with g_free(). */
static char *fold(struct span text)
{
    char *valid = g_utf8_make_valid(text.data, (gssize)text.size);
    char *folded = g_utf8_casefold(valid, -1);

    g_free(valid);
    return folded;
}

static void fold_rules(const struct rules *rules, struct rules *folded, char **texts)
{
    *folded = *rules;
    for (size_t i = 0; i < rules->count; i++) {
        texts[i] = fold(rules->list[i].glob);
        folded->list[i].glob = span_text(texts[i]);
    }
}

/* ---- what the message says ---- */

static void see_headers(struct job *job, struct span block)
{
    GMimeParserOptions *options = decode_options();
    struct field field;

    while (field_next(&block, &field)) {
        char *value = decode_value(options, decode_reading_of(field.name), field.value);
        char *folded = fold(span_text(value));

        rules_see_header(job->folded, field.name, span_text(folded), job->matched);
        g_free(folded);
        g_free(value);
    }
    g_mime_parser_options_free(options);
}

static void see_part(void *context, const struct tree_node *node)
{
    struct job *job = context;
    struct span rest;
    GByteArray *text;

    if (node->kind != TREE_LEAF || node->is_enclosed || content_is_attachment(GMIME_PART(node->object)))
        return;
    text = content_text(GMIME_PART(node->object), PARTS_BODY_MAX);
    if (text == NULL)
        return;
    rest = (struct span){(const char *)text->data, text->len};
    while (rest.size > 0) {
        size_t size = span_find(rest, '\n');
        char *line = fold(span_slice(rest, 0, size < RULES_LINE_MAX ? size : RULES_LINE_MAX));

        rules_see_line(job->folded, span_text(line), job->matched);
        g_free(line);
        rest = span_slice(rest, size + 1, rest.size);
    }
    g_byte_array_unref(text);
}

static int see_body(struct job *job, int message, struct err *err)
{
    GMimeMessage *tree = tree_parse(message, err);

    if (tree == NULL)
        return -1;
    (void)tree_walk(tree, see_part, job);
    g_object_unref(tree);
    return 0;
}

/* ---- tags ---- */

/* The first field of a name. False: there is none. */
static bool find_field(struct span block, const char *name, struct field *field)
{
    while (field_next(&block, field))
        if (span_equal_nocase(field->name, span_text(name)))
            return true;
    return false;
}

/* The tags that the subject, decoded, does not have yet, with a space behind each. */
static GString *missing_tags(const struct rules *rules, const bool *matched, const char *subject)
{
    GString *tags = g_string_new(NULL);
    char *folded = fold(span_text(subject));

    for (size_t i = 0; i < rules->count; i++) {
        char *tag;

        if (!matched[i] || rules->list[i].action != RULES_TAG)
            continue;
        tag = fold(span_text(rules->list[i].tag));
        if (strstr(folded, tag) == NULL && strstr(tags->str, rules->list[i].tag) == NULL)
            g_string_append_printf(tags, "%s ", rules->list[i].tag);
        g_free(tag);
    }
    g_free(folded);
    return tags;
}

/*
 * As it stands in a header. White space between two encoded words is none (RFC 2047, section 6.2), so before another
 * one the space behind the tag is encoded with it.
 */
static char *encode_tags(const char *tags, bool is_before_word)
{
    bool is_plain = strstr(tags, "=?") == NULL;
    char *encoded, *result;

    for (const char *at = tags; *at != '\0'; at++)
        is_plain = is_plain && (unsigned char)*at < 0x7f;
    if (is_plain)
        return g_strchomp(g_strdup(tags));
    encoded = g_base64_encode((const guchar *)tags, strlen(tags) - (is_before_word ? 0 : 1));
    result = g_strconcat("=?UTF-8?B?", encoded, "?=", NULL);
    g_free(encoded);
    return result;
}

/* Behind all white space, folds too, an encoded word stands. */
static bool begins_with_word(struct span value)
{
    while (value.size > 0 && g_ascii_isspace(value.data[0]))
        value = span_slice(value, 1, value.size);
    return value.size >= 2 && memcmp(value.data, "=?", 2) == 0;
}

static gint64 end_of_fields(struct span block)
{
    struct span rest = block;
    struct field field;
    gint64 end = 0;

    while (field_next(&rest, &field))
        end = field.end - block.data;
    return end;
}

/* Where the tag goes in, and what: behind "Subject:", or a header of its own at the end of all. */
static GByteArray *make_insertion(struct span block, const char *tags, gint64 *at)
{
    GString *text = g_string_new(NULL);
    struct field field;
    bool has_subject = find_field(block, "Subject", &field);
    char *encoded = encode_tags(tags, has_subject && begins_with_word(field.value));

    if (has_subject) {
        struct span value = span_slice(field.value, 0, span_find(field.value, '\n'));
        bool is_long = (size_t)(value.data - field.start) + strlen(encoded) + value.size > FIRST_LINE_MAX;
        bool has_return = value.size < field.value.size && value.size > 0 && value.data[value.size - 1] == '\r';

        *at = field.value.data - block.data;
        g_string_printf(text, " %s", encoded);
        if (is_long && span_trim(value).size > 0)
            g_string_append(text, has_return ? "\r\n" : "\n");
        if (value.size > 0 && value.data[0] != ' ' && value.data[0] != '\t' && value.data[0] != '\r')
            g_string_append_c(text, ' ');
    } else {
        *at = end_of_fields(block);
        g_string_printf(text, "%sSubject: %s\n", *at > 0 && block.data[*at - 1] != '\n' ? "\n" : "", encoded);
    }
    g_free(encoded);
    return g_bytes_unref_to_array(g_string_free_to_bytes(text));
}

static int write_tagged(int message, int output, struct span block, const char *tags, struct err *err)
{
    GArray *edits = splice_new();
    gint64 at;
    GByteArray *insertion = make_insertion(block, tags, &at);
    int status;

    splice_add(edits, at, at, insertion);
    status = splice_write(message, output, edits, err);
    g_array_unref(edits);
    return status;
}

static int tag(int message, int output, const struct rules *rules, const bool *matched, struct span block,
               struct judge_verdict *verdict, struct err *err)
{
    GMimeParserOptions *options = decode_options();
    struct field field;
    char *subject = find_field(block, "Subject", &field) ? decode_value(options, READ_TEXT, field.value) : NULL;
    GString *tags = missing_tags(rules, matched, subject == NULL ? "" : subject);
    int status = 0;

    verdict->is_changed = tags->len > 0;
    if (tags->len > 0)
        status = write_tagged(message, output, block, tags->str, err);
    g_string_free(tags, TRUE);
    g_free(subject);
    g_mime_parser_options_free(options);
    return status;
}

/* ---- the whole ---- */

static int judge(int message, int output, const struct rules *rules, struct job *job, struct span block,
                 struct judge_verdict *verdict, struct err *err)
{
    struct span rest = block;
    struct field field;

    if (!field_next(&rest, &field))
        return err_set(err, ERR_PERMANENT, "it is no message: it has no header");
    see_headers(job, block);
    if (rules->need_body && see_body(job, message, err) != 0)
        return -1;
    verdict->rule = rules_decide(rules, job->matched);
    verdict->is_dropped = verdict->rule < rules->count && rules->list[verdict->rule].action == RULES_DROP;
    return verdict->is_dropped ? 0 : tag(message, output, rules, job->matched, block, verdict, err);
}

int judge_message(int message, int output, const struct rules *rules, struct judge_verdict *verdict, struct err *err)
{
    static struct rules folded;
    char *texts[RULES_MAX];
    struct job job = {.folded = &folded};
    char *block = malloc(FIELD_BLOCK_MAX);
    size_t size = 0;
    int status;

    *verdict = (struct judge_verdict){.rule = rules->count};
    if (block == NULL)
        return err_system(err, "reading a message");
    fold_rules(rules, &folded, texts);
    status = field_read_block(message, block, &size, err);
    if (status == 0)
        status = judge(message, output, rules, &job, (struct span){block, size}, verdict, err);
    for (size_t i = 0; i < rules->count; i++)
        g_free(texts[i]);
    free(block);
    return status;
}
