/* The launcher's way from a handler's number to a program that runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "processor/environment.h"
#include "processor/launchpad.h"
#include "processor/spawn.h"
#include "processor/strays.h"

struct order {
    char *program;
    char *const *arguments;
    const char *user; /* NULL: the main half's own */
    int64_t timeout_ms;
};

static bool find_order(const struct config *config, uint64_t number, struct order *order)
{
    bool is_on_dead = (number & LAUNCH_ON_DEAD) != 0;
    const struct config_handler *handler;

    if (number == LAUNCH_SENDMAIL) {
        *order = (struct order){config->sendmail[0], config->sendmail, NULL, LAUNCH_SENDMAIL_MS};
        return true;
    }
    number &= ~LAUNCH_ON_DEAD;
    handler = number < config->handler_count ? config_handler(config, (size_t)number) : NULL;
    if (handler == NULL || (is_on_dead && handler->on_dead_program == NULL))
        return false;
    *order = (struct order){is_on_dead ? handler->on_dead_program : handler->program,
                            is_on_dead ? handler->on_dead : handler->arguments, handler->user, handler->timeout_ms};
    return true;
}

/* The account that a run gets; NULL: none. Not started by root, there is only our own. */
static const struct account *find_account(struct launchpad *pad, const struct order *order, struct err *err)
{
    const char *name = order->user == NULL ? pad->config.user : order->user;
    const struct account *account =
        account_cache_find(&pad->accounts, pad->is_root ? name : NULL, clock_monotonic_ms(), err);

    if (pad->is_root || order->user == NULL || strcmp(order->user, account->name) == 0)
        return account;
    /* The check at start saw to that, but a reload may bring anything. */
    errno = EPERM;
    err_system(err, "becoming user %s", order->user);
    return NULL;
}

static void add_own_environment(struct environment *environment, const struct account *account, const char *mark)
{
    const char *zone = getenv("TZ");

    environment_put(environment, ENVIRONMENT_USER, span_text(account->name));
    environment_put(environment, ENVIRONMENT_LOGNAME, span_text(account->name));
    environment_put(environment, ENVIRONMENT_HOME, span_text(account->home));
    environment_put(environment, ENVIRONMENT_SHELL, span_text("/bin/sh"));
    environment_put(environment, ENVIRONMENT_PATH,
                    span_text("/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"));
    environment_put(environment, ENVIRONMENT_LANG, span_text("C.UTF-8"));
    if (zone != NULL)
        environment_put(environment, ENVIRONMENT_TZ, span_text(zone));
    environment_put(environment, ENVIRONMENT_MAILMILL_RUN, span_text(strchr(mark, '=') + 1));
}

/* Starts the program into `run`. -1: it could not be, with the errno in `err`. */
static int start_program(struct launchpad *pad, struct run *run, const struct order *order,
                         struct environment *environment, const int *fds, struct err *err)
{
    const struct account *account = find_account(pad, order, err);
    char *entries[ENVIRONMENT_COUNT + 1];
    struct spawn spawn = {.program = order->program,
                          .arguments = order->arguments,
                          .environment = entries,
                          .account = pad->is_root ? account : NULL,
                          .workdir = run->workdir,
                          .fds = fds};

    if (account == NULL)
        return -1;
    run->brand = spawn.brand = strays_brand(++pad->started);
    snprintf(run->mark, sizeof run->mark, "MAILMILL_RUN=%d.%llu", (int)getpid(), (unsigned long long)pad->started);
    add_own_environment(environment, account, run->mark);
    if (environment->buf.overflowed || environment_entries(environment, entries) < 0)
        return err_set(err, ERR_PROTOCOL, "the environment does not fit");
    if (!workdir_reuse(&pad->spares, pad->config.workdir, account->uid, account->gid, run->workdir) &&
        workdir_make(pad->config.workdir, account->uid, account->gid, run->workdir, err) != 0)
        return -1;
    run->pid = spawn_start(&spawn);
    if (run->pid > 0)
        return 0;
    err_system(err, "starting %s", order->program);
    (void)rmdir(run->workdir);
    return -1;
}

/* The first that is free, so that few are in use: whoever looks for one looks at those alone. */
static struct run *free_run(struct launchpad *pad)
{
    for (size_t i = 0; i < LAUNCH_RUNS_MAX; i++)
        if (pad->runs[i].stage == RUN_FREE)
            return &pad->runs[i];
    return NULL;
}

void launchpad_free(struct launchpad *pad, struct run *run)
{
    run->stage = RUN_FREE;
    while (pad->used > 0 && pad->runs[pad->used - 1].stage == RUN_FREE)
        pad->used--;
}

void launchpad_start(struct launchpad *pad, struct frame_reader *frame, const int *fds, size_t fd_count)
{
    static struct environment environment;
    uint64_t number = frame_number(frame);
    uint64_t handler = frame_number(frame);
    struct span texts = frame_text(frame, ENVIRONMENT_SIZE);
    struct run *run = free_run(pad);
    struct order order;
    struct err err = {0};

    if (!frame_is_whole(frame) || fd_count != 3 || run == NULL || !find_order(&pad->config, handler, &order) ||
        environment_take(&environment, texts, &err) != 0) {
        log_say(LOG_ERR, "launcher: refused to start run %llu: %s", (unsigned long long)number,
                err.kind == ERR_NONE ? "malformed, or no such handler" : err.text);
        launchpad_answer_ended(pad, number, RUN_NOT_STARTED, EPERM);
        return;
    }
    *run = (struct run){.number = number, .timeout_ms = order.timeout_ms, .is_sendmail = handler == LAUNCH_SENDMAIL};
    if (start_program(pad, run, &order, &environment, fds, &err) != 0) {
        log_say(LOG_ERR, "%s", err.text);
        launchpad_answer_ended(pad, number, RUN_NOT_STARTED, err.number == 0 ? EINVAL : err.number);
        return;
    }
    run->stage = RUN_RUNS;
    run->deadline_ms = clock_monotonic_ms() + order.timeout_ms;
    if (run >= pad->runs + pad->used)
        pad->used = (size_t)(run - pad->runs) + 1;
}
