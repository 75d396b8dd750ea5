#include "processor/filename.h"

#include <stdint.h>
#include <string.h>

enum { EXTENSION_MAX = 16 }; /* bytes, its dot counted; what is longer is no extension */

/* ---- characters ---- */

/* The character at the start of `text`, which is not empty, and its bytes. -1: a byte that is no UTF-8. */
static int32_t next_character(struct span text, size_t *size)
{
    int32_t code;

    for (*size = 1; *size <= 4 && *size <= text.size; ++*size)
        if (span_is_utf8(span_slice(text, 0, *size)))
            break;
    if (*size > 4 || *size > text.size) {
        *size = 1;
        return -1;
    }
    code = (unsigned char)text.data[0];
    if (*size > 1)
        code &= 0x7f >> *size;
    for (size_t i = 1; i < *size; i++)
        code = code << 6 | ((unsigned char)text.data[i] & 0x3f);
    return code;
}

static const struct {
    int32_t first, last;
} dropped[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff},
};

static bool is_dropped(int32_t code)
{
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
        if (code >= dropped[i].first && code <= dropped[i].last)
            return true;
    return false;
}

/* ---- names ---- */

static struct span last_component(struct span path)
{
    size_t at = path.size;

    while (at > 0 && path.data[at - 1] != '/' && path.data[at - 1] != '\\')
        at--;
    return span_slice(path, at, path.size);
}

/* Where the extension begins, or the name's size. */
static size_t find_extension(struct span name)
{
    size_t at = name.size;

    while (at > 1 && name.data[at - 1] != '.')
        at--;
    return at <= 1 || name.size - at + 1 > EXTENSION_MAX ? name.size : at - 1;
}

static bool is_in(char byte, const char *set)
{
    return byte != '\0' && strchr(set, byte) != NULL;
}

static struct span trim_dots(struct span name)
{
    while (name.size > 0 && is_in(name.data[0], ". -"))
        name = span_slice(name, 1, name.size);
    while (name.size > 0 && is_in(name.data[name.size - 1], ". "))
        name.size--;
    return name;
}

/* Adds what is harmless of a text, as far as whole characters of it fit into `room` bytes. */
static void put_clean(struct buf *name, struct span text, size_t room)
{
    size_t size;

    for (; text.size > 0; text = span_slice(text, size, text.size)) {
        int32_t code = next_character(text, &size);
        bool is_bad = code < 0 || (code < 0x80 && is_in((char)code, ":*?\"<>|"));

        if (code >= 0 && is_dropped(code))
            continue;
        if (name->size + (is_bad ? 1 : size) > room)
            return;
        buf_put(name, is_bad ? span_text("_") : span_slice(text, 0, size));
    }
}

bool filename_make_safe(struct span proposed, struct buf *name)
{
    struct span whole = last_component(proposed);
    size_t extension = find_extension(whole);
    struct span rest;

    put_clean(name, span_slice(whole, 0, extension), FILENAME_MAX_BYTES - EXTENSION_MAX);
    put_clean(name, span_slice(whole, extension, whole.size), FILENAME_MAX_BYTES);
    rest = trim_dots(buf_span(name));
    name->size = (size_t)(rest.data - name->data) + rest.size;
    name->data[name->size] = '\0';
    buf_consume(name, name->size - rest.size);
    return name->size > 0;
}

static const struct {
    const char *type;
    const char *extension;
} extensions[] = {
    {"application/gzip", "gz"}, {"application/json", "json"},
    {"application/pdf", "pdf"}, {"application/pgp-signature", "asc"},
    {"application/xml", "xml"}, {"application/zip", "zip"},
    {"audio/mpeg", "mp3"},      {"image/gif", "gif"},
    {"image/jpeg", "jpg"},      {"image/png", "png"},
    {"image/svg+xml", "svg"},   {"image/webp", "webp"},
    {"message/rfc822", "eml"},  {"text/calendar", "ics"},
    {"text/csv", "csv"},        {"text/html", "html"},
    {"text/plain", "txt"},      {"text/vcard", "vcf"},
    {"text/x-diff", "diff"},    {"text/x-patch", "patch"},
    {"video/mp4", "mp4"},
};

void filename_make_up(unsigned number, struct span content_type, struct buf *name)
{
    const char *extension = "bin";

    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (span_equal_nocase(content_type, span_text(extensions[i].type)))
            extension = extensions[i].extension;
    buf_printf(name, "part-%u.%s", number, extension);
}

void filename_number(struct span name, unsigned number, struct buf *numbered)
{
    size_t extension = find_extension(name);

    buf_put(numbered, span_slice(name, 0, extension));
    buf_printf(numbered, "-%u", number);
    buf_put(numbered, span_slice(name, extension, name.size));
}
