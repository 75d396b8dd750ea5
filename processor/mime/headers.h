/*
 * The headers of a message, decoded. Reads the block of headers and no more of the file.
 *
 *     charset_open_all();
 *     headers_parse(fd, &headers, &err);
 */
#ifndef PROCESSOR_MIME_HEADERS_H
#define PROCESSOR_MIME_HEADERS_H

#include "common/err.h"
#include "processor/message.h"

/*
 * Reads from the beginning of the file `fd`, wherever its position is, and leaves that alone: a handler may share it.
 * What can't be decoded is replaced, so that only reading and memory can fail (temporary).
 *
 * Header bytes above 127 that are not UTF-8 are taken for windows-1252. Of headers with the same name the first
 * counts; for no_reply each does. A line that is no header ends the headers, as with Postfix.
 */
__attribute__((warn_unused_result)) int headers_parse(int fd, struct message_headers *headers, struct err *err);

#endif
