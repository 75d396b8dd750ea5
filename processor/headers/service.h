/*
 * What a program does that reads messages for the processor: takes its requests from a socket
 * (processor/message.h), has each done by a worker of the crew, and sends the answers back. This process never looks
 * at a message itself.
 *
 *     crew_open(&service.crew, &profile, job, NULL, &err);
 *     service_run(&service, &err);
 *     crew_close(&service.crew);
 */
#ifndef PROCESSOR_HEADERS_SERVICE_H
#define PROCESSOR_HEADERS_SERVICE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "processor/headers/crew.h"

struct service {
    struct crew crew;
    int requests;  /* the socket that the processor has the other end of */
    int colleague; /* likewise of a program that does what this one's crew can't, not blocking; -1: there is none */
    /* Whether the crew does this. What it doesn't goes to the colleague; without one it is a protocol error. */
    bool (*is_ours)(const struct crew_request *request);
};

/*
 * Until the processor is gone: 0. -1: what asked or the colleague talks nonsense or is gone, or nothing works any
 * more. A worker that answers with MESSAGE_FRAME_NOT_PLAIN has its request handed on to the colleague.
 */
__attribute__((warn_unused_result)) int service_run(struct service *service, struct err *err);

/* For jobs: the answer that nothing came of it. */
void service_put_failure(struct buf *answer, const struct err *err);

#endif
