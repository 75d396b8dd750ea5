/*
 * The engine: the processor's main half as one thing, and the loop that drives it. It sleeps in one poll(2) until a
 * signal, a file, an answer, a handler's output or a deadline wakes it.
 *
 *     engine_open(&engine, &config, &launcher, &err);   after rights were dropped
 *     status = engine_run(&engine);
 *     engine_close(&engine);
 */
#ifndef PROCESSOR_ENGINE_H
#define PROCESSOR_ENGINE_H

#include "common/config.h"
#include "common/index.h"
#include "common/spool.h"
#include "processor/arrival.h"
#include "processor/clerk.h"
#include "processor/intake.h"
#include "processor/launcher.h"
#include "processor/message.h"
#include "processor/notify.h"
#include "processor/outbox.h"
#include "processor/rejections.h"
#include "processor/retention.h"
#include "processor/runner.h"
#include "processor/schedule.h"
#include "processor/setback.h"
#include "processor/turn.h"
#include "processor/watch.h"

enum {
    ENGINE_GRACE_MS = 20000,       /* at a stop: what handlers have before they are sent TERM */
    ENGINE_HELPER_PAUSE_MS = 1000, /* before a helper that died is started again */
};

struct engine {
    struct config *config; /* the caller's; replaced in place by a reload */
    const struct launcher *launcher;
    char *spool_path, *index_path; /* as they were at the start, whatever a reload brings */
    struct spool spool;
    struct index index;
    struct outbox outbox;
    struct watch watch;
    struct message_helper helper;
    struct intake intake;
    struct runner runner;
    struct filing filing;
    struct schedule schedule;
    struct rejections rejections;
    struct arrival arrival;
    struct clerk clerk;
    struct turn turn;
    struct watchdog watchdog;
    struct retention retention;

    int lock;    /* held on the spool for as long as we live */
    int signals; /* signalfd */
    char helper_path[4096];
    int64_t helper_ms; /* wall clock: when to start the helper again; 0: it runs */
    unsigned reloads;  /* asked of the launcher and not answered yet: nobody knows by which numbers it goes */
    struct setback setback;
    int64_t set_back_ms;     /* by which the clock was set back, and that is not written down yet */
    int64_t set_back_due_ms; /* wall clock: when to try that again */
    bool stopping;
    int64_t stop_ms; /* monotonic: when what still runs is stopped */
    bool failed;     /* the launcher or the folder new/ is gone: there is no going on */
    struct pollfd *fds;
    size_t fd_capacity;
};

/* Opens everything, takes up what an earlier end left undone, and blocks the signals that the loop reads. */
__attribute__((warn_unused_result)) int engine_open(struct engine *engine, struct config *config,
                                                    const struct launcher *launcher, struct err *err);

/* Runs until SIGTERM or SIGINT: new work is left, what runs may end; a second signal does not wait. 0, or -1 for
 * trouble. */
int engine_run(struct engine *engine);
void engine_close(struct engine *engine);

#endif
