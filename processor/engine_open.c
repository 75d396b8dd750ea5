/* The engine's beginning and end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/program.h"
#include "processor/engine.h"
#include "processor/filing.h"
#include "processor/ledger.h"
#include "processor/lock.h"

static int take_signals(struct engine *engine, struct err *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
        return err_system(err, "blocking signals");
    engine->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return engine->signals < 0 ? err_system(err, "signalfd") : 0;
}

static void wire(struct engine *engine)
{
    engine->intake = (struct intake){.config = engine->config,
                                     .index = &engine->index,
                                     .spool = &engine->spool,
                                     .filing = &engine->filing,
                                     .helper = &engine->helper,
                                     .arrival = &engine->arrival,
                                     .config_stamp = config_stamp(engine->config->path)};
    engine->runner.context = (struct attempt_context){.config = engine->config,
                                                      .index = &engine->index,
                                                      .spool = &engine->spool,
                                                      .outbox = &engine->outbox,
                                                      .filing = &engine->filing,
                                                      .launcher = engine->launcher,
                                                      .helper = &engine->helper};
    engine->filing = (struct filing){.index = &engine->index, .spool = &engine->spool, .outbox = &engine->outbox};
    engine->clerk = (struct clerk){.intake = &engine->intake, .events = -1, .listener = -1};
    engine->retention = (struct retention){
        .config = engine->config, .index = &engine->index, .spool = &engine->spool, .filing = &engine->filing};
    engine->arrival = (struct arrival){.schedule = &engine->schedule, .runner = &engine->runner};
    engine->turn = (struct turn){.index = &engine->index,
                                 .intake = &engine->intake,
                                 .runner = &engine->runner,
                                 .filing = &engine->filing,
                                 .schedule = &engine->schedule,
                                 .clerk = &engine->clerk};
}

/*
 * What has ended is filed away first, as the outbox forgets what only ended messages had a use for. The watch is
 * opened before the scan: what comes between the two is seen twice rather than never.
 */
static int take_up(struct engine *engine, struct err *err)
{
    int64_t now_ms = clock_now_ms();

    index_prepare();
    if (index_open(&engine->index, engine->index_path, INDEX_PROCESSOR, err) != 0 ||
        ledger_recover(&engine->index, now_ms, err) != 0 ||
        filing_rest(&engine->index, &engine->spool, now_ms, err) != 0 ||
        outbox_open(&engine->outbox, &engine->spool, &engine->index, err) != 0 ||
        watch_open(&engine->watch, &engine->spool, err) != 0 || intake_scan(&engine->intake, err) != 0)
        return -1;
    retention_continue(&engine->retention, now_ms);
    rejections_open(&engine->rejections, &engine->index);
    if (index_gather(&engine->index, err) != 0)
        return -1;
    clerk_open(&engine->clerk, engine->index_path);
    return 0;
}

/* That the other one is there, too, is seen now: the helper could only end for want of it, again and again. */
static int find_helper(struct engine *engine, struct err *err)
{
    char parts[sizeof engine->helper_path];

    return program_find(MESSAGE_PARTS_PROGRAM, parts, sizeof parts, err) != 0
               ? -1
               : program_find(MESSAGE_PROGRAM, engine->helper_path, sizeof engine->helper_path, err);
}

int engine_open(struct engine *engine, struct config *config, const struct launcher *launcher, struct err *err)
{
    *engine = (struct engine){.config = config, .launcher = launcher, .lock = -1, .signals = -1};
    engine->watch.fd = engine->outbox.folder = engine->rejections.watch = engine->rejections.file = -1;
    engine->clerk.events = engine->clerk.listener = -1;
    engine->spool_path = strdup(config->spool);
    engine->index_path = strdup(config->index);
    if (engine->spool_path == NULL || engine->index_path == NULL)
        return err_system(err, "memory for the engine");
    wire(engine);
    if (take_signals(engine, err) != 0 || spool_open(&engine->spool, engine->spool_path, SPOOL_PROCESSOR, err) != 0 ||
        (engine->lock = lock_take(engine->spool.root, engine->spool.path, err)) < 0 ||
        launcher_keep(launcher, engine->lock, err) != 0 || find_helper(engine, err) != 0 ||
        message_start(&engine->helper, engine->helper_path, err) != 0 || take_up(engine, err) != 0)
        return -1;
    return 0;
}

void engine_close(struct engine *engine)
{
    /* What still runs is for the launcher to end, and until then no other processor may start. */
    if (runner_is_busy(&engine->runner))
        (void)close(engine->lock);
    else
        lock_release(engine->lock);
    runner_free(&engine->runner);
    intake_forget(&engine->intake);
    filing_free(&engine->filing);
    message_end(&engine->helper, 2 * MESSAGE_END_MS);
    watch_close(&engine->watch);
    clerk_close(&engine->clerk);
    rejections_close(&engine->rejections);
    outbox_close(&engine->outbox);
    index_close(&engine->index);
    spool_close(&engine->spool);
    if (engine->signals >= 0)
        (void)close(engine->signals);
    free(engine->spool_path);
    free(engine->index_path);
    free(engine->fds);
}
