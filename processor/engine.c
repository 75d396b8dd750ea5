#include "processor/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "processor/filing.h"
#include "processor/ledger.h"
#include "processor/lock.h"
#include "processor/notify.h"

/* ---- opening ---- */

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
                                     .helper = &engine->helper,
                                     .config_stamp = config_stamp(engine->config->path)};
    engine->runner.context = (struct attempt_context){.config = engine->config,
                                                      .index = &engine->index,
                                                      .spool = &engine->spool,
                                                      .outbox = &engine->outbox,
                                                      .launcher = engine->launcher,
                                                      .helper = &engine->helper};
    engine->retention = (struct retention){
        .config = engine->config, .index = &engine->index, .spool = &engine->spool, .outbox = &engine->outbox};
}

/*
 * What has ended is filed away first, as the outbox forgets what only ended messages had a use for. The watch is
 * opened before the scan: what comes between the two is seen twice rather than never.
 */
static int take_up(struct engine *engine, struct err *err)
{
    int64_t now_ms = clock_now_ms();

    if (index_open(&engine->index, engine->index_path, INDEX_PROCESSOR, err) != 0 ||
        ledger_recover(&engine->index, now_ms, err) != 0 ||
        filing_rest(&engine->index, &engine->spool, now_ms, err) != 0 ||
        outbox_open(&engine->outbox, &engine->spool, &engine->index, err) != 0 ||
        watch_open(&engine->watch, &engine->spool, err) != 0)
        return -1;
    retention_continue(&engine->retention, now_ms);
    return intake_scan(&engine->intake, err);
}

int engine_open(struct engine *engine, struct config *config, const struct launcher *launcher, struct err *err)
{
    *engine = (struct engine){.config = config, .launcher = launcher, .lock = -1, .signals = -1};
    engine->watch.fd = engine->outbox.folder = -1;
    engine->spool_path = strdup(config->spool);
    engine->index_path = strdup(config->index);
    if (engine->spool_path == NULL || engine->index_path == NULL)
        return err_system(err, "memory for the engine");
    wire(engine);
    if (take_signals(engine, err) != 0 || spool_open(&engine->spool, engine->spool_path, true, err) != 0 ||
        (engine->lock = lock_take(engine->spool.root, engine->spool.path, err)) < 0 ||
        launcher_keep(launcher, engine->lock, err) != 0 ||
        message_program_path(engine->helper_path, sizeof engine->helper_path, err) != 0 ||
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
    message_stop(&engine->helper);
    watch_close(&engine->watch);
    outbox_close(&engine->outbox);
    index_close(&engine->index);
    spool_close(&engine->spool);
    if (engine->signals >= 0)
        (void)close(engine->signals);
    free(engine->spool_path);
    free(engine->index_path);
    free(engine->fds);
}

/* ---- signals ---- */

static void stop(struct engine *engine)
{
    if (!engine->stopping)
        notify_manager("STOPPING=1");
    engine->stop_ms = engine->stopping ? 0 : clock_monotonic_ms() + ENGINE_GRACE_MS;
    engine->stopping = true;
}

/* Refused or not, this is the file that was looked at: no message makes us look at it again before it changes. */
static void ask_for_reload(struct engine *engine)
{
    struct err err;

    notify_reloading();
    engine->intake.config_stamp = config_stamp(engine->config->path);
    if (launcher_reload(engine->launcher, &err) != 0)
        log_say(LOG_ERR, "reload: %s", err.text);
    else
        engine->reloads++;
}

static void read_signals(struct engine *engine)
{
    struct signalfd_siginfo signal;

    while (read(engine->signals, &signal, sizeof signal) == (ssize_t)sizeof signal)
        if (signal.ssi_signo == SIGHUP)
            ask_for_reload(engine);
        else
            stop(engine);
}

/* ---- the configuration, read anew ---- */

/* Those that were opened at the start stay as they are until a restart. */
static bool same_places(const struct engine *engine, const struct config *config)
{
    return strcmp(engine->spool_path, config->spool) == 0 && strcmp(engine->index_path, config->index) == 0;
}

static void look_anew(struct engine *engine)
{
    schedule_disturb(&engine->schedule);
    retention_wake(&engine->retention);
}

/* The launcher has taken the new text and goes by its handlers' numbers from now on; so must we. */
static void reloaded(struct engine *engine, int fd)
{
    struct config_errors errors = {0};
    struct config config = {0};
    struct err err;
    char *text = launcher_config_text(fd, &err);

    (void)close(fd);
    if (text == NULL || config_load_text(&config, engine->config->path, text, &errors) != 0) {
        log_say(LOG_CRIT, "reload: the two halves disagree about the configuration; restarting is needed");
        engine->failed = true;
    } else {
        if (!same_places(engine, &config))
            log_say(LOG_WARNING, "reload: a changed spool or index takes effect at the next restart");
        config_free(engine->config);
        *engine->config = config;
        log_reopen(config.log_file);
        log_say(LOG_INFO, "reloaded %s", config.path);
        look_anew(engine);
    }
    config_errors_free(&errors);
    free(text);
}

/* ---- answers ---- */

static void read_launcher(struct engine *engine, int64_t now_ms)
{
    struct launcher_answer answer;
    struct err err = {0};
    int status;

    while ((status = launcher_receive(engine->launcher, &answer, &err)) == 1) {
        if (answer.kind == LAUNCH_ENDED) {
            runner_ended(&engine->runner, &answer, now_ms);
            continue;
        }
        engine->reloads--;
        if (answer.kind == LAUNCH_RELOADED)
            reloaded(engine, answer.config);
        else
            log_say(LOG_ERR, "reload: the old configuration stays: %s", answer.text);
        notify_manager("READY=1");
    }
    if (status == 0)
        return;
    log_say(LOG_CRIT, "%s", err.text);
    engine->failed = true;
}

static void lose_helper(struct engine *engine, int64_t now_ms, const struct err *err)
{
    log_say(LOG_ERR, "mailmill-mime is started again: %s", err->text);
    message_stop(&engine->helper);
    intake_forget(&engine->intake);
    runner_forget(&engine->runner);
    engine->helper_ms = now_ms + ENGINE_HELPER_PAUSE_MS;
}

static void read_helper(struct engine *engine, int64_t now_ms)
{
    static struct message_answer answer;
    struct err err = {0};
    int status;

    while ((status = message_receive(&engine->helper, &answer, &err)) == 1) {
        if ((answer.token & INTAKE_NOT_MINE) != 0)
            runner_answered(&engine->runner, &answer, now_ms);
        else
            intake_answered(&engine->intake, &answer, now_ms);
    }
    if (status < 0)
        lose_helper(engine, now_ms, &err);
}

static void start_helper(struct engine *engine, int64_t now_ms)
{
    struct err err = {0};

    if (engine->helper_ms == 0 || engine->helper_ms > now_ms)
        return;
    if (message_start(&engine->helper, engine->helper_path, &err) == 0)
        engine->helper_ms = 0;
    else
        lose_helper(engine, now_ms, &err);
}

/* Mail would go on arriving where nobody looks. */
static void lose_watch(struct engine *engine)
{
    if (!engine->failed)
        log_say(LOG_CRIT, "%s/new was removed or replaced; a restart is needed", engine->spool_path);
    engine->failed = true;
}

static void read_watch(struct engine *engine, int64_t now_ms)
{
    static struct watch_batch batch;
    struct err err = {0};
    enum watch_event event;
    const char *name;

    if (watch_read(&engine->watch, &batch, &err) != 0)
        log_say(LOG_ERR, "%s", err.text);
    while ((event = watch_next(&batch, &name)) != WATCH_NONE) {
        if (event == WATCH_FILE)
            intake_arrived(&engine->intake, name, now_ms);
        else if (event == WATCH_WAKE)
            look_anew(engine);
        else if (event == WATCH_GONE)
            lose_watch(engine);
        else if (intake_scan(&engine->intake, &err) != 0)
            log_say(LOG_ERR, "looking through the spool: %s", err.text);
    }
}

/* ---- the loop ---- */

enum { FD_SIGNALS, FD_LAUNCHER, FD_WATCH, FD_HELPER, FD_FIXED };

static size_t fill_fds(struct engine *engine)
{
    size_t needed = FD_FIXED + 2 * engine->runner.count;

    if (needed > engine->fd_capacity) {
        struct pollfd *fds = reallocarray(engine->fds, needed * 2, sizeof *fds);

        if (fds == NULL)
            return 0;
        engine->fds = fds;
        engine->fd_capacity = needed * 2;
    }
    engine->fds[FD_SIGNALS] = (struct pollfd){.fd = engine->signals, .events = POLLIN};
    engine->fds[FD_LAUNCHER] = (struct pollfd){.fd = engine->launcher->socket, .events = POLLIN};
    /* Stopping, new files are left for the next start; a helper that is gone has nothing to say. */
    engine->fds[FD_WATCH] = (struct pollfd){.fd = engine->stopping ? -1 : engine->watch.fd, .events = POLLIN};
    engine->fds[FD_HELPER] =
        (struct pollfd){.fd = engine->helper_ms == 0 ? engine->helper.socket : -1, .events = POLLIN};
    return FD_FIXED + runner_poll(&engine->runner, engine->fds + FD_FIXED);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * When the schedule wants a pass. None while a reload is under way: a handler's number would mean another one to a
 * launcher that has the new configuration already.
 */
static int64_t schedule_ms(const struct engine *engine)
{
    return engine->reloads > 0 ? INT64_MAX : engine->schedule.next_ms;
}

/* Milliseconds until something is to be done without being woken; -1: nothing is. */
static int sleep_ms(const struct engine *engine, int64_t now_ms)
{
    int64_t next = runner_next_ms(&engine->runner);

    if (engine->helper_ms != 0)
        next = smaller(next, engine->helper_ms);
    if (!engine->stopping)
        next = smaller(smaller(next, engine->retention.next_ms),
                       smaller(schedule_ms(engine), intake_next_ms(&engine->intake)));
    else if (engine->stop_ms != INT64_MAX)
        next = smaller(next, now_ms + engine->stop_ms - clock_monotonic_ms());
    if (next == INT64_MAX)
        return -1;
    if (next <= now_ms)
        return 0;
    return next - now_ms > INT32_MAX ? INT32_MAX : (int)(next - now_ms);
}

static void dispatch(struct engine *engine, size_t count, int64_t now_ms)
{
    if (engine->fds[FD_SIGNALS].revents != 0)
        read_signals(engine);
    /* Output first: what a handler said is complete when its end is heard of. */
    for (size_t i = FD_FIXED; i < count; i++)
        if (engine->fds[i].revents != 0)
            runner_readable(&engine->runner, engine->fds[i].fd);
    if (engine->fds[FD_LAUNCHER].revents != 0)
        read_launcher(engine, now_ms);
    if (engine->fds[FD_HELPER].revents != 0)
        read_helper(engine, now_ms);
    if (engine->fds[FD_WATCH].revents != 0)
        read_watch(engine, now_ms);
}

/* What follows from what was heard. */
static void go_on(struct engine *engine, int64_t now_ms)
{
    start_helper(engine, now_ms);
    runner_continue(&engine->runner, now_ms);
    if (engine->stopping) {
        if (engine->stop_ms <= clock_monotonic_ms()) {
            engine->stop_ms = INT64_MAX;
            runner_stop(&engine->runner, clock_now_ms());
        }
        return;
    }
    if (engine->helper_ms == 0)
        intake_continue(&engine->intake, now_ms);
    if (engine->intake.wants_reload && engine->reloads == 0)
        ask_for_reload(engine);
    engine->intake.wants_reload = false;
    if (engine->intake.queued || engine->runner.changed) {
        schedule_disturb(&engine->schedule);
        retention_disturb(&engine->retention);
    }
    engine->intake.queued = engine->runner.changed = false;
    if (engine->reloads == 0 && schedule_is_due(&engine->schedule, now_ms))
        schedule_pass(&engine->schedule, &engine->runner, now_ms);
    retention_continue(&engine->retention, now_ms);
    /* Deliveries that were settled without a run release those behind them. */
    if (engine->runner.changed)
        schedule_disturb(&engine->schedule);
}

int engine_run(struct engine *engine)
{
    log_say(LOG_INFO, "started: %zu routes, %zu handlers, spool %s", engine->config->route_count,
            engine->config->handler_count, engine->config->spool);
    notify_manager("READY=1");
    while (!engine->failed && (!engine->stopping || runner_is_busy(&engine->runner))) {
        int64_t now_ms = clock_now_ms();
        size_t count;

        go_on(engine, now_ms);
        count = fill_fds(engine);
        if (count == 0 || (poll(engine->fds, count, sleep_ms(engine, clock_now_ms())) < 0 && errno != EINTR)) {
            log_say(LOG_CRIT, "the loop cannot go on: %s", strerror(errno));
            return -1;
        }
        FAULT_POINT("engine-turn");
        dispatch(engine, count, clock_now_ms());
    }
    log_say(LOG_INFO, "stopped");
    return engine->failed ? -1 : 0;
}
