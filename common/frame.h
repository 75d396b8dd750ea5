/*
 * Frames: how processes of different trust talk. One frame is one datagram on a SOCK_SEQPACKET pair: a type byte,
 * then fields one after the other; descriptors may come with it.
 *
 *     struct buf frame = buf_over(storage, sizeof storage);
 *     frame_start(&frame, FRAME_BEGIN);
 *     frame_put_text(&frame, sender);
 *     frame_put_number(&frame, size);
 *     frame_send(socket, &frame, NULL, 0, &err);
 *
 *     struct frame_reader reader;
 *     frame_receive(socket, storage, sizeof storage, &reader, fds, &fd_count, &err);
 *     sender = frame_text(&reader, ADDRESS_SIZE - 1);
 *     size = frame_number(&reader);
 *     if (!frame_is_whole(&reader)) the frame was malformed
 *
 * Numbers are 8 bytes and texts have a 4-byte length, in the machine's order: both ends are one program's processes.
 * A reader never reads beyond its frame: what is missing or too long reads as zero or empty and marks it bad.
 */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    FRAME_SIZE_MAX = 160 * 1024, /* below the kernel's default socket buffer, so that a send never fails for size */
    FRAME_FDS_MAX = 4,
};

struct frame_reader {
    uint8_t type;
    struct span rest;
    bool bad;
};

void frame_start(struct buf *frame, uint8_t type);
void frame_put_number(struct buf *frame, uint64_t number);
void frame_put_text(struct buf *frame, struct span text);

/* A reader over a frame's bytes. An empty frame reads as type 0, bad. */
struct frame_reader frame_read(struct span frame);
uint64_t frame_number(struct frame_reader *reader);
/* The next text, borrowed from the frame; longer than `max` is bad. */
struct span frame_text(struct frame_reader *reader, size_t max);
/* Nothing was missing and nothing is left over. */
bool frame_is_whole(const struct frame_reader *reader);

/* Two connected ends, close-on-exec. */
__attribute__((warn_unused_result)) int frame_pair(int ends[static 2], struct err *err);

/* Sends one frame, waiting if need be, with up to FRAME_FDS_MAX descriptors, which stay the caller's. */
__attribute__((warn_unused_result)) int frame_send(int socket, const struct buf *frame, const int *fds,
                                                   size_t fd_count, struct err *err);

/*
 * Receives one frame. Gives 1 for a frame, 0 at the end of the stream (the other end is gone), -1 for an error; with
 * a socket that does not block, nothing there is an error with number EAGAIN. Descriptors (close-on-exec) are put
 * into `fds`, which has room for FRAME_FDS_MAX, and are the caller's; with `fds` NULL any that come are closed. A
 * frame larger than `size` is a protocol error.
 */
__attribute__((warn_unused_result)) int frame_receive(int socket, char *storage, size_t size,
                                                      struct frame_reader *reader, int *fds, size_t *fd_count,
                                                      struct err *err);

#endif
