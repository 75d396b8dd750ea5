/*
 * The journal of rejections: whatever the bytes are, reading stays within them; a line that is read is clean, and
 * written back it is the same line. And whatever a client said, the line that is made of it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/rejection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct span written(const struct rejection *rejection, struct buf *line)
{
    buf_clear(line);
    rejection_write(rejection, line);
    require(!line->overflowed && line->size > 0 && span_find(buf_span(line), '\n') == line->size - 1);
    return span_slice(buf_span(line), 0, line->size - 1);
}

static void read_line(struct span bytes)
{
    char storage[REJECTION_LINE_MAX];
    struct buf line = buf_over(storage, sizeof storage);
    struct rejection rejection;

    if (rejection_read(bytes, &rejection) != 0)
        return;
    require(rejection.time_ms >= 0 && span_is_utf8(rejection.recipient) && span_is_utf8(rejection.reply));
    /* But for zeros before the time, of which none are written. */
    if (bytes.size > 2 && bytes.data[2] != '0')
        require(span_equal(written(&rejection, &line), bytes));
}

/* The bytes as what a client said, in each field. */
static void write_line(struct span bytes)
{
    char storage[REJECTION_LINE_MAX];
    struct buf line = buf_over(storage, sizeof storage);
    struct rejection rejection = {
        .time_ms = 1, .client = bytes, .helo = bytes, .sender = bytes, .recipient = bytes, .reply = bytes};
    struct rejection again;

    require(rejection_read(written(&rejection, &line), &again) == 0);
    require(again.time_ms == 1 && again.reply.size <= bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct span rest = bytes;

    write_line(bytes);
    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');

        read_line(span_slice(rest, 0, end));
        rest = span_slice(rest, end + 1, rest.size);
    }
    return 0;
}
