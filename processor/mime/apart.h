/*
 * Takes a message apart into records and contents (processor/parts.h). For use inside the sandbox.
 *
 *     charset_open_all();
 *     apart_take(fd, records, contents, &err);
 */
#ifndef PROCESSOR_MIME_APART_H
#define PROCESSOR_MIME_APART_H

#include "common/err.h"

/*
 * Reads the message in the file `fd` and writes to two empty files, at their beginnings. What is broken gives what
 * can be seen of it. Permanent: it is no message, as it has no header at all. Temporary: it can't be read, or a file
 * not be written.
 */
__attribute__((warn_unused_result)) int apart_take(int fd, int records, int contents, struct err *err);

#endif
