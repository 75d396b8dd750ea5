/*
 * The session's one way to wait: for the client, but no longer than its writer is there, than it may take, and than
 * the receiver goes on.
 */
#ifndef RECEIVER_SESSION_WAIT_H
#define RECEIVER_SESSION_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"

enum { SESSION_WAIT_STOP = 2 };

struct session_wait {
    int fd; /* the client's */
    short events;
    int writer;
    int stop; /* hangs up when the receiver is to end; -1: that does not matter now */
};

/*
 * Waits until the client can be read or written, or `ends`, in monotonic milliseconds. 1 ready, 0 too late, -1 the
 * writer is gone, and SESSION_WAIT_STOP when the receiver is to end.
 */
int session_wait(const struct session_wait *wait, int64_t ends);

/*
 * Sends what a client's socket has room for, which is nearly always all of a reply: then there is nothing to wait
 * for. `is_last`: the connection ends right behind, and its end goes out in the same packet. Only to a client of whom
 * nothing is left to be read: the kernel would throw away what has not gone out. Gives how many bytes were taken, 0
 * when it has to be waited for (or is no socket), -1 when the client is gone.
 */
ssize_t session_send(int fd, struct span bytes, bool is_last);

#endif
