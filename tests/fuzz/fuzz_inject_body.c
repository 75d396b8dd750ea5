/*
 * The body of a message that is injected: how it is cut makes no difference, what is put out has no CR LF and ends
 * with a line's end, and taken again it is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "processor/command/inject_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 3000, HEADER_MAX_BYTES = 2000 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct inject_body take(struct span input, size_t step, struct buf *output)
{
    struct inject_body body;

    inject_body_start(&body, SIZE_MAX_BYTES, HEADER_MAX_BYTES);
    for (size_t at = 0; at < input.size; at += step)
        inject_body_take(&body, span_slice(input, at, at + step), output);
    inject_body_end(&body, output);
    require(!output->overflowed);
    return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[8192], pieces[8192], again[8192];
    struct buf one = buf_over(whole, sizeof whole), other = buf_over(pieces, sizeof pieces),
               third = buf_over(again, sizeof again);
    struct inject_body body, cut;
    struct span input = {(const char *)data, size};

    if (size == 0 || size > 4096)
        return 0;
    body = take(input, size, &one);
    cut = take(input, 1 + data[0] % 16, &other);
    require(body.verdict == cut.verdict && body.size_bytes == cut.size_bytes);
    require(span_equal(buf_span(&one), buf_span(&other)));
    if (body.verdict != INJECT_GOOD)
        return 0;
    require(one.size > 0 && one.data[one.size - 1] == '\n' && memchr(one.data, '\r', one.size) == NULL);
    require(take(buf_span(&one), one.size, &third).verdict == INJECT_GOOD);
    require(span_equal(buf_span(&one), buf_span(&third)));
    return 0;
}
