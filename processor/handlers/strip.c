#include "processor/handlers/strip.h"

#include <stdlib.h>
#include <string.h>

#include "processor/handlers/splice.h"
#include "processor/headers/field.h"
#include "processor/mime/content.h"
#include "processor/mime/tree.h"

enum { PART_MAX = 48 << 20 }; /* bytes of a part; a larger one is left alone */

struct job {
    const struct shorten_rules *rules;
    struct shorten_sum *sum;
    GArray *edits; /* processor/handlers/splice.h */
};

/* ---- which parts ---- */

/* Here a line does not end with a byte LF, or a letter of a diff is not its ASCII byte. */
static const char *const unlike_ascii[] = {"utf-16*",         "utf-32*", "utf-7",  "unicode*", "ucs-*",
                                           "iso-10646-ucs-*", "ebcdic*", "ibm037", "hz-*"};

static bool is_like_ascii(const char *charset)
{
    for (size_t i = 0; i < sizeof unlike_ascii / sizeof unlike_ascii[0]; i++)
        if (g_pattern_match_simple(unlike_ascii[i], charset))
            return false;
    return true;
}

static bool is_for_us(const struct tree_node *node)
{
    GMimeObject *object = node->object;
    char *charset;
    bool is_good;

    if (node->kind != TREE_LEAF || node->is_signed || node->is_enclosed)
        return false;
    if (!content_is(object, "text", "plain") && !content_is(object, "text", "x-diff") &&
        !content_is(object, "text", "x-patch"))
        return false;
    if (content_is_file(GMIME_PART(object)) ||
        g_ascii_strcasecmp(content_parameter(object, "format"), "flowed") == 0 ||
        g_mime_object_get_header(object, "Content-MD5") != NULL)
        return false;
    charset = g_ascii_strdown(content_parameter(object, "charset"), -1);
    is_good = is_like_ascii(charset);
    g_free(charset);
    return is_good;
}

static bool is_known(GMimeContentEncoding encoding)
{
    return encoding == GMIME_CONTENT_ENCODING_DEFAULT || encoding == GMIME_CONTENT_ENCODING_7BIT ||
           encoding == GMIME_CONTENT_ENCODING_8BIT || encoding == GMIME_CONTENT_ENCODING_BINARY ||
           encoding == GMIME_CONTENT_ENCODING_BASE64 || encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
}

/* ---- encoding again ---- */

static GByteArray *encode(const GByteArray *text, GMimeContentEncoding encoding)
{
    GMimeEncoding state;
    GByteArray *encoded = g_byte_array_new();
    size_t size;

    g_mime_encoding_init_encode(&state, encoding);
    g_byte_array_set_size(encoded, (guint)g_mime_encoding_outlen(&state, text->len) + 8);
    size = g_mime_encoding_flush(&state, (const char *)text->data, text->len, (char *)encoded->data);
    g_byte_array_set_size(encoded, (guint)size);
    return encoded;
}

static bool ends_with(const GByteArray *bytes, const char *end)
{
    size_t size = strlen(end);

    return bytes->len >= size && memcmp(bytes->data + bytes->len - size, end, size) == 0;
}

/* The end of the last line belongs to the boundary behind it, or to the part: it was the one or the other before. */
static void match_end(GByteArray *encoded, const GByteArray *raw, GMimeContentEncoding encoding)
{
    if (encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE && ends_with(encoded, "=\n"))
        g_byte_array_set_size(encoded, encoded->len - 2);
    if (encoding == GMIME_CONTENT_ENCODING_BASE64 && ends_with(encoded, "\n"))
        g_byte_array_set_size(encoded, encoded->len - 1);
    if (encoding == GMIME_CONTENT_ENCODING_BASE64 && ends_with(raw, "\n"))
        g_byte_array_append(encoded, (const guint8 *)"\n", 1);
}

/* LF to CRLF, or back. */
static GByteArray *with_returns(const GByteArray *bytes, bool has_returns)
{
    GByteArray *changed = g_byte_array_sized_new(bytes->len);

    for (guint i = 0; i < bytes->len; i++) {
        bool is_return = bytes->data[i] == '\r' && i + 1 < bytes->len && bytes->data[i + 1] == '\n';

        if (bytes->data[i] == '\n' && has_returns)
            g_byte_array_append(changed, (const guint8 *)"\r", 1);
        if (!is_return)
            g_byte_array_append(changed, bytes->data + i, 1);
    }
    return changed;
}

static GByteArray *replace_array(GByteArray *old, GByteArray *new)
{
    g_byte_array_unref(old);
    return new;
}

/* What is to stand in the message for `text`, where `raw` stood. Takes `text`. */
static GByteArray *as_before(GByteArray *text, const GByteArray *raw, GMimeContentEncoding encoding)
{
    bool is_encoded = encoding == GMIME_CONTENT_ENCODING_BASE64 || encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
    bool has_returns = memmem(raw->data, raw->len, "\r\n", 2) != NULL;

    if (!is_encoded)
        return text;
    /* In quoted-printable the lines' own ends are those of the message; base64 has them inside. */
    if (has_returns && encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
        text = replace_array(text, with_returns(text, false));
    text = replace_array(text, encode(text, encoding));
    match_end(text, raw, encoding);
    return has_returns ? replace_array(text, with_returns(text, true)) : text;
}

/* ---- the parts ---- */

static void put(void *context, struct span piece)
{
    g_byte_array_append(context, (const guint8 *)piece.data, (guint)piece.size);
}

/* The part's bytes as they stand in the message. */
static GByteArray *read_raw(GMimeStream *stream)
{
    GByteArray *raw = g_byte_array_new();
    GMimeStream *memory = g_mime_stream_mem_new_with_byte_array(raw);

    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(memory), FALSE);
    (void)g_mime_stream_reset(stream);
    (void)g_mime_stream_write_to_stream(stream, memory);
    g_object_unref(memory);
    return raw;
}

static void shorten_part(struct job *job, GMimePart *part, const GByteArray *text)
{
    GMimeStream *stream = g_mime_data_wrapper_get_stream(g_mime_part_get_content(part));
    GMimeContentEncoding encoding = g_mime_part_get_content_encoding(part);
    struct span whole = {(const char *)text->data, text->len};
    GByteArray *shorter, *raw;

    if (shorten_has_armour(whole))
        return;
    shorter = g_byte_array_sized_new(text->len);
    if (!shorten_text(whole, job->rules, put, shorter, job->sum)) {
        g_byte_array_unref(shorter);
        return;
    }
    raw = read_raw(stream);
    splice_add(job->edits, stream->bound_start, stream->bound_start + (gint64)raw->len,
               as_before(shorter, raw, encoding));
    g_byte_array_unref(raw);
}

static void visit(void *context, const struct tree_node *node)
{
    GMimePart *part;
    GByteArray *text;

    if (!is_for_us(node))
        return;
    part = GMIME_PART(node->object);
    if (g_mime_part_get_content(part) == NULL || !is_known(g_mime_part_get_content_encoding(part)))
        return;
    text = content_decode(part, PART_MAX);
    if (text == NULL)
        return;
    if (text->len > 0)
        shorten_part(context, part, text);
    g_byte_array_unref(text);
}

/* ---- the message ---- */

/* Takes the lines off the header that would not be true any more. */
static int edit_header(int message, GArray *edits, struct err *err)
{
    static const char *const untrue[] = {"Content-Length", "Lines"};
    char *block = malloc(FIELD_BLOCK_MAX);
    struct span rest = {block, 0};
    struct field field;
    int status;

    if (block == NULL)
        return err_system(err, "reading a message");
    status = field_read_block(message, block, &rest.size, err);
    while (status == 0 && field_next(&rest, &field))
        for (size_t i = 0; i < sizeof untrue / sizeof untrue[0]; i++)
            if (span_equal_nocase(field.name, span_text(untrue[i])))
                splice_add(edits, field.start - block, field.end - block, NULL);
    free(block);
    return status;
}

int strip_message(int message, int output, const struct shorten_rules *rules, struct shorten_sum *sum,
                  struct err *err)
{
    struct job job = {.rules = rules, .sum = sum};
    GMimeMessage *tree = tree_parse(message, err);
    int status = 0;

    if (tree == NULL)
        return -1;
    job.edits = splice_new();
    (void)tree_walk(tree, visit, &job);
    g_object_unref(tree);
    if (job.edits->len > 0)
        status = edit_header(message, job.edits, err) == 0 ? splice_write(message, output, job.edits, err) : -1;
    g_array_unref(job.edits);
    return status;
}
