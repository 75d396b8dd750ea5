/* A whole message, taken apart by GMime: whatever the bytes, the records can be read, and stay within their bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/mime/apart.h"
#include "processor/mime/charset.h"
#include "processor/parts.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return charset_open_all() == 0;
}

static void check_records(int records, int contents)
{
    static struct parts parts;
    struct parts_record record;
    struct err err = {0};
    unsigned count = 0;
    int status;

    if (parts_open(&parts, records, contents, &err) != 0)
        abort();
    while ((status = parts_next(&parts, &record, &err)) == 1)
        if (record.type == PARTS_PART && record.number != ++count)
            abort();
    if (status != 0)
        abort();
    parts_close(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);
    int records = memfd_create("records", MFD_CLOEXEC);
    int contents = memfd_create("contents", MFD_CLOEXEC);

    if (fd < 0 || records < 0 || contents < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    if (apart_take(fd, records, contents, &err) == 0)
        check_records(records, contents);
    else if (err.kind != ERR_PERMANENT)
        abort();
    (void)close(fd);
    (void)close(records);
    (void)close(contents);
    return 0;
}
