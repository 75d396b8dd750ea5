/* Records of a message's parts, as a taken-over parser might write them: nothing beyond the contents is read. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/filename.h"
#include "processor/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int make_file(const void *bytes, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    return fd;
}

static void check(const struct parts_record *record)
{
    char storage[FILENAME_SIZE];
    struct buf name = buf_over(storage, sizeof storage);
    volatile char last = 0;

    if (record->contents.size > 0)
        last = record->contents.data[record->contents.size - 1];
    (void)last;
    if (record->type != PARTS_PART)
        return;
    parts_file_name(record, &name);
    if (name.size == 0 || name.overflowed || name.size > FILENAME_MAX_BYTES || !span_is_utf8(buf_span(&name)) ||
        name.data[0] == '.' || name.data[0] == '-' || span_find(buf_span(&name), '/') < name.size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parts parts;
    struct parts_record record;
    struct err err = {0};
    int records = make_file(data, size);
    int contents = make_file("contents", 8);

    if (parts_open(&parts, records, contents, &err) != 0)
        abort();
    while (parts_next(&parts, &record, &err) == 1)
        check(&record);
    parts_close(&parts);
    (void)close(records);
    (void)close(contents);
    return 0;
}
