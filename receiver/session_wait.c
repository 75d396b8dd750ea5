#include "receiver/session_wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/clock.h"

int session_wait(const struct session_wait *wait, int64_t ends)
{
    for (;;) {
        /* Without its writer a session is worth nothing. */
        struct pollfd fds[] = {{.fd = wait->fd, .events = wait->events}, {.fd = wait->writer}, {.fd = wait->stop}};
        int64_t left = ends - clock_monotonic_ms();
        /* At least one look: the last word is written after the deadline. */
        int ready = poll(fds, 3, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);

        if (ready < 0 && errno != EINTR)
            return -1;
        if (ready > 0 && fds[2].revents != 0)
            return SESSION_WAIT_STOP;
        if (ready > 0)
            return fds[1].revents == 0 ? 1 : -1;
        if (ready == 0 && clock_monotonic_ms() >= ends)
            return 0;
    }
}

ssize_t session_send(int fd, struct span bytes, bool is_last)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.size};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL | (is_last ? MSG_MORE : 0));

    return sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTSOCK) ? 0 : sent;
}
