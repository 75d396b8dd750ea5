/*
 * Frames: whoever wrote the bytes, in whatever order fields are asked for, nothing beyond them is read; and a frame
 * that reads whole is the one that its fields make. The first byte says how many of the next are the order of
 * reading, each of them a number or a text of a certain longest size; what follows is the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char storage[FRAME_SIZE_MAX + 1];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_number(struct frame_reader *reader, struct buf *again)
{
    uint64_t number = frame_number(reader);

    require(!reader->bad || number == 0);
    frame_put_number(again, number);
}

static void read_text(struct frame_reader *reader, struct span frame, size_t max, struct buf *again)
{
    struct span text = frame_text(reader, max);

    require(text.size <= max && (!reader->bad || text.size == 0));
    if (text.size > 0)
        require(text.data > frame.data && text.data + text.size <= frame.data + frame.size);
    frame_put_text(again, text);
}

static void read_in_order(struct span order, struct span frame)
{
    struct frame_reader reader = frame_read(frame);
    struct buf again = buf_over(storage, sizeof storage);

    frame_start(&again, reader.type);
    for (size_t i = 0; i < order.size; i++) {
        unsigned char what = (unsigned char)order.data[i];

        if (what % 2 == 0)
            read_number(&reader, &again);
        else
            read_text(&reader, frame, what == UINT8_MAX ? FRAME_SIZE_MAX : what / 2, &again);
        require(reader.bad || reader.rest.size == 0 ||
                reader.rest.data + reader.rest.size == frame.data + frame.size);
    }
    if (frame_is_whole(&reader))
        require(!again.overflowed && span_equal(buf_span(&again), frame));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    size_t order_size = size == 0 ? 0 : data[0] % 16;

    if (size > FRAME_SIZE_MAX)
        return 0;
    read_in_order(span_slice(input, 1, 1 + order_size), span_slice(input, 1 + order_size, size));
    return 0;
}
