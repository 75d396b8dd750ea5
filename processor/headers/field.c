#include "processor/headers/field.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

enum { CHUNK_SIZE = 16 * 1024 };

/* ---- reading the block ---- */

/* Where the first empty line is among `size` bytes; SIZE_MAX: nowhere. `from` was searched before. */
static size_t find_end(const char *block, size_t from, size_t size)
{
    for (size_t at = from; at + 1 < size; at++) {
        if (block[at] != '\n')
            continue;
        if (block[at + 1] == '\n' || (block[at + 1] == '\r' && at + 2 < size && block[at + 2] == '\n'))
            return at + 1;
    }
    return SIZE_MAX;
}

int field_read_block(int fd, char block[static FIELD_BLOCK_MAX], size_t *block_size, struct err *err)
{
    size_t size = 0;
    size_t end = SIZE_MAX;

    while (size < FIELD_BLOCK_MAX && end == SIZE_MAX) {
        size_t room = FIELD_BLOCK_MAX - size;
        ssize_t got = pread(fd, block + size, room < CHUNK_SIZE ? room : CHUNK_SIZE, (off_t)size);
        size_t searched = size < 2 ? 0 : size - 2;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading a message");
        if (got == 0)
            break;
        size += (size_t)got;
        end = find_end(block, searched, size);
    }
    *block_size = end == SIZE_MAX ? size : end;
    return 0;
}

/* ---- splitting it ---- */

/* Takes a line off the front, its line end left out. */
static struct span next_line(struct span *rest)
{
    size_t size = span_find(*rest, '\n');
    struct span line = span_slice(*rest, 0, size);

    *rest = span_slice(*rest, size + 1, rest->size);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool is_fold(struct span rest)
{
    return rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t');
}

/* What mailbox files leave in the midst of headers. */
static bool is_mailbox_line(struct span line)
{
    return span_starts_nocase(line, span_text("From ")) || span_starts_nocase(line, span_text(">From "));
}

/* RFC 5322, section 3.6.8: printable, no colon; section 4.5 lets spaces stand before the colon. */
static struct span field_name(struct span line)
{
    size_t colon = span_find(line, ':');
    struct span name = span_trim(span_slice(line, 0, colon));

    if (colon == line.size || is_fold(line))
        return (struct span){"", 0};
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return (struct span){"", 0};
    return name;
}

bool field_next(struct span *rest, struct field *field)
{
    const char *limit = rest->data + rest->size;
    struct span line;
    const char *end;

    do
        line = next_line(rest);
    while (is_mailbox_line(line));
    field->name = field_name(line);
    if (field->name.size == 0)
        return false;
    field->start = line.data;
    field->value.data = line.data + span_find(line, ':') + 1;
    end = line.data + line.size;
    while (is_fold(*rest)) {
        line = next_line(rest);
        end = line.data + line.size;
    }
    field->value.size = (size_t)(end - field->value.data);
    field->end = rest->size > 0 ? rest->data : limit;
    return true;
}
