#include "processor/command/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/buf.h"

static long read_pid(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof text, 0);
    struct span line = {text, size > 0 ? (size_t)size : 0};
    unsigned long long pid;

    return span_number(span_slice(line, 0, span_find(line, '\n')), INT_MAX, &pid) == 0 ? (long)pid : 0;
}

int alive_processor(const struct spool *spool, long *pid, struct err *err)
{
    int fd = openat(spool->root, "processor.lock", O_RDONLY | O_CLOEXEC);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int alive = 0;

    *pid = 0;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_system(err, "opening processor.lock in the spool %s", spool->path);
    /* Only asked about and never taken, so that a processor which starts at this moment gets it. */
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        alive = err_system(err, "testing processor.lock in the spool %s", spool->path);
    else if (lock.l_type != F_UNLCK)
        alive = 1;
    if (alive == 1)
        *pid = read_pid(fd);
    (void)close(fd);
    return alive;
}

int alive_wake(struct command_call *call)
{
    struct err err = {0};
    long pid;
    int alive = alive_processor(&call->spool, &pid, &err);

    if (alive == 0)
        (void)fputs("The processor is not running: it will act on its next start.\n", call->out.out);
    if (alive < 0 || spool_wake(&call->spool, &err) != 0)
        return command_fail(call, &err);
    return COMMAND_OK;
}
