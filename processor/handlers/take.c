#include "processor/handlers/take.h"

#include "processor/handlers/handler.h"
#include "processor/mime/apart.h"
#include "processor/scratch.h"

/* In the worker. */
static void work_apart(const void *context, const struct crew_request *request, struct buf *answer)
{
    const int *fds = request->fds;
    struct err err = {0};

    (void)context;
    if (apart_take(fds[0], fds[1], fds[2], &err) != 0)
        handler_put_failure(answer, &err);
    else
        frame_start(answer, MESSAGE_FRAME_DONE);
}

int take_apart(int message, struct parts *parts, struct err *err)
{
    static struct handler_work work = {.job = work_apart, .request = {.fd_count = 3}};
    int *fds = work.request.fds;

    fds[0] = message;
    if (scratch_open(&fds[1], err) != 0 || scratch_open(&fds[2], err) != 0)
        return -1;
    if (handler_work(&work, err) != 0)
        return -1;
    return parts_open(parts, fds[1], fds[2], err);
}
