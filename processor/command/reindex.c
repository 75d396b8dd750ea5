/* mailmill reindex: makes the index anew, from the spool. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "processor/command/commands.h"
#include "processor/command/options.h"
#include "processor/command/progress.h"
#include "processor/lock.h"
#include "processor/rebuild.h"

static void show_progress(void *context, size_t files, size_t total)
{
    struct progress *progress = context;

    progress->total = total;
    progress_show(progress, files);
}

static void report(const struct command_call *call, const struct rebuild *rebuild)
{
    (void)fprintf(call->out.out, "%s is made anew: %zu wait, %zu are done, %zu dead, %zu only kept\n",
                  call->config.index, rebuild->waiting, rebuild->done, rebuild->dead, rebuild->kept);
    if (rebuild->paused > 0)
        (void)fprintf(call->out.out, "%zu %s paused, as before\n", rebuild->paused,
                      rebuild->paused == 1 ? "handler is" : "handlers are");
    if (rebuild->lost_pauses)
        (void)fprintf(call->out.out,
                      "The pauses of handlers are lost: before the processor starts, use mailmill pause "
                      "HANDLER for those that must not run\n");
    if (rebuild->left > 0)
        (void)fprintf(call->out.out, "%zu files are no messages and stay where they are\n", rebuild->left);
    if (rebuild->aside[0] != '\0')
        (void)fprintf(call->out.out, "The old one, with all that was written down of attempts, is %s\n",
                      rebuild->aside);
}

/* The lock's file is the processor's, whoever made it. */
static void give_lock(struct command_call *call, int lock)
{
    struct stat folder;

    if (geteuid() == 0 && fstat(call->spool.root, &folder) == 0 && fchown(lock, folder.st_uid, folder.st_gid) != 0)
        command_say(call, "processor.lock in the spool stays root's: give it to the processor's user");
}

static int rebuild_locked(struct command_call *call)
{
    struct progress progress = progress_start(&call->err, "files", 0);
    struct rebuild rebuild = {.config = &call->config, .spool = &call->spool, .now_ms = call->now_ms};
    struct err err = {0};
    int status;

    if (call->err.width > 0) {
        rebuild.progress = show_progress;
        rebuild.context = &progress;
    }
    status = rebuild_index(&rebuild, &err);
    progress_end(&progress);
    if (status == 0)
        status = rebuild_put_in_place(&rebuild, &err);
    if (status == 0) {
        report(call, &rebuild);
        return COMMAND_OK;
    }
    rebuild_drop(&rebuild);
    return command_fail(call, &err);
}

int command_reindex(struct command_call *call)
{
    struct options options = options_start(call, NULL, 0);
    struct err err = {0};
    int lock, status;

    log_open("mailmill", LOG_TO_STDERR, NULL);

    if (options_next(&options) == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = command_open_spool(call, NULL)) != COMMAND_GO_ON)
        return status;
    lock = lock_take(call->spool.root, call->spool.path, &err);
    if (lock < 0)
        return command_fail(call, &err);
    give_lock(call, lock);
    status = rebuild_locked(call);
    lock_release(lock);
    return status;
}
