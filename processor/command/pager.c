#include "processor/command/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char default_pager[] = "command -v less >/dev/null && exec less; exec cat";

static const char *choose(void)
{
    const char *pager = getenv("PAGER");

    if (pager == NULL)
        return default_pager;
    return pager[0] == '\0' || strcmp(pager, "cat") == 0 ? NULL : pager;
}

static void become_pager(const char *pager, int input)
{
    (void)setenv("LESS", "FRX", 0); /* end if it fits, let colours through, leave the screen as it is */
    (void)setenv("LESSCHARSET", "utf-8", 0);
    if (dup2(input, STDIN_FILENO) == STDIN_FILENO)
        (void)execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
    _exit(127);
}

void pager_start(struct pager *pager, const struct term *term)
{
    const char *program = choose();
    int ends[2];

    if (term->width == 0 || program == NULL || pipe2(ends, O_CLOEXEC) != 0)
        return;
    (void)fflush(term->out);
    pager->output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    pager->pid = pager->output < 0 ? -1 : fork();
    if (pager->pid == 0)
        become_pager(program, ends[0]);
    if (pager->pid > 0) {
        (void)signal(SIGINT, SIG_IGN); /* it is the pager's key: to stop a search, say */
        (void)dup2(ends[1], STDOUT_FILENO);
    } else {
        if (pager->output >= 0)
            (void)close(pager->output);
        pager->pid = 0;
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

void pager_finish(struct pager *pager, const struct term *term)
{
    if (pager->pid == 0)
        return;
    (void)fflush(term->out);
    (void)dup2(pager->output, STDOUT_FILENO); /* which ends the pager's input */
    (void)close(pager->output);
    while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    (void)signal(SIGINT, SIG_DFL);
    pager->pid = 0;
}
