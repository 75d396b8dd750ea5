/* The launcher's way from a program that runs to one of which nothing is left. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "processor/launchpad.h"
#include "processor/strays.h"

/* The first time TERM, ten seconds later KILL, to the whole group. */
void launchpad_end(struct run *run, enum run_end why)
{
    if (!run->terminated) {
        run->end = why;
        run->end_number = run->timeout_ms;
    }
    (void)kill(-run->pid, run->terminated ? SIGKILL : SIGTERM);
    run->terminated = true;
    run->deadline_ms = clock_monotonic_ms() + LAUNCH_KILL_MS;
}

void launchpad_kill(struct run *run)
{
    run->terminated = true;
    launchpad_end(run, RUN_STOPPED);
}

static struct run *run_of(struct launchpad *pad, pid_t pid)
{
    for (size_t i = 0; i < pad->used; i++)
        if ((pad->runs[i].stage == RUN_RUNS || pad->runs[i].stage == RUN_SWEPT) && pad->runs[i].pid == pid)
            return &pad->runs[i];
    return NULL;
}

/*
 * Whether nothing of it may go on. The sendmail command has taken the letter when it ends by itself; one such as
 * Exim's leaves a process that delivers it, and would have the letter wait for hours in its queue if that were
 * killed.
 */
static bool ends_whole(const struct run *run)
{
    return !run->is_sendmail || run->terminated;
}

/* Called while the program is a zombie: its number, and so its group's, can't have gone to another process. */
static void program_ended(struct run *run, const siginfo_t *info)
{
    if (ends_whole(run))
        (void)kill(-run->pid, SIGKILL);
    if (!run->terminated) {
        run->end = info->si_code == CLD_EXITED ? RUN_EXITED : RUN_SIGNALLED;
        run->end_number = info->si_status;
    }
    run->stage = RUN_CLEARED;
}

static void answer(struct launchpad *pad, struct run *run)
{
    launchpad_free(pad, run);
    launchpad_answer_ended(pad, run->number, run->end, run->end_number);
}

static void sweeper_ended(struct launchpad *pad, struct run *run, const siginfo_t *info)
{
    if (info->si_code != CLD_EXITED || info->si_status != 0)
        log_say(LOG_WARNING, "%s could not be removed with all that is in it", run->workdir);
    answer(pad, run);
}

void launchpad_reap(struct launchpad *pad)
{
    for (;;) {
        siginfo_t info = {0};
        struct run *run;

        pad->has_children = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
        if (info.si_pid == 0)
            return;
        run = run_of(pad, info.si_pid);
        if (run != NULL && run->stage == RUN_SWEPT)
            sweeper_ended(pad, run, &info);
        else if (run != NULL)
            program_ended(run, &info);
        (void)waitpid(info.si_pid, NULL, 0);
    }
}

static bool others_run(const struct launchpad *pad)
{
    for (size_t i = 0; i < pad->used; i++)
        if (pad->runs[i].stage == RUN_RUNS)
            return true;
    return false;
}

/*
 * Kills what is left of a run whose program has ended, and says whether anything was. A process of which
 * nothing tells whose it is goes when no other run could be its owner.
 */
static bool kill_strays(struct launchpad *pad, const struct run *run)
{
    static pid_t children[LAUNCH_RUNS_MAX * 4];
    int count = pad->has_children ? strays_list(children, (int)(sizeof children / sizeof children[0])) : 0;
    bool found = false;

    for (int i = 0; i < count; i++) {
        enum stray_owner owner;

        if (run_of(pad, children[i]) != NULL)
            continue;
        owner = strays_owner(children[i], run->brand, run->mark);
        if (owner == STRAY_MARKED || (owner == STRAY_UNMARKED && !others_run(pad))) {
            /* One that became another user, beyond our reach, would be waited for in vain. */
            if (kill(children[i], SIGKILL) == 0)
                found = true;
        }
    }
    return found;
}

/*
 * Empties the folder in a process of its own: a handler may leave millions of files, and others have deadlines. It
 * keeps nothing of ours open: neither the spool's lock nor the socket by which our end is known.
 */
static bool sweep(struct run *run)
{
    pid_t child = fork();
    struct err err;

    if (child == 0) {
        (void)close_range(STDERR_FILENO + 1, ~0U, 0);
        _exit(workdir_remove(run->workdir, &err) == 0 ? 0 : 1);
    }
    if (child < 0)
        return false;
    run->pid = child;
    run->stage = RUN_SWEPT;
    return true;
}

static void clear(struct launchpad *pad, struct run *run)
{
    struct err err;

    if (!workdir_spare(&pad->spares, run->workdir) && rmdir(run->workdir) != 0) {
        if (sweep(run))
            return;
        if (workdir_remove(run->workdir, &err) != 0)
            log_say(LOG_WARNING, "%s", err.text);
    }
    answer(pad, run);
}

/* Answers for the runs of which nothing is left. Each death of a stray wakes us again, as we are its parent by then.
 */
void launchpad_clear(struct launchpad *pad)
{
    for (size_t i = 0; i < pad->used; i++)
        if (pad->runs[i].stage == RUN_CLEARED && !(ends_whole(&pad->runs[i]) && kill_strays(pad, &pad->runs[i])))
            clear(pad, &pad->runs[i]);
}
