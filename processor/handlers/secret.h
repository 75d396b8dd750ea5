/*
 * A secret in a file of its own, and signatures with it: HMAC with SHA-256 (RFC 2104), in hexadecimal.
 *
 *     secret_read(&secret, path, &err);
 *     secret_sign(&secret, "1769900399.", fd, signature, &err);
 *     secret_forget(&secret);
 *
 * It is never an argument, where all users of the machine could see it.
 */
#ifndef PROCESSOR_HANDLERS_SECRET_H
#define PROCESSOR_HANDLERS_SECRET_H

#include <stddef.h>

#include "common/err.h"

enum { SECRET_SIZE_MAX = 4096, SECRET_SIGNATURE_SIZE = 65 };

struct secret {
    unsigned char bytes[SECRET_SIZE_MAX + 2]; /* room for a line's end, and to see that there is more */
    size_t size;
};

/*
 * The file's bytes without a line's end behind them. Permanent when there are none or too many, when it is no file,
 * or when more than its owner may write or more than its owner and group may read it.
 */
__attribute__((warn_unused_result)) int secret_read(struct secret *secret, const char *path, struct err *err);
void secret_forget(struct secret *secret);

/* Signs `prefix` and, behind it, the whole of a file, whose offset stays as it is. */
__attribute__((warn_unused_result)) int secret_sign(const struct secret *secret, const char *prefix, int fd,
                                                    char signature[static SECRET_SIGNATURE_SIZE], struct err *err);

#endif
