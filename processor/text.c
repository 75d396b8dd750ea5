#include "processor/text.h"

#include <string.h>
#include <wchar.h>

#include "common/clock.h"

/* ---- characters ---- */

/* The bytes that a character has by its first byte; 1 also where that byte can't be a first one. */
static size_t announced_size(unsigned char first)
{
    if (first >= 0xF0)
        return 4;
    if (first >= 0xE0)
        return 3;
    return first >= 0xC0 ? 2 : 1;
}

struct text_character text_decode(struct span text)
{
    unsigned char first = (unsigned char)text.data[0];
    struct span bytes = span_slice(text, 0, announced_size(first));
    struct text_character character = {.code = first, .size = 1, .is_valid = first < 0x80};

    if (bytes.size < 2 || !span_is_utf8(bytes))
        return character;
    character =
        (struct text_character){.code = first & (0xFFU >> (bytes.size + 1)), .size = bytes.size, .is_valid = true};
    for (size_t i = 1; i < bytes.size; i++)
        character.code = character.code << 6 | ((unsigned char)bytes.data[i] & 0x3FU);
    return character;
}

bool text_is_harmful(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     /* C0, DEL, C1 */
        {0x061C, 0x061C}, {0x200E, 0x200F}, /* marks of direction */
        {0x2028, 0x202E},                   /* line and paragraph separators, embeddings and overrides */
        {0x2066, 0x2069},                   /* isolates */
        {0xFFF9, 0xFFFB},                   /* interlinear annotations */
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

static void write_character(FILE *out, struct span at, struct text_character character)
{
    if (!character.is_valid)
        (void)fprintf(out, "<%02X>", (unsigned)character.code);
    else if (!text_is_harmful(character.code))
        (void)fwrite(at.data, 1, character.size, out);
    else if (character.code < 0x80)
        (void)fprintf(out, "^%c", (int)(character.code ^ 0x40));
    else
        (void)fprintf(out, "<U+%04X>", (unsigned)character.code);
}

/* ---- writing ---- */

void text_write(FILE *out, struct span text)
{
    struct text_character character;

    for (; text.size > 0; text = span_slice(text, character.size, text.size)) {
        character = text_decode(text);
        write_character(out, text, character);
    }
}

static void write_line(FILE *out, struct span line)
{
    struct span tabless;
    size_t tab;

    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    for (;;) {
        tab = span_find(line, '\t');
        tabless = span_slice(line, 0, tab);
        text_write(out, tabless);
        if (tab == line.size)
            break;
        (void)fputc('\t', out);
        line = span_slice(line, tab + 1, line.size);
    }
    (void)fputc('\n', out);
}

void text_write_lines(FILE *out, struct span text, const char *indent)
{
    while (text.size > 0) {
        size_t end = span_find(text, '\n');

        (void)fputs(indent, out);
        write_line(out, span_slice(text, 0, end));
        text = span_slice(text, end + 1, text.size);
    }
}

/* ---- width ---- */

static size_t character_width(struct text_character character)
{
    int width = wcwidth((wchar_t)character.code);

    /* What the locale does not know (none is installed, or the character is newer) is taken for an ordinary letter.
     */
    return width < 0 ? 1 : (size_t)width;
}

size_t text_fit(struct span clean, size_t width)
{
    size_t bytes = 0, used = 0;

    while (bytes < clean.size) {
        struct text_character character = text_decode(span_slice(clean, bytes, clean.size));

        used += character_width(character);
        if (used > width)
            break;
        bytes += character.size;
    }
    return bytes;
}

size_t text_width(struct span clean)
{
    size_t width = 0;

    for (size_t at = 0; at < clean.size;) {
        struct text_character character = text_decode(span_slice(clean, at, clean.size));

        width += character_width(character);
        at += character.size;
    }
    return width;
}

/* ---- wrapping ---- */

static size_t chunk_size(const char *text)
{
    size_t size = 0;
    int depth = 0;

    for (; text[size] != '\0' && (depth > 0 || strchr(" \n", text[size]) == NULL); size++)
        depth += (text[size] == '[') - (text[size] == ']');
    return size;
}

void text_wrap(FILE *out, const char *text, size_t column, size_t indent)
{
    bool is_first = true; /* in its line */

    while (*text != '\0') {
        size_t size = chunk_size(text), blank;

        if (!is_first && column + 1 + size > TEXT_LINE) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        (void)fprintf(out, "%s%.*s", is_first ? "" : " ", (int)size, text);
        column += size + (is_first ? 0 : 1);
        is_first = false;
        blank = strspn(text + size, " \n");
        if (memmem(text + size, blank, "\n\n", 2) != NULL) {
            (void)fprintf(out, "\n\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        text += size + blank;
    }
    (void)fputc('\n', out);
}

/* ---- numbers ---- */

void text_time(int64_t time_ms, char text[static TEXT_TIME_SIZE])
{
    char iso[CLOCK_ISO8601_SIZE];

    clock_iso8601(time_ms, iso);
    snprintf(text, TEXT_TIME_SIZE, "%.10s %.8s", iso, iso + 11);
}

void text_minute(int64_t time_ms, char text[static TEXT_MINUTE_SIZE])
{
    char whole[TEXT_TIME_SIZE];

    text_time(time_ms, whole);
    snprintf(text, TEXT_MINUTE_SIZE, "%.16s", whole);
}

void text_duration(int64_t duration_ms, char text[static TEXT_DURATION_SIZE])
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t seconds = duration_ms > 0 ? duration_ms / 1000 : 0;
    unsigned rest;
    size_t i = 0;

    while (i < 3 && seconds < units[i].seconds)
        i++;
    rest = i < 3 ? (unsigned)(seconds % units[i].seconds / units[i + 1].seconds) % 100 : 0;
    if (rest > 0)
        snprintf(text, TEXT_DURATION_SIZE, "%lld%s%02u%s", (long long)(seconds / units[i].seconds), units[i].unit,
                 rest, units[i + 1].unit);
    else
        snprintf(text, TEXT_DURATION_SIZE, "%lld%s", (long long)(seconds / units[i].seconds), units[i].unit);
}

void text_size(uint64_t bytes, char text[static TEXT_SIZE_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(text, TEXT_SIZE_SIZE, "%u B", (unsigned)bytes);
        return;
    }
    /* 1023.95 would be written as 1024.0. */
    for (; size >= 1023.95 && unit < sizeof units / sizeof units[0] - 1; unit++)
        size /= 1024;
    snprintf(text, TEXT_SIZE_SIZE, "%.1f %s", size, units[unit]);
}
