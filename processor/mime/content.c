#include "processor/mime/content.h"

#include <string.h>

#include "common/buf.h"
#include "processor/mime/charset.h"
#include "processor/mime/decode.h"

bool content_is(GMimeObject *object, const char *type, const char *subtype)
{
    GMimeContentType *content_type = g_mime_object_get_content_type(object);

    return content_type != NULL && g_mime_content_type_is_type(content_type, type, subtype == NULL ? "*" : subtype);
}

const char *content_parameter(GMimeObject *object, const char *name)
{
    GMimeContentType *content_type = g_mime_object_get_content_type(object);
    const char *value = content_type == NULL ? NULL : g_mime_content_type_get_parameter(content_type, name);

    return value == NULL ? "" : value;
}

static char *file_name_in(const char *value, bool is_disposition)
{
    char *prepared = decode_prepare(span_text(value));
    GMimeParserOptions *options = decode_options();
    GMimeContentDisposition *disposition = NULL;
    GMimeContentType *type = NULL;
    char *name;

    if (is_disposition) {
        disposition = g_mime_content_disposition_parse(options, prepared);
        name = g_strdup(g_mime_content_disposition_get_parameter(disposition, "filename"));
        g_object_unref(disposition);
    } else {
        type = g_mime_content_type_parse(options, prepared);
        name = g_strdup(g_mime_content_type_get_parameter(type, "name"));
        g_object_unref(type);
    }
    g_mime_parser_options_free(options);
    g_free(prepared);
    return name;
}

/* Out of the headers as they were written: what GMime made of them when it read the message may lack a part. */
char *content_file_name(GMimeObject *object)
{
    static const char *const headers[] = {"Content-Disposition", "Content-Type"};
    char *name = NULL;

    for (size_t i = 0; i < 2 && name == NULL; i++) {
        GMimeHeader *header = g_mime_header_list_get_header(g_mime_object_get_header_list(object), headers[i]);
        const char *value = header == NULL ? NULL : g_mime_header_get_raw_value(header);

        if (value != NULL)
            name = file_name_in(value, i == 0);
        if (name != NULL && name[0] == '\0') {
            g_free(name);
            name = NULL;
        }
    }
    return name;
}

bool content_is_file(GMimePart *part)
{
    const char *disposition = g_mime_object_get_disposition(GMIME_OBJECT(part));
    char *name = content_file_name(GMIME_OBJECT(part));
    bool has_name = name != NULL;

    g_free(name);
    return has_name || (disposition != NULL && g_ascii_strcasecmp(disposition, "attachment") == 0);
}

bool content_is_attachment(GMimePart *part)
{
    if (content_is_file(part))
        return true;
    return !content_is(GMIME_OBJECT(part), "text", "plain") && !content_is(GMIME_OBJECT(part), "text", "html");
}

GByteArray *content_decode(GMimePart *part, size_t max)
{
    GMimeDataWrapper *wrapper = g_mime_part_get_content(part);
    GByteArray *bytes = g_byte_array_new();
    GMimeStream *stream;

    if (wrapper == NULL)
        return bytes;
    if (g_mime_stream_length(g_mime_data_wrapper_get_stream(wrapper)) > (gint64)max) {
        g_byte_array_unref(bytes);
        return NULL;
    }
    stream = g_mime_stream_mem_new_with_byte_array(bytes);
    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
    (void)g_mime_data_wrapper_write_to_stream(wrapper, stream);
    g_object_unref(stream);
    return bytes;
}

/* ---- text ---- */

static bool is_utf8(const GByteArray *text)
{
    return span_is_utf8((struct span){(const char *)text->data, text->len});
}

/* Whether such bytes are ASCII or UTF-8 by themselves, so that no converter is needed. */
static bool is_named_utf8(const char *charset)
{
    return g_ascii_strcasecmp(charset, "utf-8") == 0 || g_ascii_strcasecmp(charset, "utf8") == 0;
}

/* The charset to convert from, or NULL: the bytes are UTF-8 or to be left alone. */
static const char *find_charset(const char *charset, const GByteArray *text)
{
    const char *usable = charset_usable(charset);

    if (is_named_utf8(charset))
        return NULL;
    if (usable != NULL && g_ascii_strcasecmp(usable, "us-ascii") != 0 && g_ascii_strcasecmp(usable, "ascii") != 0)
        return usable;
    return is_utf8(text) ? NULL : "windows-1252";
}

/* Takes the text, and gives it or another one. */
static GByteArray *convert(GByteArray *text, const char *charset)
{
    GMimeFilter *filter = g_mime_filter_charset_new(charset, "UTF-8");
    GByteArray *converted;
    size_t size = 0, prespace = 0;
    char *out = NULL;

    if (filter == NULL || text->len == 0) {
        if (filter != NULL)
            g_object_unref(filter);
        return text;
    }
    g_mime_filter_complete(filter, (char *)text->data, text->len, 0, &out, &size, &prespace);
    converted = g_byte_array_sized_new((guint)size);
    g_byte_array_append(converted, (const guint8 *)out, (guint)size);
    g_object_unref(filter);
    g_byte_array_unref(text);
    return converted;
}

static void drop_returns(GByteArray *text)
{
    guint kept = 0;

    for (guint i = 0; i < text->len; i++)
        if (text->data[i] != '\r' || i + 1 == text->len || text->data[i + 1] != '\n')
            text->data[kept++] = text->data[i];
    g_byte_array_set_size(text, kept);
}

GByteArray *content_text(GMimePart *part, size_t max)
{
    GByteArray *text = content_decode(part, max);
    const char *charset;

    if (text == NULL)
        return NULL;
    charset = find_charset(content_parameter(GMIME_OBJECT(part), "charset"), text);
    if (charset != NULL)
        text = convert(text, charset);
    drop_returns(text);
    return text;
}
