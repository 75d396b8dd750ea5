#include "processor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static int try_lock(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Who took the lock, as the file says; 0: nobody that is known. */
static pid_t holder_of(int fd)
{
    char text[32] = "";
    ssize_t size = pread(fd, text, sizeof text - 1, 0);

    return size > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* The holder may be another user's, which we can't signal: it lives all the same. */
static bool is_alive(pid_t process)
{
    return process > 0 && (kill(process, 0) == 0 || errno != ESRCH);
}

/* A processor that is gone leaves the lock to its launcher, which holds it for as long as it takes to kill. */
static int wait_for_lock(int fd, const char *path, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int64_t deadline_ms = clock_monotonic_ms() + LOCK_WAIT_MS;

    while (try_lock(fd, F_WRLCK) != 0) {
        pid_t holder;

        if (errno != EAGAIN && errno != EACCES)
            return err_system(err, "locking processor.lock in the spool %s", path);
        holder = holder_of(fd);
        if (is_alive(holder))
            return err_set(err, ERR_PERMANENT,
                           "another mailmill-processor (process %d) works on the spool %s, or mailmill reindex does: "
                           "that has to end first",
                           (int)holder, path);
        if (clock_monotonic_ms() >= deadline_ms)
            return err_set(
                err, ERR_TEMPORARY,
                "what an earlier mailmill-processor (process %d) started on the spool %s has not ended yet",
                (int)holder, path);
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

int lock_take(int folder, const char *path, struct err *err)
{
    int fd = openat(folder, "processor.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    char text[32];
    int size = snprintf(text, sizeof text, "%d\n", (int)getpid());

    if (fd < 0)
        return err_system(err, "opening processor.lock in the spool %s", path);
    if (wait_for_lock(fd, path, err) == 0) {
        if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) == size)
            return fd;
        err_system(err, "writing processor.lock in the spool %s", path);
    }
    (void)close(fd);
    return -1;
}

void lock_release(int fd)
{
    if (fd < 0)
        return;
    (void)try_lock(fd, F_UNLCK);
    (void)close(fd);
}
