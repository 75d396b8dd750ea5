#include "common/io.h"

#include <errno.h>
#include <unistd.h>

int io_write_all(int fd, struct span bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0)
            bytes = span_slice(bytes, (size_t)written, bytes.size);
    }
    return 0;
}
