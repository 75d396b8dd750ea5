#include "receiver/starttls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/program.h"

#define PROGRAM_NAME "mailmill-tls"

enum { WORD_SIZE = ERR_TEXT_SIZE + 16, PATH_SIZE = 4096 };

/* ---- starting ---- */

/* posix_spawn() and what it wants prepared give an error number, 0 for none. */
static int spawn(const struct config *config, const char *path, int control)
{
    static char name[] = PROGRAM_NAME;
    char *arguments[] = {name, config->certificate, config->key, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, control, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (error == 0)
        error = posix_spawn(&pid, path, &actions, NULL, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int start_program(const struct config *config, int control, struct err *err)
{
    char path[PATH_SIZE];

    if (program_find(PROGRAM_NAME, path, sizeof path, err) != 0)
        return -1;
    errno = spawn(config, path, control);
    return errno == 0 ? 0 : err_system(err, "starting %s", path);
}

/* In the name of the program that could not be started. */
static int say_failed(int control, const struct err *why, struct err *err)
{
    char storage[WORD_SIZE];
    struct buf word = buf_over(storage, sizeof storage);

    frame_start(&word, STARTTLS_FAILED);
    frame_put_number(&word, LOG_ERR);
    frame_put_text(&word, span_text(why->text));
    return frame_send(control, &word, NULL, 0, err);
}

/* The process left behind. It logs nothing: what it has to say it says to those who asked. */
static int serve_requests(const struct config *config, int requests)
{
    char storage[WORD_SIZE];
    struct frame_reader request;
    int fds[FRAME_FDS_MAX];
    size_t count = 0;
    struct err err;

    while (frame_receive(requests, storage, sizeof storage, &request, fds, &count, &err) == 1)
        for (size_t i = 0; i < count; i++) {
            struct err why = {0};

            /* Who asked may have left by then; others have not. */
            if (start_program(config, fds[i], &why) != 0)
                (void)say_failed(fds[i], &why, &err);
            (void)close(fds[i]);
        }
    /* All that were started end with this process; those that take leave of a client may finish. */
    (void)alarm(STARTTLS_END_MS / 1000);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
    return EX_OK;
}

/* What it starts is reaped by the kernel; it holds nothing but the way to it, and dies with the writer. */
static void become_starter(const struct config *config, int requests)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        signal(SIGCHLD, SIG_IGN) == SIG_ERR || dup2(requests, STDERR_FILENO + 1) < 0 ||
        close_range(STDERR_FILENO + 2, UINT_MAX, 0) != 0)
        _exit(EX_OSERR);
    _exit(serve_requests(config, STDERR_FILENO + 1));
}

int starttls_leave_starter(struct starttls *starttls, struct err *err)
{
    int ends[2];
    pid_t child;

    if (frame_pair(ends, err) != 0)
        return -1;
    child = fork();
    if (child < 0) {
        err_system(err, "fork");
        (void)close(ends[0]);
        (void)close(ends[1]);
        return -1;
    }
    if (child == 0)
        become_starter(starttls->config, ends[1]);
    (void)close(ends[1]);
    starttls->starter = ends[0];
    starttls->starter_process = child;
    return 0;
}

void starttls_end_starter(struct starttls *starttls)
{
    if (starttls->starter < 0)
        return;
    (void)close(starttls->starter);
    starttls->starter = -1;
    while (waitpid(starttls->starter_process, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int have_started(const struct starttls *starttls, int control, struct err *err)
{
    char storage[2];
    struct buf request = buf_over(storage, sizeof storage);

    if (starttls->starter < 0)
        return start_program(starttls->config, control, err);
    frame_start(&request, STARTTLS_SERVE);
    return frame_send(starttls->starter, &request, &control, 1, err);
}

/* The task waits in the socket for whoever reads it. */
static int send_task(const struct config *config, int control, const int fds[static 3], struct err *err)
{
    char storage[WORD_SIZE];
    struct buf task = buf_over(storage, sizeof storage);
    int64_t handshake_ms = config->command_timeout_ms;

    frame_start(&task, STARTTLS_SERVE);
    frame_put_number(&task, (uint64_t)(handshake_ms < STARTTLS_HANDSHAKE_MS ? handshake_ms : STARTTLS_HANDSHAKE_MS));
    if (frame_send(control, &task, fds, 3, err) != 0)
        return -1;
    /* From now on it is only looked at for words that are there. */
    return fcntl(control, F_SETFL, O_NONBLOCK) == 0 ? 0 : err_system(err, "a socket that does not block");
}

/* The pair as it was before mailmill-tls read it: its verdict is on that one, or on none. */
static void open_link(struct starttls_link *link, int control, const struct config *config)
{
    link->control = control;
    link->config = config;
    starttls_pair_name(config, link->pair);
}

int starttls_look(const struct config *config, struct err *err)
{
    char storage[WORD_SIZE];
    struct buf task = buf_over(storage, sizeof storage);
    struct starttls_link link = {.control = -1};
    int control[2];
    int status;

    if (frame_pair(control, err) != 0)
        return -1;
    open_link(&link, control[0], config);
    frame_start(&task, STARTTLS_LOOK);
    status = frame_send(control[0], &task, NULL, 0, err);
    if (status == 0)
        status = start_program(config, control[1], err);
    (void)close(control[1]);
    if (status == 0) {
        starttls_hear(&link, "", STARTTLS_LOOK_MS);
        if (!link.judged)
            status = err_set(err, ERR_TEMPORARY, PROGRAM_NAME " does not say");
    }
    starttls_close(&link);
    return status;
}

int starttls_start(const struct starttls *starttls, const int client[static 2], int *session,
                   struct starttls_link *link, struct err *err)
{
    int stream[2] = {-1, -1};
    int control[2] = {-1, -1};
    int status = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) != 0) {
        err_system(err, "socketpair");
    } else if (frame_pair(control, err) == 0) {
        const int fds[3] = {client[0], client[1], stream[1]};

        open_link(link, control[0], starttls->config);
        status = send_task(starttls->config, control[0], fds, err);
        if (status == 0)
            status = have_started(starttls, control[1], err);
        (void)close(control[1]);
    }
    if (stream[1] >= 0)
        (void)close(stream[1]);
    if (status == 0) {
        *session = stream[0];
        return 0;
    }
    starttls_close(link);
    if (stream[0] >= 0)
        (void)close(stream[0]);
    return -1;
}

/* ---- hearing ---- */

static void report(int level, const char *what, struct span why, const char *client)
{
    struct log_line line;

    log_start(&line, level, what);
    log_text(&line, "client", span_text(client));
    if (why.size > 0)
        log_text(&line, "reason", why);
    log_end(&line);
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384": it is put into a trace block as it stands. */
static bool keep_tls(struct starttls_link *link, struct span text)
{
    struct buf kept = buf_over(link->tls, sizeof link->tls);

    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];

        if (!(byte >= '0' && byte <= '9') && !(byte >= 'A' && byte <= 'Z') && !(byte >= 'a' && byte <= 'z') &&
            (byte == '\0' || strchr(" ._-", byte) == NULL))
            return false;
    }
    buf_put(&kept, text);
    return text.size > 0 && !kept.overflowed;
}

/* One that does not get its place beside the index is found out again by the next client that asks. */
static bool take_verdict(struct starttls_link *link, struct frame_reader *word)
{
    struct starttls_verdict verdict = {0};
    struct buf reason = buf_over(verdict.reason, sizeof verdict.reason);
    struct err err;

    verdict.from_s = (int64_t)frame_number(word);
    verdict.until_s = (int64_t)frame_number(word);
    buf_put(&reason, frame_text(word, sizeof verdict.reason - 1));
    /* It is the first word, said before the client's first byte was read: no client has had a hand in it. */
    if (!frame_is_whole(word) || link->judged || link->tls[0] != '\0' || link->failed || verdict.from_s < 0 ||
        verdict.until_s < 0)
        return false;
    link->judged = true;
    if (link->config != NULL && starttls_verdict_keep(link->config, link->pair, &verdict, &err) != 0)
        log_say(LOG_WARNING, "what is known of the certificate is not kept: %s", err.text);
    return true;
}

static void take_word(struct starttls_link *link, struct frame_reader *word, const char *client)
{
    uint64_t level = word->type == STARTTLS_FAILED ? frame_number(word) : 0;
    struct span text = word->type == STARTTLS_JUDGED ? (struct span){0} : frame_text(word, ERR_TEXT_SIZE);

    switch ((enum starttls_word)word->type) {
    case STARTTLS_SECURED:
        if (frame_is_whole(word) && link->tls[0] == '\0' && keep_tls(link, text))
            return;
        break;
    case STARTTLS_FAILED:
        report(level >= LOG_ERR && level <= LOG_DEBUG ? (int)level : LOG_ERR, "no TLS", text, client);
        link->failed = true;
        return;
    case STARTTLS_ENDED:
        starttls_close(link);
        return;
    case STARTTLS_JUDGED:
        if (take_verdict(link, word))
            return;
        break;
    case STARTTLS_SERVE:
    case STARTTLS_LOOK:
        break;
    }
    report(LOG_CRIT, PROGRAM_NAME " sent a word that it does not have", span_text(""), client);
    link->tls[0] = '\0';
    starttls_close(link);
}

void starttls_hear(struct starttls_link *link, const char *client, int wait_ms)
{
    int64_t ends = clock_monotonic_ms() + wait_ms;

    while (link->control >= 0) {
        struct pollfd control = {.fd = link->control, .events = POLLIN};
        int64_t left = ends - clock_monotonic_ms();
        char storage[WORD_SIZE];
        struct frame_reader word;
        struct err err;
        int status;

        status = poll(&control, 1, left < 0 ? 0 : (int)left);
        if (status < 0 && errno == EINTR)
            continue;
        if (status == 0)
            return;
        status = frame_receive(link->control, storage, sizeof storage, &word, NULL, NULL, &err);
        if (status == 1) {
            take_word(link, &word, client);
            continue;
        }
        if (!link->failed)
            report(LOG_CRIT, PROGRAM_NAME " ended without a word", span_text(""), client);
        starttls_close(link);
    }
}

void starttls_close(struct starttls_link *link)
{
    if (link->control >= 0)
        (void)close(link->control);
    link->control = -1;
}
