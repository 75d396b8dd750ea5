#include "processor/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger_step.h"
#include "processor/notify.h"

/* ---- signals ---- */

static void stop(struct engine *engine)
{
    if (!engine->stopping)
        notify_manager("STOPPING=1");
    engine->stop_ms = engine->stopping ? 0 : clock_monotonic_ms() + ENGINE_GRACE_MS;
    engine->stopping = true;
    clerk_close(&engine->clerk);
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

/* For what the operator, or the configuration, has made due. */
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
    log_say(LOG_ERR, "mailmill-headers is started again: %s", err->text);
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
        else if (event == WATCH_CLOSED)
            intake_closed(&engine->intake, name, now_ms);
        else if (event == WATCH_WAKE)
            look_anew(engine);
        else if (event == WATCH_GONE)
            lose_watch(engine);
        else
            intake_want_scan(&engine->intake);
    }
}

/* ---- the loop ---- */

enum { FD_SIGNALS, FD_LAUNCHER, FD_WATCH, FD_REJECTIONS, FD_CLERK, FD_HELPER, FD_FIXED };

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
    engine->fds[FD_REJECTIONS] =
        (struct pollfd){.fd = engine->stopping ? -1 : engine->rejections.watch, .events = POLLIN};
    engine->fds[FD_CLERK] =
        (struct pollfd){.fd = engine->clerk.resume_ms == 0 ? engine->clerk.events : -1, .events = POLLIN};
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

/* Milliseconds until something is to be done without being woken; -1: nothing is. The manager's watchdog hears that
 * the loop still turns. */
static int sleep_ms(struct engine *engine, int64_t now_ms)
{
    int64_t next = smaller(runner_next_ms(&engine->runner), filing_next_ms(&engine->filing));
    int64_t watchdog_ms = watchdog_continue(&engine->watchdog, clock_monotonic_ms());

    if (watchdog_ms != INT64_MAX)
        next = smaller(next, now_ms + watchdog_ms);
    if (engine->helper_ms != 0)
        next = smaller(next, engine->helper_ms);
    if (engine->set_back_ms != 0)
        next = smaller(next, engine->set_back_due_ms);
    if (engine->clerk.resume_ms != 0)
        next = smaller(next, engine->clerk.resume_ms);
    if (!engine->stopping)
        next = smaller(smaller(smaller(next, engine->rejections.due_ms), engine->retention.next_ms),
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
    engine->arrival.is_open = !engine->stopping && engine->reloads == 0;
    if (engine->fds[FD_HELPER].revents != 0)
        read_helper(engine, now_ms);
    if (engine->fds[FD_WATCH].revents != 0)
        read_watch(engine, now_ms);
    if (engine->fds[FD_CLERK].revents != 0)
        clerk_hear(&engine->clerk, now_ms);
    if (engine->fds[FD_REJECTIONS].revents != 0)
        rejections_wake(&engine->rejections, now_ms);
}

/* Pauses are short, and need not be sat out to the end. */
static void look_at_clock(struct engine *engine, int64_t now_ms)
{
    int64_t by_ms = setback_look(&engine->setback, now_ms, clock_monotonic_ms());

    if (by_ms == 0)
        return;
    log_say(LOG_WARNING, "the clock was set back by %lld s: what waits is due as if it had not been",
            (long long)by_ms / 1000);
    engine->set_back_ms += by_ms;
    engine->set_back_due_ms = now_ms;
    engine->helper_ms = smaller(engine->helper_ms, now_ms);
    engine->clerk.resume_ms = smaller(engine->clerk.resume_ms, now_ms);
    engine->filing.due_ms = smaller(engine->filing.due_ms, now_ms);
    runner_hurry(&engine->runner);
    intake_hurry(&engine->intake);
    rejections_hurry(&engine->rejections);
    retention_hurry(&engine->retention);
    schedule_wait(&engine->schedule, 0);
}

/* Once, as what waits would be due earlier each time: in a transaction of its own, and forgotten when that is made.
 */
static void write_set_back(struct engine *engine, int64_t now_ms)
{
    struct err err = {0};
    int status;

    if (engine->set_back_ms == 0 || engine->set_back_due_ms > now_ms)
        return;
    status = ledger_set_back(&engine->index, engine->set_back_ms, &err);
    if (ledger_settle(&engine->index, status, &err) >= 0) {
        engine->set_back_ms = 0;
        schedule_disturb(&engine->schedule);
        return;
    }
    log_say(LOG_ERR, "what waits is not due yet since the clock was set back: %s", err.text);
    engine->set_back_due_ms = now_ms + TURN_PAUSE_MS;
}

/* What follows from what was heard. */
static void go_on(struct engine *engine, int64_t now_ms)
{
    look_at_clock(engine, now_ms);
    start_helper(engine, now_ms);
    runner_continue(&engine->runner, now_ms);
    filing_continue(&engine->filing, now_ms);
    if (engine->clerk.resume_ms <= now_ms)
        engine->clerk.resume_ms = 0;
    if (engine->stopping) {
        if (engine->stop_ms <= clock_monotonic_ms()) {
            engine->stop_ms = INT64_MAX;
            runner_stop(&engine->runner, clock_now_ms());
        }
        return;
    }
    if (engine->helper_ms == 0)
        intake_continue(&engine->intake, now_ms);
    if (intake_has_queued(&engine->intake, now_ms) || engine->runner.changed) {
        schedule_disturb(&engine->schedule);
        retention_disturb(&engine->retention);
    }
    engine->runner.changed = false;
    if (engine->reloads == 0 && schedule_is_due(&engine->schedule, now_ms))
        schedule_pass(&engine->schedule, &engine->runner, now_ms);
    /* Deliveries that were settled without a run release those behind them. */
    if (engine->runner.changed)
        schedule_disturb(&engine->schedule);
}

/* What was started in the turn has its handler's number from the configuration as it was, and is launched by now. */
static void reload_if_wanted(struct engine *engine)
{
    if (engine->intake.wants_reload && engine->reloads == 0)
        ask_for_reload(engine);
    engine->intake.wants_reload = false;
}

/* In transactions of their own, of which each has an order of its own with the files that it is about. */
static void tidy(struct engine *engine, int64_t now_ms)
{
    write_set_back(engine, now_ms);
    if (engine->stopping)
        return;
    reload_if_wanted(engine);
    rejections_continue(&engine->rejections, now_ms);
    retention_continue(&engine->retention, now_ms);
}

/* The last ends, and what only waited for company. */
static void leave(struct engine *engine, int64_t now_ms)
{
    turn_end(&engine->turn, now_ms);
    filing_hurry(&engine->filing, now_ms);
    turn_end(&engine->turn, now_ms);
    engine->set_back_due_ms = now_ms;
    write_set_back(engine, now_ms);
}

int engine_run(struct engine *engine)
{
    log_say(LOG_INFO, "started: %zu routes, %zu handlers, spool %s", engine->config->route_count,
            engine->config->handler_count, engine->config->spool);
    notify_manager("READY=1");
    watchdog_open(&engine->watchdog);
    while (!engine->failed && (!engine->stopping || runner_is_busy(&engine->runner))) {
        int64_t now_ms = clock_now_ms();
        size_t count;

        go_on(engine, now_ms);
        turn_end(&engine->turn, now_ms);
        tidy(engine, now_ms);
        count = fill_fds(engine);
        if (count == 0 || (poll(engine->fds, count, sleep_ms(engine, clock_now_ms())) < 0 && errno != EINTR)) {
            log_say(LOG_CRIT, "the loop cannot go on: %s", strerror(errno));
            return -1;
        }
        FAULT_POINT("engine-turn");
        dispatch(engine, count, clock_now_ms());
    }
    leave(engine, clock_now_ms());
    log_say(LOG_INFO, "stopped");
    return engine->failed ? -1 : 0;
}
