#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "receiver/client.h"
#include "receiver/listener.h"

enum {
    FIRST_PASSED = 3,       /* SD_LISTEN_FDS_START */
    TURNED_AWAY_MAX = 1000, /* of one socket */
};

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* The number that a variable holds, 0 without one. */
static unsigned long long environment_number(const char *name, unsigned long long max)
{
    const char *text = getenv(name);
    unsigned long long number;

    return text != NULL && span_number(span_text(text), max, &number) == 0 ? number : 0;
}

/* Accepting never waits: a client may have left between its announcement and the call. */
static void add(struct listener *listener, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (listener->socket_count == LISTENER_SOCKETS_MAX || !is_listening(fd) || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return;
    listener->sockets[listener->socket_count++] = fd;
}

void listener_find_sockets(struct listener *listener)
{
    unsigned long long count = environment_number("LISTEN_FDS", LISTENER_SOCKETS_MAX);

    listener->socket_count = 0;
    /* They are meant for the process that it says, and not for what inherited its environment. */
    if (count > 0 && environment_number("LISTEN_PID", INT32_MAX) == (unsigned long long)getpid())
        for (int fd = FIRST_PASSED; fd < FIRST_PASSED + (int)count; fd++)
            add(listener, fd);
    if (listener->socket_count == 0)
        add(listener, STDIN_FILENO);
}

static void turn_away(int socket, const char *hostname)
{
    for (int i = 0; i < TURNED_AWAY_MAX; i++) {
        int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return;
        client_turn_away(fd, REPLY_UNAVAILABLE, hostname);
        (void)close(fd);
    }
}

void listener_turn_away(const struct listener *listener, const char *hostname)
{
    for (size_t i = 0; i < listener->socket_count; i++)
        turn_away(listener->sockets[i], hostname);
}
