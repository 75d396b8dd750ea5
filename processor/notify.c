#include "processor/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"

void notify_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path == NULL ? 0 : strlen(path);
    int fd;

    if (length == 0 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* A manager that does not listen is its own trouble: the work goes on. */
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

void notify_reloading(void)
{
    struct timespec now = {0};
    char state[96];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_manager(state);
}

/* ---- the watchdog ---- */

static unsigned long long environment_number(const char *name, unsigned long long max)
{
    const char *text = getenv(name);
    unsigned long long number;

    return text != NULL && span_number(span_text(text), max, &number) == 0 ? number : 0;
}

void watchdog_open(struct watchdog *watchdog)
{
    unsigned long long period_us = environment_number("WATCHDOG_USEC", INT64_MAX);
    unsigned long long process = environment_number("WATCHDOG_PID", INT32_MAX);

    *watchdog = (struct watchdog){0};
    if (period_us < 2000 || (getenv("WATCHDOG_PID") != NULL && process != (unsigned long long)getpid()))
        return;
    watchdog->every_ms = (int64_t)(period_us / 2000);
}

int64_t watchdog_continue(struct watchdog *watchdog, int64_t now_ms)
{
    if (watchdog->every_ms == 0)
        return INT64_MAX;
    if (watchdog->due_ms <= now_ms) {
        notify_manager("WATCHDOG=1");
        watchdog->due_ms = now_ms + watchdog->every_ms;
    }
    return watchdog->due_ms - now_ms;
}
