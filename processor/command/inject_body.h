/*
 * The body of a message that is injected, from a file's form to the spool's. A file's lines end with LF or with CR
 * LF, the spool's with LF; all else is held to what the receiver holds a body to: no CR by itself, a size, a header's
 * size, no hundred Received fields. NUL and any other byte is kept.
 *
 *     inject_body_start(&body, config->max_message_size, config->max_header_size);
 *     for each piece of the file
 *         inject_body_take(&body, piece, &output);       write `output`, clear it
 *     inject_body_end(&body, &output);                   write the last of it
 *     body.verdict == INJECT_GOOD, or the message is refused
 *
 * How the file is cut into pieces makes no difference.
 */
#ifndef PROCESSOR_COMMAND_INJECT_BODY_H
#define PROCESSOR_COMMAND_INJECT_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum { INJECT_RECEIVED_MAX = 100 /* as many Received fields mean a loop */ };

enum inject_verdict {
    INJECT_GOOD,
    INJECT_EMPTY,
    INJECT_BARE_CR,
    INJECT_TOO_BIG,
    INJECT_HEADER_TOO_BIG,
    INJECT_LOOP,
};

struct inject_body {
    enum inject_verdict verdict; /* the first fault found stays; nothing is put out behind it */
    uint64_t size_max, header_max;
    uint64_t size_bytes; /* as it would be sent: two octets for a line's end */
    bool in_header;
    bool has_cr; /* the last byte was one, and what it means is still to be seen */
    uint64_t line_size;
    unsigned field_matched; /* bytes of "received:" at the line's beginning */
    unsigned received_count;
};

void inject_body_start(struct inject_body *body, uint64_t size_max, uint64_t header_max);
/* `output` is to have room for one byte more than `piece` has. */
void inject_body_take(struct inject_body *body, struct span piece, struct buf *output);
/* Ends a last line that has no end. `output` is to have room for a byte. */
void inject_body_end(struct inject_body *body, struct buf *output);

/* What is wrong, in words. */
const char *inject_body_fault(enum inject_verdict verdict);

#endif
