/*
 * The session from inside: which system calls end it, what is left where seccomp is not, what it does when its writer
 * is gone or talks nonsense.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/envelope.h"
#include "common/frame.h"
#include "common/sandbox.h"
#include "receiver/reply.h"
#include "receiver/session.h"
#include "receiver/wire.h"
#include "tests/unit/support.h"

enum { PATIENCE_MS = 20000, CHILD_SECONDS = 30 };

static struct config config;

static int load_config(void **state)
{
    struct config_errors errors = {0};

    (void)state;
    return config_load_text(&config, "test.conf",
                            "hostname = \"mail.example.com\"\nspool = \"/none/spool\"\nindex = \"/none/index.db\"\n"
                            "max-message-size = \"1K\"\nroute \"a@example.com\" {}\n",
                            &errors);
}

static int free_config(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

/* ---- the sandbox, from inside ---- */

/* Every system call that a session may make; receiver/session_calls.c has the same list, in words. */
static const long allowed[] = {SYS_read,      SYS_write, SYS_poll,          SYS_ppoll,           SYS_recvmsg,
                               SYS_sendmsg,   SYS_close, SYS_clock_gettime, SYS_restart_syscall, SYS_rt_sigreturn,
                               SYS_exit_group};

enum {
    CALLS_END = 512,      /* more than there are */
    X32_BIT = 0x40000000, /* another set of numbers for nearly the same calls */
    CALL_URETPROBE = 335, /* the kernel's own, for tracing: no filter gets to see them, they do nothing for others */
    CALL_UPROBE = 336,
};

static bool is_allowed(long number)
{
    if (number == CALL_URETPROBE || number == CALL_UPROBE)
        return true;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (allowed[i] == number)
            return true;
    return false;
}

static int apply(const struct sandbox_profile *profile)
{
    struct sandbox sandbox;
    struct err err = {0};

    if (sandbox_prepare(&sandbox, profile, NULL, 0, &err) != 0 || sandbox_apply(&sandbox, &err) != 0)
        return -1;
    return 0;
}

/* Ends this process by nothing but the call itself; a library, or a sanitizer, may do more. */
static void leave(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

static int call_number(void *context)
{
    struct sandbox_profile profile = session_profile(&config);
    const long *number = context;

    if (apply(&profile) != 0)
        return 1;
    /* No call does anything with these. */
    (void)syscall(*number, -1L, -1L, -1L, -1L, -1L, -1L);
    return 0;
}

static void test_every_other_call_kills(void **state)
{
    (void)state;
    if (support_under_valgrind() || support_under_asan())
        skip();
    for (long i = 0; i < CALLS_END; i++) {
        long numbers[] = {i, i | X32_BIT};

        if (!is_allowed(i) && !support_died(support_run_child(call_number, &numbers[0]), SIGSYS))
            fail_msg("system call %ld does not end the session", i);
        if (!support_died(support_run_child(call_number, &numbers[1]), SIGSYS))
            fail_msg("system call %ld by its x32 number does not end the session", i);
    }
}

static void test_list_is_as_written(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct sandbox_call *call = session_calls; call->name != NULL; call++) {
        assert_false(call->compare);
        count++;
    }
    assert_int_equal(count, sizeof allowed / sizeof allowed[0]);
}

/* A raw read, as the one thing that shows that the child lives: of a descriptor that there is not. */
static int make_allowed_calls(void *context)
{
    struct sandbox_profile profile = session_profile(&config);

    (void)context;
    if (apply(&profile) != 0)
        return 1;
    if (syscall(SYS_read, -1, NULL, 0) != -1 || syscall(SYS_close, -1) != -1 || syscall(SYS_poll, NULL, 0, 0) != 0)
        return 2;
    leave(3);
    return -1;
}

static void test_allowed_calls(void **state)
{
    (void)state;
    if (support_under_valgrind())
        skip();
    assert_true(support_exited(support_run_child(make_allowed_calls, NULL), 3));
}

/* The layers below, each by itself: what would hold if seccomp had a hole. */
static int try_without_seccomp(void *context)
{
    struct sandbox_profile profile = session_profile(&config);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25)};
    char name[] = "/bin/true";
    char *arguments[] = {name, NULL};

    (void)context;
    profile.calls = NULL;
    if (apply(&profile) != 0)
        return 1;
    if (open("/etc/passwd", O_RDONLY) != -1 || errno != EACCES)
        return 2;
    if (open("/tmp/x", O_WRONLY | O_CREAT, 0600) != -1 || errno != EACCES)
        return 3;
    if (execv(name, arguments) != -1 || errno != EACCES)
        return 4;
    if (sandbox_landlock_version() < 4)
        return 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address) != -1 ||
        errno != EACCES)
        return 5;
    return 0;
}

static void test_without_seccomp(void **state)
{
    (void)state;
    if (support_under_valgrind() || sandbox_landlock_version() == 0)
        skip();
    assert_int_equal(support_run_child(try_without_seccomp, NULL), 0);
}

/* A session can't fill the disk: its limit is that of one message. */
static int write_too_much(void *context)
{
    struct sandbox_profile profile = session_profile(&config);
    static char block[4096];
    const char *path = context;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint64_t written = 0;
    ssize_t count;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (fd < 0 || apply(&profile) != 0)
        return 1;
    while ((count = write(fd, block, sizeof block)) > 0)
        written += (uint64_t)count;
    return errno == EFBIG && written == config.max_message_size + ENVELOPE_TRACE_MAX ? 0 : 2;
}

static int write_too_much_and_leave(void *context)
{
    leave(write_too_much(context));
    return -1;
}

static void test_file_size(void **state)
{
    char path[4096];

    if (support_under_valgrind())
        skip();
    snprintf(path, sizeof path, "%s", support_path(*state, "file"));
    assert_int_equal(support_run_child(write_too_much_and_leave, path), 0);
}

/* ---- a session whose client and writer this is ---- */

struct talk {
    int client; /* our end */
    int writer;
    pid_t session;
    size_t heard; /* bytes of `text` */
    char text[4096];
};

static void become_session(int client, int writer)
{
    struct sandbox_profile profile = session_profile(&config);
    struct session session = {.config = &config, .in = client, .out = client, .writer = writer};
    struct sandbox sandbox;
    struct err err;
    int status = 99;

    (void)alarm(CHILD_SECONDS);
    if (sandbox_prepare(&sandbox, &profile, NULL, 0, &err) == 0)
        status = session_run(&session, &sandbox);
    leave(status);
}

/* With this pair between the client and the session. */
static struct talk start_over(const int client[static 2])
{
    struct talk talk;
    struct err err;
    int writer[2];

    assert_int_equal(frame_pair(writer, &err), 0);
    talk = (struct talk){.client = client[0], .writer = writer[0], .session = fork()};
    assert_true(talk.session >= 0);
    if (talk.session == 0) {
        (void)close(client[0]);
        (void)close(writer[0]);
        become_session(client[1], writer[1]);
    }
    (void)close(client[1]);
    (void)close(writer[1]);
    return talk;
}

static struct talk start(void)
{
    int client[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
    return start_over(client);
}

static struct talk start_over_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client[2] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(client[0], (struct sockaddr *)&address, sizeof address), 0);
    client[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    assert_true(client[1] >= 0);
    (void)close(listening);
    return start_over(client);
}

static void say(const struct talk *talk, const char *text)
{
    assert_int_equal(send(talk->client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until `wanted` has come, in all that was said. Gives false at the end. */
static bool hear(struct talk *talk, const char *wanted)
{
    while (strstr(talk->text, wanted) == NULL) {
        struct pollfd client = {.fd = talk->client, .events = POLLIN};
        size_t room = sizeof talk->text - 1 - talk->heard;
        ssize_t count = poll(&client, 1, PATIENCE_MS) == 1 ? read(talk->client, talk->text + talk->heard, room) : -1;

        if (count <= 0)
            return false;
        talk->heard += (size_t)count;
    }
    return true;
}

/* Waits for a request of that type; those for the log are passed over. */
static void expect(const struct talk *talk, uint8_t type)
{
    static char storage[WIRE_FRAME_MAX];
    struct frame_reader frame;
    struct err err;

    do
        assert_int_equal(frame_receive(talk->writer, storage, sizeof storage, &frame, NULL, NULL, &err), 1);
    while (frame.type == WIRE_LOG && type != WIRE_LOG);
    assert_int_equal(frame.type, type);
}

static void answer(const struct talk *talk, uint8_t type, uint64_t number)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, type);
    frame_put_number(&frame, number);
    assert_int_equal(frame_send(talk->writer, &frame, NULL, 0, &err), 0);
}

static void start_message(struct talk *talk)
{
    assert_true(hear(talk, "220 "));
    say(talk, "HELO h\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n");
    expect(talk, WIRE_BEGIN);
}

static int finish(struct talk *talk)
{
    int status;

    (void)close(talk->client);
    (void)close(talk->writer);
    assert_int_equal(waitpid(talk->session, &status, 0), talk->session);
    return status;
}

static void test_failures_answered(void **state)
{
    static const struct {
        uint8_t type;
        uint64_t failure;
        const char *reply;
    } rows[] = {
        {WIRE_FAILED, FAILURE_TEMPORARY, "451 4.3.0 "},
        {WIRE_FAILED, FAILURE_DISK_FULL, "452 4.3.1 "},
        {WIRE_FAILED, FAILURE_NO_RESOURCES, "451 4.3.2 "},
        {WIRE_FAILED, FAILURE_REFUSED, "554 5.7.0 "},
        {WIRE_FAILED, FAILURE_NONE, "451 4.3.0 "}, /* nonsense, from here on */
        {WIRE_FAILED, FAILURE_COUNT, "451 4.3.0 "},
        {WIRE_FAILED, UINT64_MAX, "451 4.3.0 "},
        {WIRE_COMMITTED, 0, "451 4.3.0 "},
        {1, 0, "451 4.3.0 "},
    };

    (void)state;
    if (support_under_valgrind())
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk talk = start();

        start_message(&talk);
        answer(&talk, rows[i].type, rows[i].failure);
        say(&talk, "NOOP\r\n");
        if (!hear(&talk, rows[i].reply))
            fail_msg("not %s after answer %zu", rows[i].reply, i);
        assert_true(hear(&talk, "250 2.0.0 ok\r\n"));
        assert_true(support_exited(finish(&talk), 0));
    }
}

/* Without a file to write to, the message is not accepted. */
static void test_ready_without_descriptor(void **state)
{
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start();
    start_message(&talk);
    answer(&talk, WIRE_READY, 0);
    assert_true(hear(&talk, "354 "));
    say(&talk, "text\r\n.\r\n");
    assert_true(hear(&talk, "451 "));
    expect(&talk, WIRE_REJECTED);
    expect(&talk, WIRE_DISCARD);
    assert_true(support_exited(finish(&talk), 0));
}

static void test_writer_gone(void **state)
{
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start();
    start_message(&talk);
    assert_int_equal(shutdown(talk.writer, SHUT_RDWR), 0);
    assert_true(hear(&talk, "421 4.3.0 "));
    assert_false(hear(&talk, "354 "));
    assert_true(support_exited(finish(&talk), 0));
}

/* Between the end of a message and the answer to it: the client must not take it for accepted. */
static void test_writer_gone_while_committing(void **state)
{
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start();
    start_message(&talk);
    answer(&talk, WIRE_READY, 0);
    assert_true(hear(&talk, "354 "));
    say(&talk, "text\r\n.\r\n"); /* first: a session without its writer would hear no more */
    assert_int_equal(shutdown(talk.writer, SHUT_RDWR), 0);
    assert_true(hear(&talk, "421 4.3.0 "));
    assert_false(hear(&talk, "accepted"));
    assert_true(support_exited(finish(&talk), 0));
}

/* Its writer dies while it waits for the client: that has no use of it any more. */
static void test_writer_gone_while_idle(void **state)
{
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start();
    assert_true(hear(&talk, "220 "));
    assert_int_equal(shutdown(talk.writer, SHUT_RDWR), 0);
    assert_true(hear(&talk, "421 4.3.0 "));
    assert_false(hear(&talk, "more"));
    assert_true(support_exited(finish(&talk), 0));
}

/* It waits for its writer without a deadline of its own, as one that was taken over might for anything. */
static void test_alarm(void **state)
{
    int64_t timeouts[] = {config.command_timeout_ms, config.session_timeout_ms};
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    config.command_timeout_ms = 900;
    config.session_timeout_ms = 1000;
    talk = start();
    config.command_timeout_ms = timeouts[0];
    config.session_timeout_ms = timeouts[1];
    say(&talk, "HELO h\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n");
    expect(&talk, WIRE_BEGIN);
    assert_false(hear(&talk, "354 "));
    assert_true(support_died(finish(&talk), SIGALRM));
}

/* Gives true when the end of the connection was there as soon as the answer to QUIT. */
static bool says_goodbye_in_one(void)
{
    struct talk talk = start_over_tcp();
    struct pollfd client = {.fd = talk.client, .events = POLLIN | POLLRDHUP};

    assert_true(hear(&talk, "220 "));
    say(&talk, "QUIT\r\n");
    assert_int_equal(poll(&client, 1, PATIENCE_MS), 1);
    assert_true(hear(&talk, "221 2.0.0 "));
    assert_true(support_exited(finish(&talk), 0));
    return (client.revents & POLLRDHUP) != 0;
}

/* Whoever sees the answer to QUIT sees the end of the connection behind it: both come in one packet. The kernel lets
 * the answer go alone when the end takes a fifth of a second, as it may on a busy machine. */
static void test_goodbye(void **state)
{
    int tries = 10;

    (void)state;
    if (support_under_valgrind())
        skip();
    while (tries > 0 && !says_goodbye_in_one())
        tries--;
    assert_true(tries > 0);
}

/* With more behind QUIT than is read the connection is reset, which must not take the answer along. */
static void test_goodbye_to_who_goes_on(void **state)
{
    static char text[64 * 1024 + 1];
    struct buf buf = buf_over(text, sizeof text);
    struct talk talk;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start_over_tcp();
    assert_true(hear(&talk, "220 "));
    for (buf_put_text(&buf, "QUIT\r\n"); !buf.overflowed;)
        buf_put_text(&buf, "NOOP\r\n");
    say(&talk, text);
    assert_true(hear(&talk, "221 2.0.0 "));
    assert_true(support_exited(finish(&talk), 0));
}

/* By the kernel of the other side. */
static void wait_until_taken(const struct talk *talk)
{
    int left = 1;

    for (int i = 0; left > 0 && i < PATIENCE_MS; i++) {
        (void)poll(NULL, 0, 1);
        assert_int_equal(ioctl(talk->client, SIOCOUTQ, &left), 0);
    }
    assert_int_equal(left, 0);
}

/* What comes behind QUIT while the message before it is made durable is there unread when the connection ends. */
static void test_accepted_for_who_goes_on(void **state)
{
    struct talk talk;
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    int file;
    struct err err;

    (void)state;
    if (support_under_valgrind())
        skip();
    file = memfd_create("message", MFD_CLOEXEC);
    talk = start_over_tcp();
    start_message(&talk);
    frame_start(&frame, WIRE_READY);
    assert_int_equal(frame_send(talk.writer, &frame, &file, 1, &err), 0);
    assert_true(hear(&talk, "354 "));
    say(&talk, "text\r\n.\r\nQUIT\r\n");
    expect(&talk, WIRE_COMMIT);
    say(&talk, "NOOP\r\n");
    wait_until_taken(&talk); /* what waits with an acknowledgement goes out with that */
    frame_start(&frame, WIRE_COMMITTED);
    frame_put_text(&frame, span_text("1KADPTED00000001"));
    assert_int_equal(frame_send(talk.writer, &frame, NULL, 0, &err), 0);
    assert_true(hear(&talk, "250 2.0.0 accepted"));
    assert_true(support_exited(finish(&talk), 0));
    (void)close(file);
}

/* It keeps the client, the writer and descriptor 2; whatever else was open, the log above all, is gone. */
static void test_descriptors(void **state)
{
    struct talk talk;
    int extra[] = {dup(STDERR_FILENO), dup(STDERR_FILENO), dup(STDERR_FILENO)};
    char link[64];
    char target[64];
    size_t open_count = 0;

    (void)state;
    if (support_under_valgrind())
        skip();
    talk = start();
    assert_true(hear(&talk, "220 "));
    for (int fd = 0; fd < 64; fd++) {
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)talk.session, fd);
        open_count += readlink(link, target, sizeof target) >= 0;
    }
    assert_int_equal(open_count, 3);
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++)
        (void)close(extra[i]);
    assert_true(support_exited(finish(&talk), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_is_as_written),
        cmocka_unit_test(test_every_other_call_kills),
        cmocka_unit_test(test_allowed_calls),
        cmocka_unit_test(test_without_seccomp),
        cmocka_unit_test_setup_teardown(test_file_size, support_make_folder, support_remove_folder),
        cmocka_unit_test(test_failures_answered),
        cmocka_unit_test(test_ready_without_descriptor),
        cmocka_unit_test(test_writer_gone),
        cmocka_unit_test(test_writer_gone_while_committing),
        cmocka_unit_test(test_writer_gone_while_idle),
        cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_goodbye_to_who_goes_on),
        cmocka_unit_test(test_accepted_for_who_goes_on),
        cmocka_unit_test(test_descriptors),
    };

    return cmocka_run_group_tests(tests, load_config, free_config);
}
