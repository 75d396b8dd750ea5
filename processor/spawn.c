#include "processor/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processor/strays.h"

/*
 * Straight to the kernel: the C library keeps two signals to itself, which whoever started us may have left ignored.
 */
void spawn_ignore_none(void)
{
    static const unsigned long normal[4] = {0}; /* the kernel's struct sigaction: default action, no flags, no mask */

    for (int number = 1; number <= SIGRTMAX; number++)
        (void)syscall(SYS_rt_sigaction, number, normal, NULL, sizeof(unsigned long)); /* not all can be set */
}

/* What we block would be inherited over the exec. */
static int unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Ours are all close-on-exec; those that the processor itself was started with need not be. */
static int take_descriptors(const int *fds)
{
    for (int fd = 0; fd < 3; fd++)
        if (dup2(fds[fd], fd) < 0)
            return -1;
    closefrom(3);
    return 0;
}

/*
 * As a login has them, whatever the service manager gave to us: no core dumps, which would go into a folder that is
 * removed, and no descriptors beyond what select(2) can wait for. Soft limits alone, so that a program may ask for
 * more. How nice we are, and how soon we are killed when memory runs out, is passed on as it is.
 */
static int set_limits(void)
{
    enum { FILES = 1024 };
    struct rlimit core;
    struct rlimit files;

    if (getrlimit(RLIMIT_CORE, &core) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return -1;
    core.rlim_cur = 0;
    if (files.rlim_max > FILES)
        files.rlim_cur = FILES;
    else
        files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_CORE, &core) != 0 ? -1 : setrlimit(RLIMIT_NOFILE, &files);
}

/* System calls only: this runs in memory that is the parent's, and the parent waits for the exec. */
static int prepare(const struct spawn *spawn)
{
    if (setsid() < 0 || take_descriptors(spawn->fds) != 0 || unblock_signals() != 0)
        return -1;
    (void)umask(022);
    if (set_limits() != 0)
        return -1;
    strays_put_brand(spawn->brand); /* while we may still be root, which may set any limit */
    if (spawn->account != NULL && account_become(spawn->account) != 0)
        return -1;
    /* After the change of user, which clears it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return -1;
    return chdir(spawn->workdir);
}

pid_t spawn_start(const struct spawn *spawn)
{
    volatile int failure = 0; /* written by the child, in memory that both see */
    sigset_t all;
    sigset_t before;
    pid_t child;

    /* A handler of ours must not run in the child, on the parent's memory. */
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0)
        return -1;
    /* Not fork: its cost grows with the memory of the process, and its exec can't report without a pipe. */
    child = vfork();
    if (child == 0) {
        if (prepare(spawn) == 0)
            (void)execve(spawn->program, spawn->arguments, spawn->environment);
        failure = errno;
        _exit(127);
    }
    if (child < 0)
        failure = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (child > 0 && failure != 0)
        (void)waitpid(child, NULL, 0);
    errno = failure;
    return failure == 0 ? child : -1;
}
