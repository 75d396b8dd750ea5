#include "processor/headers/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

static const struct worker no_worker = {.socket = -1, .fd = -1};

int crew_open(struct crew *crew, const struct sandbox_profile *profile, crew_job *job, const void *context,
              struct err *err)
{
    *crew = (struct crew){.job = job, .context = context, .nowhere = -1};
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        crew->workers[i] = no_worker;
    if (sandbox_prepare(&crew->sandbox, profile, NULL, 0, err) != 0)
        return -1;
    crew->nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (crew->nowhere < 0) {
        sandbox_free(&crew->sandbox);
        return err_system(err, "opening /dev/null");
    }
    return 0;
}

void crew_close(struct crew *crew)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        crew_release(&crew->workers[i]);
    sandbox_free(&crew->sandbox);
    (void)close(crew->nowhere);
}

bool crew_is_idle(const struct crew *crew)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (crew->workers[i].is_busy)
            return false;
    return true;
}

bool crew_has_room(const struct crew *crew)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (!crew->workers[i].is_busy)
            return true;
    return false;
}

/* ---- in the worker's own process ---- */

/*
 * Its socket becomes standard input. Whatever else is open here (the socket to the processor, the other workers'
 * answers and messages) is closed, all of it, so that nothing depends on a list being complete. Standard error goes
 * too: what is written there would look like ours.
 */
static int keep_descriptors(const struct crew *crew, int socket)
{
    unsigned ruleset = crew->sandbox.ruleset < 0 ? STDERR_FILENO : (unsigned)crew->sandbox.ruleset;

    if (dup2(socket, STDIN_FILENO) < 0 || dup2(crew->nowhere, STDOUT_FILENO) < 0 ||
        dup2(crew->nowhere, STDERR_FILENO) < 0)
        return -1;
    if (ruleset > STDERR_FILENO + 1 && close_range(STDERR_FILENO + 1, ruleset - 1, 0) != 0)
        return -1;
    return close_range(ruleset + 1, ~0U, 0);
}

static _Noreturn void work(const struct crew *crew, int socket)
{
    static char storage[MESSAGE_FRAME_SIZE];
    static char answered[MESSAGE_FRAME_SIZE];
    struct buf answer = buf_over(answered, sizeof answered);
    struct sandbox sandbox = crew->sandbox; /* this process's own: the crew's others need theirs whole */
    struct crew_request request = {0};
    struct frame_reader fields;
    struct err err = {0};
    int status;

    /* Should the parent be killed, nobody would watch the deadline. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || keep_descriptors(crew, socket) != 0 ||
        sandbox_apply(&sandbox, &err) != 0)
        _exit(EXIT_FAILURE);
    status = frame_receive(STDIN_FILENO, storage, sizeof storage, &fields, request.fds, &request.fd_count, &err);
    if (status != 1)
        _exit(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    request.type = fields.type;
    request.fields = fields.rest;
    crew->job(crew->context, &request, &answer);
    _exit(frame_send(STDIN_FILENO, &answer, NULL, 0, &err) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- in the parent ---- */

static int start(struct crew *crew, struct worker *worker, struct err *err)
{
    int ends[2];
    pid_t pid;

    if (frame_pair(ends, err) != 0)
        return -1;
    pid = fork();
    if (pid == 0)
        work(crew, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        err_system(err, "starting a message parser");
        (void)close(ends[0]);
        return -1;
    }
    *worker = (struct worker){.pid = pid, .socket = ends[0], .fd = -1};
    return 0;
}

/* One that was made ahead, or else a place for one. */
static struct worker *find_free(struct crew *crew)
{
    struct worker *place = NULL;

    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        if (crew->workers[i].is_busy)
            continue;
        place = &crew->workers[i];
        if (place->pid != 0)
            break;
    }
    return place;
}

void crew_prepare(struct crew *crew)
{
    struct worker *worker = find_free(crew);
    struct err err;

    if (worker != NULL && worker->pid == 0)
        (void)start(crew, worker, &err);
}

static int send_request(const struct worker *worker, const struct crew_request *request, struct err *err)
{
    static char storage[MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    int status;

    frame_start(&frame, request->type);
    buf_put(&frame, request->fields);
    status = frame_send(worker->socket, &frame, request->fds, request->fd_count, err);
    /* The next worker has its copy of this memory, and no business with another message. */
    memset(storage, 0, frame.size);
    return status;
}

static int give(struct worker *worker, const struct crew_request *request, struct err *err)
{
    if (worker->pid == 0)
        return err_set(err, ERR_TEMPORARY, "there is no message parser");
    return send_request(worker, request, err);
}

struct worker *crew_ask(struct crew *crew, uint64_t token, const struct crew_request *request, struct err *err)
{
    struct worker *worker = find_free(crew);

    if (worker == NULL) {
        err_set(err, ERR_BUG, "all message parsers are busy");
        return NULL;
    }
    /* The one that waited may have been killed, for want of memory perhaps. */
    if (give(worker, request, err) != 0) {
        crew_release(worker);
        if (start(crew, worker, err) != 0)
            return NULL;
        if (give(worker, request, err) != 0) {
            crew_release(worker);
            return NULL;
        }
    }
    worker->is_busy = true;
    worker->token = token;
    worker->deadline_ms = clock_monotonic_ms() + MESSAGE_DEADLINE_MS;
    return worker;
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

/* Ends the process, if it has not ended by itself, and gives its wait status. */
static int reap(struct worker *worker)
{
    int status = 0;

    (void)kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    return status;
}

int crew_take(struct worker *worker, char *storage, size_t size, struct frame_reader *answer, struct err *err)
{
    struct pollfd readable = {.fd = worker->socket, .events = POLLIN};
    int status;

    if (poll(&readable, 1, 0) == 0)
        return err_set(err, ERR_PERMANENT, "the message parser ran for more than %d s", MESSAGE_DEADLINE_MS / 1000);
    status = frame_receive(worker->socket, storage, size, answer, NULL, NULL, err);
    /* At the end of the stream the process is ending, and a kill now changes nothing in how it did. */
    if (status == 0)
        return explain(reap(worker), err);
    return status == 1 ? 0 : -1;
}

void crew_release(struct worker *worker)
{
    if (worker->pid != 0)
        (void)reap(worker);
    if (worker->socket >= 0)
        (void)close(worker->socket);
    if (worker->fd >= 0)
        (void)close(worker->fd);
    *worker = no_worker;
}
