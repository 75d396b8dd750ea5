/*
 * Workers: one sandboxed process for one job, so that what a message does to its parser it does to that message
 * alone. The process has what memory holds at its start, the descriptors of its job and a socket for its answer;
 * it can open nothing, start nothing and reach nobody.
 *
 *     crew_open(&crew, &err);
 *     worker = crew_free_worker(&crew);
 *     worker_start(&crew, worker, &task, &err);
 *     ... poll worker->socket for reading, no longer than until worker->deadline_ms ...
 *     worker_finish(worker, storage, sizeof storage, &answer, &err);
 */
#ifndef PROCESSOR_MIME_WORKER_H
#define PROCESSOR_MIME_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"
#include "common/sandbox.h"
#include "processor/message.h"

/* What runs in the process. It adds its answer to the started buffer `answer`: a type and fields, no token. */
typedef void worker_job(void *context, struct buf *answer);

struct worker_task {
    uint64_t token;
    worker_job *job;
    void *context;
    const int *fds; /* what the job needs open; they stay the caller's, who closes them */
    size_t fd_count;
    int64_t deadline_ms; /* on the monotonic clock */
};

struct worker {
    pid_t pid; /* 0: free */
    int socket;
    uint64_t token;
    int64_t deadline_ms;
};

struct worker_crew {
    struct sandbox sandbox;
    int nowhere; /* /dev/null, which the workers get for standard input, output and error */
    struct worker workers[MESSAGE_IN_FLIGHT_MAX];
};

/* The list of what a worker may do. */
extern const struct sandbox_profile worker_profile;

__attribute__((warn_unused_result)) int crew_open(struct worker_crew *crew, struct err *err);
/* Ends what still runs. */
void crew_close(struct worker_crew *crew);
/* One that has nothing to do, or NULL. */
struct worker *crew_free_worker(struct worker_crew *crew);

__attribute__((warn_unused_result)) int worker_start(struct worker_crew *crew, struct worker *worker,
                                                     const struct worker_task *task, struct err *err);
/*
 * Takes the answer of a worker that has one, has died or is past its deadline; then the worker is free again. -1:
 * there is no answer, and `err` says why: permanent when the same job would end the same way.
 */
__attribute__((warn_unused_result)) int worker_finish(struct worker *worker, char *storage, size_t size,
                                                      struct frame_reader *answer, struct err *err);

#endif
