/*
 * Preloaded into a program: its wall clock, and no other one, stands as many seconds back as the file says that
 * MAILMILL_CLOCK names. Empty or missing: none.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    const char *file = getenv("MAILMILL_CLOCK");
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    int fd = clock == CLOCK_REALTIME && file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    char text[32] = "";

    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        time->tv_sec -= strtol(text, NULL, 10);
    if (fd >= 0)
        (void)close(fd);
    return result;
}
