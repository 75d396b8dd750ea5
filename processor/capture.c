#include "processor/capture.h"

#include <string.h>

void capture_add(struct capture *capture, struct span bytes)
{
    size_t room = CAPTURE_SIZE - capture->at;

    if (bytes.size > CAPTURE_SIZE) {
        capture->wrapped = true;
        bytes = span_slice(bytes, bytes.size - CAPTURE_SIZE, bytes.size);
    }
    if (bytes.size < room) {
        if (bytes.size > 0)
            memcpy(capture->ring + capture->at, bytes.data, bytes.size);
        capture->at += bytes.size;
        return;
    }
    memcpy(capture->ring + capture->at, bytes.data, room);
    memcpy(capture->ring, bytes.data + room, bytes.size - room);
    capture->at = bytes.size - room;
    capture->wrapped = true;
}

struct span capture_tail(struct capture *capture)
{
    if (!capture->wrapped)
        return (struct span){capture->ring, capture->at};
    memcpy(capture->straight, capture->ring + capture->at, CAPTURE_SIZE - capture->at);
    memcpy(capture->straight + CAPTURE_SIZE - capture->at, capture->ring, capture->at);
    return (struct span){capture->straight, CAPTURE_SIZE};
}
