/*
 * The last bytes of a stream: what a handler said, bounded whatever it writes.
 */
#ifndef PROCESSOR_CAPTURE_H
#define PROCESSOR_CAPTURE_H

#include "common/buf.h"

enum { CAPTURE_SIZE = 16 * 1024 };

/* Empty when the first two are zero; what the others hold does not matter then. */
struct capture {
    size_t at;    /* where the next byte goes */
    bool wrapped; /* older bytes have been overwritten */
    char ring[CAPTURE_SIZE];
    char straight[CAPTURE_SIZE];
};

void capture_add(struct capture *capture, struct span bytes);
/* The last CAPTURE_SIZE bytes in order, borrowed until the next call. */
struct span capture_tail(struct capture *capture);

#endif
