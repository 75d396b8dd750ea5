#include "processor/handlers/diff_line.h"

#include <string.h>

#include "processor/handlers/diff.h"

enum { RULE_SIZE_MIN = 20 };

/* ---- lines ---- */

struct span diff_line_at(struct span text, size_t at, size_t *next)
{
    struct span rest = span_slice(text, at, text.size);
    size_t size = span_find(rest, '\n');
    struct span line = span_slice(rest, 0, size);

    *next = at + size + (size < rest.size ? 1 : 0);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

struct span diff_line_behind(struct span text, size_t at)
{
    size_t next;

    (void)diff_line_at(text, at, &next);
    return diff_line_at(text, next, &next);
}

bool diff_starts(struct span line, const char *start)
{
    size_t size = strlen(start);

    return line.size >= size && memcmp(line.data, start, size) == 0;
}

bool diff_is_rule(struct span line, char sign)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != sign)
            return false;
    return line.size >= RULE_SIZE_MIN;
}

bool diff_is_note(struct span line)
{
    size_t size = sizeof DIFF_NOTE_END - 1;

    return diff_starts(line, "[") && line.size > size &&
           memcmp(line.data + line.size - size, DIFF_NOTE_END, size) == 0;
}

size_t diff_find(struct span whole, const char *needle)
{
    const char *found = whole.size == 0 ? NULL : memmem(whole.data, whole.size, needle, strlen(needle));

    return found == NULL ? whole.size : (size_t)(found - whole.data);
}

/* ---- names of files ---- */

/* Three octal digits, or a letter, behind a backslash. */
static char unescape(struct span *rest)
{
    static const char letters[] = "abfnrtv";
    char byte = rest->data[0];
    unsigned value = 0;
    size_t digits = 0;

    while (digits < 3 && digits < rest->size && rest->data[digits] >= '0' && rest->data[digits] <= '7')
        value = value * 8 + (unsigned)(rest->data[digits++] - '0');
    *rest = span_slice(*rest, digits == 0 ? 1 : digits, rest->size);
    if (digits > 0)
        return (char)(unsigned char)value;
    return memchr(letters, byte, sizeof letters - 1) != NULL ? '?' : byte;
}

void diff_put_name(struct buf *path, struct span name)
{
    bool is_quoted = name.size >= 2 && name.data[0] == '"' && name.data[name.size - 1] == '"';

    if (is_quoted)
        name = span_slice(name, 1, name.size - 1);
    if (name.size >= path->capacity)
        name = span_slice(name, name.size - path->capacity + 1, name.size);
    while (name.size > 0) {
        char byte = name.data[0];

        name = span_slice(name, 1, name.size);
        if (is_quoted && byte == '\\' && name.size > 0)
            byte = unescape(&name);
        buf_put_byte(path, (unsigned char)byte < ' ' || byte == 0x7f ? '?' : byte);
    }
}

struct span diff_git_name(struct span names)
{
    size_t half = names.size / 2;

    if (names.size % 2 == 1 && names.data[half] == ' ' && half > 2 &&
        span_equal(span_slice(names, 2, half), span_slice(names, half + 3, names.size)))
        return span_slice(names, 0, half);
    return names;
}
