/*
 * The session's one way to wait: for the client, but no longer than its writer is there, than it may take, and than
 * the receiver goes on.
 */
#ifndef RECEIVER_SESSION_WAIT_H
#define RECEIVER_SESSION_WAIT_H

#include <stdint.h>

enum { SESSION_WAIT_STOP = 2 };

struct session_wait {
    int fd; /* the client's */
    short events;
    int writer;
    int stop; /* hangs up when the receiver is to end; -1: that does not matter now */
};

/*
 * Waits until the client can be read or written, or `ends`, in monotonic milliseconds. 1 ready, 0 too late, -1 no use
 * to go on, and SESSION_WAIT_STOP when the receiver is to end.
 */
int session_wait(const struct session_wait *wait, int64_t ends);

#endif
