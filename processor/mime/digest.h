/*
 * The digest of a message's content, by which two copies of it are known for the same whatever way they took: SHA-256
 * of all of the file but the fields that mail servers add on the way, our own trace block among them. Every other
 * byte counts.
 *
 *     digest_make(fd, digest, &err);
 */
#ifndef PROCESSOR_MIME_DIGEST_H
#define PROCESSOR_MIME_DIGEST_H

#include "common/err.h"
#include "processor/message.h"

enum { DIGEST_MESSAGE_MAX = 100 * 1024 * 1024 }; /* bytes; more would take too long beside the headers */

/*
 * Reads from the beginning of the file `fd`, wherever its position is, and leaves that alone. The digest is empty for
 * a message larger than DIGEST_MESSAGE_MAX. Only reading can fail (temporary).
 */
__attribute__((warn_unused_result)) int digest_make(int fd, char digest[static MESSAGE_DIGEST_SIZE], struct err *err);

#endif
