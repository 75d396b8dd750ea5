/*
 * Writes an automatic reply as a whole message: RFC 5322 headers, MIME, and the text that a handler printed.
 *
 *     charset_open_all();
 *     compose_write(&reply, body_fd, output_fd, &err);
 */
#ifndef PROCESSOR_MIME_COMPOSE_H
#define PROCESSOR_MIME_COMPOSE_H

#include "common/err.h"
#include "processor/message.h"

enum {
    COMPOSE_BODY_MAX = 32 * 1024 * 1024,
    COMPOSE_ID_MAX = 250,        /* bytes of a message ID that is referred to; longer ones are left out */
    COMPOSE_REFERENCES_MAX = 20, /* the first, which names the thread, and the last ones */
};

/*
 * Reads the body from the file `body` to its end and writes the reply to the file `output`, both from their beginning
 * and beyond what is there. Lines end with LF. The body is text in UTF-8: bytes that are not, and NULs, become
 * U+FFFD; CRLF becomes LF, and the last line gets its end.
 *
 * A control character in any field, an address or Message-ID that is none, and a body larger than COMPOSE_BODY_MAX
 * are permanent errors.
 */
__attribute__((warn_unused_result)) int compose_write(const struct message_reply *reply, int body, int output,
                                                      struct err *err);

#endif
