/*
 * The body of a message as DATA or BDAT bring it: from the wire's form to the spool's.
 *
 *     content_start(&content, CONTENT_DOTTED, &limits);
 *     while ((status = content_read(&content, &input)) != CONTENT_MORE)
 *         CONTENT_FULL   write content_bytes(&content), then content_emptied(&content)
 *         CONTENT_END    the end has been seen: content.verdict says whether the message is good; if it is,
 *                        write content_bytes(&content), the last of it
 *     read more from the client, again
 *
 * Of DATA (CONTENT_DOTTED), only CRLF "." CRLF ends a body, and one leading dot of a line is removed (RFC 5321,
 * section 4.5.2). Of BDAT (CONTENT_COUNTED, RFC 3030), dots mean nothing, and the caller knows where the end is:
 *
 *     content_start(&content, CONTENT_COUNTED, &limits);
 *     ... content_read as above with the octets of each chunk, until it gives CONTENT_MORE ...
 *     content_end(&content);                         and content_read gives CONTENT_END from then on
 *
 * Lines end with CRLF and nothing else: a CR or LF by itself makes the message refused, as others might read a
 * line's end, or a message's, into it ("SMTP smuggling"). A refused body is followed to its real end, so that both
 * sides stay in step, and gives no bytes from then on. CRLF becomes LF, any other byte is kept, NUL included; lines
 * may have any length. How the input is cut into reads makes no difference, not even to where the output is cut.
 */
#ifndef RECEIVER_CONTENT_H
#define RECEIVER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum {
    CONTENT_AREA_SIZE = 32 * 1024,
    CONTENT_RECEIVED_MAX = 100, /* as many Received fields mean a loop */
};

enum content_status { CONTENT_MORE, CONTENT_FULL, CONTENT_END };

/* What is to be held of the message; the first fault found stays. */
enum content_verdict {
    CONTENT_GOOD,
    CONTENT_DISCARDED,
    CONTENT_BARE_LINE_END,
    CONTENT_TOO_BIG,
    CONTENT_HEADER_TOO_BIG,
    CONTENT_LOOP,
};

enum content_form { CONTENT_DOTTED, CONTENT_COUNTED };

/* Octets as sent: CRLF counted, dot-stuffing not. The header is all before the first empty line. */
struct content_limits {
    uint64_t size_bytes;
    uint64_t header_bytes;
};

/* Where in the line the next byte stands. */
enum content_place { CONTENT_LINE_START, CONTENT_TEXT, CONTENT_CR, CONTENT_DOT, CONTENT_DOT_CR, CONTENT_ENDED };

struct content {
    enum content_verdict verdict;
    enum content_place place;
    enum content_form form;
    struct content_limits limits;
    uint64_t size_bytes; /* as sent, like the limits */
    bool in_header;      /* before the first empty line */
    bool line_is_empty;
    unsigned field_matched; /* bytes of "received:" that the header line began with; beyond it: no match */
    unsigned received_count;
    size_t used; /* bytes of the area */
    char area[CONTENT_AREA_SIZE];
};

void content_start(struct content *content, enum content_form form, const struct content_limits *limits);

/* From now on the body is only followed to its end. A fault found before it keeps its verdict. */
void content_discard(struct content *content);

/* Takes bytes from the front of `input` until it is used up, the area is full, or the end has been seen. */
enum content_status content_read(struct content *content, struct span *input);

/* All octets of a CONTENT_COUNTED body have been read, and the last status was CONTENT_MORE. A last line without its
 * CRLF is given one: in the spool every line ends. */
void content_end(struct content *content);

/* What has been decoded, borrowed until content_emptied; nothing when the verdict is not CONTENT_GOOD. */
struct span content_bytes(const struct content *content);
void content_emptied(struct content *content);

#endif
