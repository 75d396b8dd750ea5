/*
 * The headers of a message: whatever the bytes, the texts are clean and fit their frame. And the digest of it: one
 * more field that tells of its way makes no difference.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/frame.h"
#include "processor/mime/charset.h"
#include "processor/mime/digest.h"
#include "processor/mime/headers.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return charset_open_all() == 0;
}

static void compare_digests(int fd, const uint8_t *data, size_t size)
{
    static const char field[] = "Received: from a\n\tby b\n";
    char digest[MESSAGE_DIGEST_SIZE];
    char other[MESSAGE_DIGEST_SIZE];
    struct err err = {0};
    int longer = memfd_create("longer", MFD_CLOEXEC);

    if (longer < 0 || write(longer, field, sizeof field - 1) != (ssize_t)sizeof field - 1 ||
        write(longer, data, size) != (ssize_t)size || digest_make(fd, digest, &err) != 0 ||
        digest_make(longer, other, &err) != 0 || digest[0] == '\0')
        abort();
    (void)close(longer);
    /* A folded line at the very beginning would belong to the new field. */
    if (size > 0 && data[0] != ' ' && data[0] != '\t' && strcmp(digest, other) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message_headers headers;
    static struct message_headers taken;
    static char storage[MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader reader;
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || headers_parse(fd, &headers, &err) != 0)
        abort();
    compare_digests(fd, data, size);
    (void)close(fd);
    frame_start(&frame, MESSAGE_FRAME_HEADERS);
    message_put_headers(&frame, &headers);
    if (frame.overflowed)
        abort();
    /* The processor refuses what is not clean. */
    reader = frame_read(buf_span(&frame));
    if (message_take_headers(&reader, &taken, &err) != 0)
        abort();
    return 0;
}
