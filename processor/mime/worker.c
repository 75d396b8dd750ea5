#include "processor/mime/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

/* Memory, the descriptors that are open already, and the end. */
static const struct sandbox_call calls[] = {
    {.name = "pread64"},
    {.name = "read"},
    {.name = "write"},
    {.name = "lseek"},
    {.name = "sendmsg"},
    {.name = "brk"},
#ifdef __SANITIZE_ADDRESS__
    {.name = "mmap"}, /* the sanitizer's own memory is mapped in other ways too */
    {.name = "close"},
    {.name = "gettid"},
    {.name = "getpid"},
    {.name = "sigaltstack"},
    {.name = "rt_sigprocmask"},
    {.name = "sched_yield"},
#else
    {.name = "mmap", .compare = true, .argument = 2, .value = PROT_READ | PROT_WRITE},
#endif
    {.name = "munmap"},
    {.name = "mremap"},
    {.name = "madvise"},
    {.name = "futex"},
    {.name = "exit"},
    {.name = "exit_group"},
    /* A name of a charset in a parameter (RFC 2231) makes the C library look for a table: there is none. */
    {.name = "openat", .refused = ENOENT},
    {.name = "newfstatat", .refused = ENOENT},
    {.name = NULL},
};

const struct sandbox_profile worker_profile = {
    .name = "message parser",
    .calls = calls,
    .file_size_max = 512 * 1024 * 1024, /* the largest body, nine bytes for each, and line ends */
#ifndef __SANITIZE_ADDRESS__
    .memory_max = 256 * 1024 * 1024,
#endif
    .no_processes = true,
};

int crew_open(struct worker_crew *crew, struct err *err)
{
    *crew = (struct worker_crew){.nowhere = -1};
    if (sandbox_prepare(&crew->sandbox, &worker_profile, NULL, 0, err) != 0)
        return -1;
    crew->nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (crew->nowhere < 0) {
        sandbox_free(&crew->sandbox);
        return err_system(err, "opening /dev/null");
    }
    return 0;
}

/* Ends the process, if it has not ended by itself, and gives its wait status. */
static int reap(struct worker *worker)
{
    int status = 0;

    (void)kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)close(worker->socket);
    *worker = (struct worker){.socket = -1};
    return status;
}

void crew_close(struct worker_crew *crew)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (crew->workers[i].pid != 0)
            (void)reap(&crew->workers[i]);
    sandbox_free(&crew->sandbox);
    (void)close(crew->nowhere);
}

struct worker *crew_free_worker(struct worker_crew *crew)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (crew->workers[i].pid == 0)
            return &crew->workers[i];
    return NULL;
}

/* ---- in the worker's own process ---- */

enum { DESCRIPTORS_MAX = 64 }; /* this program never has half as many open */

static bool is_needed(const struct worker_task *task, int fd)
{
    for (size_t i = 0; i < task->fd_count; i++)
        if (task->fds[i] == fd)
            return true;
    return false;
}

/*
 * Whatever else is open here (the socket to the processor, the other workers' answers) is closed, all of it, so that
 * nothing depends on a list being complete. Standard error goes too: what is written there would look like ours.
 */
static int keep_descriptors(const struct worker_crew *crew, const struct worker_task *task, int socket)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        bool is_kept = fd == socket || fd == crew->sandbox.ruleset || is_needed(task, fd);

        if (fd <= STDERR_FILENO && !is_kept && dup2(crew->nowhere, fd) < 0)
            return -1;
        if (fd > STDERR_FILENO && !is_kept)
            (void)close(fd);
    }
    return close_range(DESCRIPTORS_MAX, ~0U, 0);
}

static _Noreturn void work(const struct worker_crew *crew, const struct worker_task *task, int socket)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct buf answer = buf_over(storage, sizeof storage);
    struct sandbox sandbox = crew->sandbox; /* this process's own: the crew's others need theirs whole */
    struct err err = {0};

    /* Should the parent be killed, nobody would watch the deadline. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(EXIT_FAILURE);
    if (keep_descriptors(crew, task, socket) != 0 || sandbox_apply(&sandbox, &err) != 0)
        _exit(EXIT_FAILURE);
    task->job(task->context, &answer);
    if (frame_send(socket, &answer, NULL, 0, &err) != 0)
        _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

/* ---- in the parent ---- */

int worker_start(struct worker_crew *crew, struct worker *worker, const struct worker_task *task, struct err *err)
{
    int ends[2];
    pid_t pid;

    if (frame_pair(ends, err) != 0)
        return -1;
    pid = fork();
    if (pid == 0)
        work(crew, task, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        err_system(err, "starting a message parser");
        (void)close(ends[0]);
        return -1;
    }
    *worker = (struct worker){.pid = pid, .socket = ends[0], .token = task->token, .deadline_ms = task->deadline_ms};
    return 0;
}

/* In words, and whether it would happen again: the kernel kills for want of memory, and then it need not. */
static int explain(int status, struct err *err)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return err_set(err, ERR_TEMPORARY, "the message parser was killed");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return err_set(err, ERR_PERMANENT,
                       "the message parser ran out of memory, or tried what its sandbox forbids (SIGSYS)");
    if (WIFSIGNALED(status))
        return err_set(err, ERR_PERMANENT, "the message parser died of SIG%s", sigabbrev_np(WTERMSIG(status)));
    return err_set(err, ERR_TEMPORARY, "the message parser gave up without an answer (exit %d)", WEXITSTATUS(status));
}

int worker_finish(struct worker *worker, char *storage, size_t size, struct frame_reader *answer, struct err *err)
{
    struct pollfd readable = {.fd = worker->socket, .events = POLLIN};
    int status;

    if (poll(&readable, 1, 0) == 0) {
        (void)reap(worker);
        return err_set(err, ERR_PERMANENT, "the message parser ran for more than %d s", MESSAGE_DEADLINE_MS / 1000);
    }
    status = frame_receive(worker->socket, storage, size, answer, NULL, NULL, err);
    /* At the end of the stream the process is ending, and a kill now changes nothing in how it did. */
    if (status == 0)
        return explain(reap(worker), err);
    (void)reap(worker);
    return status == 1 ? 0 : -1;
}
