/*
 * mailmill-tls: one client's TLS, for the receiver, which starts it when a client asks (receiver/starttls.h). Reads
 * certificate and key, locks itself in, and only then reads from the client. With --check it says whether the two
 * would do, for `mailmill check`.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/envelope.h"
#include "common/frame.h"
#include "common/sandbox.h"
#include "receiver/starttls.h"
#include "receiver/starttls/keypair.h"
#include "receiver/starttls/profile.h"
#include "receiver/starttls/relay.h"

static const char help[] =
    "usage: mailmill-tls --check CERTIFICATE KEY\n"
    "\n"
    "Says what is wrong with a certificate and its key, and nothing when they will do for STARTTLS.\n"
    "Without --check it is for mailmill-receiver alone, which starts it when a client asks for TLS.\n";

enum { CONTROL = STDIN_FILENO, WORD_SIZE = ERR_TEXT_SIZE + 32, TASK_FDS = 3 };

/* What the receiver wants done, out of its one frame. */
struct task {
    bool is_look; /* at the pair alone, without a client */
    int in, out, session;
    int64_t ends_ms; /* of the handshake */
};

/* ---- words ---- */

/* Straight to the kernel: what a library may do besides at an end, the sandbox forbids. */
_Noreturn static void leave(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

static void say(enum starttls_word word, uint64_t level, const char *text)
{
    char storage[WORD_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, (uint8_t)word);
    if (word == STARTTLS_FAILED)
        frame_put_number(&frame, level);
    if (text != NULL)
        frame_put_text(&frame, span_text(text));
    /* Without a receiver there is nobody to serve. */
    if (frame_send(CONTROL, &frame, NULL, 0, &err) != 0)
        leave(EX_UNAVAILABLE);
}

_Noreturn static void fail(int level, const struct err *why)
{
    say(STARTTLS_FAILED, (uint64_t)level, why->text);
    say(STARTTLS_ENDED, 0, NULL);
    leave(EX_UNAVAILABLE);
}

/* Before the first byte of a client's is read. */
static void say_verdict(const struct starttls_verdict *verdict)
{
    char storage[WORD_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, STARTTLS_JUDGED);
    frame_put_number(&frame, (uint64_t)verdict->from_s);
    frame_put_number(&frame, (uint64_t)verdict->until_s);
    frame_put_text(&frame, span_text(verdict->reason));
    if (frame_send(CONTROL, &frame, NULL, 0, &err) != 0)
        leave(EX_UNAVAILABLE);
}

/* ---- serving ---- */

static int take_task(struct task *task, struct err *err)
{
    char storage[WORD_SIZE];
    struct frame_reader frame;
    int fds[FRAME_FDS_MAX];
    size_t count = 0;
    uint64_t handshake_ms;

    if (frame_receive(CONTROL, storage, sizeof storage, &frame, fds, &count, err) != 1)
        return -1;
    task->is_look = frame.type == STARTTLS_LOOK;
    if (task->is_look && frame_is_whole(&frame) && count == 0)
        return 0;
    handshake_ms = frame_number(&frame);
    if (frame.type != STARTTLS_SERVE || !frame_is_whole(&frame) || count != TASK_FDS ||
        handshake_ms > STARTTLS_HANDSHAKE_MS)
        return err_set(err, ERR_PROTOCOL, "mailmill-tls got a task that it does not understand");
    *task = (struct task){false, fds[0], fds[1], fds[2], clock_monotonic_ms() + (int64_t)handshake_ms};
    for (size_t i = 0; i < count; i++)
        if (fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0)
            return err_system(err, "a descriptor that does not block");
    return 0;
}

/* Ends with the process that started it; and no other process of the same user may look at its key. */
static int lock_in(struct sandbox *sandbox, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return err_system(err, "prctl");
    return sandbox_apply(sandbox, err);
}

/* Says that all is ready, and waits until the session has told the client. False: it did not come to that. */
static bool await_go(const struct task *task)
{
    static const char ready = STARTTLS_READY;
    struct pollfd session = {.fd = task->session, .events = POLLIN};
    int64_t left;
    char byte = 0;
    int status;

    if (write(task->session, &ready, 1) != 1)
        return false;
    do {
        left = task->ends_ms - clock_monotonic_ms();
        status = poll(&session, 1, left < 0 ? 0 : (int)left);
    } while (status < 0 && errno == EINTR);
    return status == 1 && read(task->session, &byte, 1) == 1 && byte == STARTTLS_GO;
}

_Noreturn static void serve_client(const struct task *task, struct tls *server)
{
    static struct relay relay;
    char storage[ENVELOPE_TLS_SIZE];
    struct buf secured = buf_over(storage, sizeof storage);
    struct err err = {0};

    relay_init(&relay, task->in, task->out, task->session);
    if (await_go(task)) {
        if (relay_shake_hands(&relay, server, task->ends_ms, &err) == 0) {
            buf_printf(&secured, "%s %s", tls_conn_version(relay.tls), tls_conn_cipher(relay.tls));
            /* Before the first byte goes to the session: what it says after that was said in TLS. */
            say(STARTTLS_SECURED, 0, secured.data);
            relay_run(&relay);
        } else {
            /* A stranger's doing is no cause for alarm. At once, as who listens may not wait for the end. */
            say(STARTTLS_FAILED, err.kind == ERR_PROTOCOL ? LOG_INFO : LOG_ERR, err.text);
        }
        relay_leave(&relay);
    }
    say(STARTTLS_ENDED, 0, NULL);
    leave(EX_OK);
}

_Noreturn static void serve(const char *certificate, const char *key)
{
    struct err err = {0};
    struct task task = {0};
    struct starttls_verdict verdict;
    struct sandbox sandbox;
    struct tls *server;

    (void)signal(SIGPIPE, SIG_IGN);
    if (take_task(&task, &err) != 0)
        fail(LOG_CRIT, &err);
    server = keypair_load(certificate, key, &verdict, &err);
    if (server != NULL || err.kind == ERR_PERMANENT)
        say_verdict(&verdict);
    if (task.is_look) {
        say(STARTTLS_ENDED, 0, NULL);
        leave(EX_OK);
    }
    if (server == NULL)
        fail(LOG_ERR, &err);
    if (sandbox_prepare(&sandbox, &profile_sandbox, NULL, 0, &err) != 0 || lock_in(&sandbox, &err) != 0)
        fail(LOG_CRIT, &err);
    sandbox_free(&sandbox);
    serve_client(&task, server);
}

static int check(const char *certificate, const char *key)
{
    struct err err = {0};
    struct starttls_verdict verdict;
    struct tls *server = keypair_load(certificate, key, &verdict, &err);

    if (server == NULL)
        (void)fprintf(stderr, "%s\n", err.text);
    tls_free(server);
    return server == NULL ? EX_CONFIG : EX_OK;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--check") == 0)
        return check(argv[2], argv[3]);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0 ? EX_IOERR : EX_OK;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("mailmill-tls " MAILMILL_VERSION) < 0 ? EX_IOERR : EX_OK;
    if (argc == 3 && argv[1][0] == '/')
        serve(argv[1], argv[2]);
    (void)fputs(help, stderr);
    return EX_USAGE;
}
