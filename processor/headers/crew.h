/*
 * A crew: one sandboxed process for each request, so that what a message does to its parser it does to that message
 * alone. Such a worker has what memory holds at its start, the descriptors that come with its request and a socket
 * for that and its answer; it can open nothing, start nothing and reach nobody. The next one is made ahead, while
 * there is nothing to do.
 *
 *     crew_open(&crew, &profile, job, NULL, &err);
 *     crew_prepare(&crew);                                   while crew_is_idle(&crew)
 *     worker = crew_ask(&crew, token, &request, &err);       while crew_has_room(&crew)
 *     ... poll worker->socket for reading, no longer than until worker->deadline_ms ...
 *     if (crew_take(worker, storage, sizeof storage, &answer, &err) == 0)
 *         use the answer
 *     crew_release(worker);
 */
#ifndef PROCESSOR_HEADERS_CREW_H
#define PROCESSOR_HEADERS_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"
#include "common/sandbox.h"
#include "processor/message.h"

struct crew_request {
    uint8_t type;
    struct span fields; /* of the frame, behind the token */
    int fds[FRAME_FDS_MAX];
    size_t fd_count;
};

/*
 * What runs in the process. It adds its answer to the empty buffer `answer`: a type and fields, no token. `context`
 * is what it was when the process was made.
 */
typedef void crew_job(const void *context, const struct crew_request *request, struct buf *answer);

struct worker {
    pid_t pid; /* 0: there is none */
    int socket;
    bool is_busy;
    uint64_t token;
    int64_t deadline_ms; /* on the monotonic clock */
    int fd;              /* -1, or what the caller wants closed when the worker is released */
};

struct crew {
    struct sandbox sandbox;
    crew_job *job;
    const void *context;
    int nowhere; /* /dev/null, which the workers get for standard output and error */
    struct worker workers[MESSAGE_IN_FLIGHT_MAX];
};

/* The profile and the context stay the caller's. A worker needs recvmsg, sendmsg and exit_group, beside what its job
 * does. */
__attribute__((warn_unused_result)) int crew_open(struct crew *crew, const struct sandbox_profile *profile,
                                                  crew_job *job, const void *context, struct err *err);
/* Ends what still runs. */
void crew_close(struct crew *crew);

/* Nobody has anything to do. */
bool crew_is_idle(const struct crew *crew);
/* Makes a worker for the next request, if there is none. It is no harm if that fails: asking tries again. */
void crew_prepare(struct crew *crew);
/* Whether one more can be asked. */
bool crew_has_room(const struct crew *crew);

/*
 * Gives the request to a worker, which is busy from now on. Its descriptors stay the caller's. NULL (temporary) when
 * no process can be made.
 */
__attribute__((warn_unused_result)) struct worker *crew_ask(struct crew *crew, uint64_t token,
                                                            const struct crew_request *request, struct err *err);
/*
 * Takes the answer of a worker that has one, has died or is past its deadline. -1: there is no answer, and `err` says
 * why: permanent when the same request would end the same way. The worker is to be released, either way.
 */
__attribute__((warn_unused_result)) int crew_take(struct worker *worker, char *storage, size_t size,
                                                  struct frame_reader *answer, struct err *err);
/* Ends the process, if it has not ended by itself, and waits for that, which is short. */
void crew_release(struct worker *worker);

#endif
