/* The launcher in a process of its own, asked as the main half asks it, and as one that was taken over would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "processor/account.h"
#include "processor/launcher.h"
#include "tests/unit/support.h"

static char folder[512];
static char path[600]; /* of the configuration */
static struct config config;
static struct launcher launcher;
static struct environment environment;

static void discard(void *context, int level, struct span text)
{
    (void)context;
    (void)level;
    (void)text;
}

static void write_config(const char *routes)
{
    static char storage[8192];
    struct buf text = buf_over(storage, sizeof storage);
    struct account own;
    FILE *file = fopen(path, "we");

    account_own(&own);
    buf_printf(&text, "user = \"%s\"\nworkdir = \"%s\"\nsendmail = {\"/bin/sh\", \"-c\", \"exit 43\"}\n%s", own.name,
               folder, routes);
    assert_non_null(file);
    assert_false(text.overflowed);
    assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
    assert_int_equal(fclose(file), 0);
}

/* Each handler is a shell with a script. */
#define HANDLER(name, script, more) "handler \"" name "\" { run = {\"/bin/sh\", \"-c\", \"" script "\"} " more " }\n"

static const char routes[] =
    "route \"a@example.com\" {\n" HANDLER("exits", "exit 42", "on-dead = {\"/bin/sh\", \"-c\", \"exit 44\"}") /* 0 */
    HANDLER("dies", "kill -SEGV $$", "")                                                                      /* 1 */
    HANDLER("speaks", "cat; echo to stderr >&2; tr '\\\\0' '\\\\n' </proc/$$/environ", "")                    /* 2 */
    HANDLER("stays", "exec sleep 1000", "")                                                                   /* 3 */
    HANDLER("slow", "exec sleep 1000", "timeout = 1")                                                         /* 4 */
    HANDLER("leaves", "setsid sleep 1000 & echo $!; pwd -P", "")                                              /* 5 */
    "handler \"missing\" { run = {\"/nonexistent/program\"} }\n"                                              /* 6 */
    HANDLER("stubborn", "trap '' TERM; echo ready; while :; do sleep 1; done", "")                            /* 7 */
    "}\n";

static int open_launcher(void **state)
{
    struct config_errors errors = {0};
    struct err err = {0};

    log_redirect(discard, NULL);
    if (support_make_folder(state) != 0)
        return -1;
    snprintf(folder, sizeof folder, "%s", (const char *)*state);
    snprintf(path, sizeof path, "%s", support_path(folder, "mailmill.conf"));
    write_config(routes);
    if (config_load(&config, path, &errors) != 0)
        fail_msg("%s", errors.list[0]);
    environment_start(&environment);
    return launcher_start(&launcher, &config, &err);
}

static int close_launcher(void **state)
{
    int status = -1;

    (void)close(launcher.socket);
    if (waitpid(launcher.pid, &status, 0) != launcher.pid || !support_exited(status, 0))
        return -1;
    config_free(&config);
    return support_remove_folder(state);
}

/* ---- asking ---- */

static int reads[2]; /* of the last run: its output, its errors */

static void run(uint64_t number, uint64_t handler)
{
    struct err err = {0};
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out[2];
    int errors[2];

    assert_true(in >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0);
    if (launcher_run(&launcher, number, handler, &environment, (const int[]){in, out[1], errors[1]}, &err) != 0)
        fail_msg("%s", err.text);
    (void)close(in);
    (void)close(out[1]);
    (void)close(errors[1]);
    reads[0] = out[0];
    reads[1] = errors[0];
}

/* What was said on one of the two, to its end; closed. */
static const char *said(int which)
{
    static char text[2][8192];
    size_t size = 0;
    ssize_t got;

    while ((got = read(reads[which], text[which] + size, sizeof text[which] - 1 - size)) > 0)
        size += (size_t)got;
    text[which][size] = '\0';
    (void)close(reads[which]);
    return text[which];
}

static void close_reads(void)
{
    (void)close(reads[0]);
    (void)close(reads[1]);
}

static void receive(struct launcher_answer *answer)
{
    struct pollfd readable = {.fd = launcher.socket, .events = POLLIN};
    struct err err = {0};

    assert_int_equal(poll(&readable, 1, 30000), 1);
    if (launcher_receive(&launcher, answer, &err) != 1)
        fail_msg("%s", err.text);
}

static void assert_ended(uint64_t number, enum run_end end, int64_t how)
{
    struct launcher_answer answer;

    receive(&answer);
    assert_int_equal(answer.kind, LAUNCH_ENDED);
    assert_int_equal(answer.run, number);
    assert_int_equal(answer.end, end);
    assert_int_equal(answer.number, how);
}

/* ---- runs ---- */

static void ends_are_told(void **state)
{
    (void)state;
    run(1, 0);
    close_reads();
    assert_ended(1, RUN_EXITED, 42);
    run(UINT64_MAX, 1);
    close_reads();
    assert_ended(UINT64_MAX, RUN_SIGNALLED, SIGSEGV);
    run(3, LAUNCH_SENDMAIL);
    close_reads();
    assert_ended(3, RUN_EXITED, 43);
    run(4, 0 | LAUNCH_ON_DEAD);
    close_reads();
    assert_ended(4, RUN_EXITED, 44);
}

static void nothing_is_said_without_an_answer(void **state)
{
    struct launcher_answer answer;
    struct err err;

    (void)state;
    assert_int_equal(launcher_receive(&launcher, &answer, &err), 0);
}

static void a_run_gets_both_halves_of_its_environment(void **state)
{
    static const char start[] = "SENDER=asker@example.org\nHEADER_SUBJECT=a=b\nUSER=";
    const char *text;

    (void)state;
    environment_put(&environment, ENVIRONMENT_SENDER, SPAN("asker@example.org"));
    environment_put(&environment, ENVIRONMENT_HEADER_SUBJECT, SPAN("a=b"));
    run(1, 2);
    text = said(0);
    assert_string_equal(said(1), "to stderr\n");
    assert_ended(1, RUN_EXITED, 0);
    assert_int_equal(strncmp(text, start, sizeof start - 1), 0);
    assert_non_null(strstr(text, "\nSHELL=/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin:"));
    assert_non_null(strstr(text, "\nMAILMILL_RUN="));
    assert_null(strstr(text, "MAILMILL_UNDER"));
}

static void what_can_t_be_started_is_told(void **state)
{
    (void)state;
    if (support_under_valgrind())
        skip();
    run(1, 6);
    close_reads();
    assert_ended(1, RUN_NOT_STARTED, ENOENT);
    run(2, 0);
    close_reads();
    assert_ended(2, RUN_EXITED, 42);
}

static void a_run_can_be_stopped(void **state)
{
    struct err err;

    (void)state;
    run(1, 3);
    assert_int_equal(launcher_stop(&launcher, 77, &err), 0); /* there is none */
    assert_int_equal(launcher_stop(&launcher, 1, &err), 0);
    assert_ended(1, RUN_STOPPED, 600000);
    close_reads();
}

static void a_run_has_its_time(void **state)
{
    (void)state;
    run(1, 4);
    assert_ended(1, RUN_TIMED_OUT, 1000);
    close_reads();
}

/* In the end neither the process in its own session nor the folder is there. */
static void what_a_run_leaves_is_cleared_away(void **state)
{
    char *rest;
    long pid;

    (void)state;
    run(1, 5);
    assert_ended(1, RUN_EXITED, 0);
    pid = strtol(said(0), &rest, 10);
    (void)said(1);
    assert_true(pid > 1);
    assert_int_equal(kill((pid_t)pid, 0), -1);
    rest[strlen(rest) - 1] = '\0';
    assert_int_equal(strncmp(rest + 1, folder, strlen(folder)), 0);
    assert_int_equal(access(rest + 1, F_OK), -1);
}

static void runs_go_side_by_side(void **state)
{
    struct err err;
    unsigned ended = 0;

    (void)state;
    for (uint64_t number = 1; number <= 20; number++) {
        run(number, 3);
        close_reads();
    }
    for (uint64_t number = 20; number >= 1; number--)
        assert_int_equal(launcher_stop(&launcher, number, &err), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct launcher_answer answer;

        receive(&answer);
        assert_int_equal(answer.end, RUN_STOPPED);
        ended |= 1U << answer.run;
    }
    assert_int_equal(ended, ((1U << 20) - 1) << 1);
}

/* Closing the socket, as the teardown does, ends it, and what still runs. */
static void the_end_of_the_main_half_ends_it(void **state)
{
    (void)state;
    run(1, 3);
    close_reads();
}

static bool is_locked(const char *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(file, O_RDWR | O_CLOEXEC);

    assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
    (void)close(fd);
    return lock.l_type != F_UNLCK;
}

/* And no next one can start before; a run that does not listen to TERM does not delay it. */
static void until_then_it_keeps_the_lock(void **state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int64_t before_ms = clock_monotonic_ms();
    const char *file = support_path(*state, "lock");
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct err err = {0};
    char byte;

    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(launcher_keep(&launcher, fd, &err), 0);
    assert_int_equal(launcher_keep(&launcher, fd, &err), 0); /* a second one is not taken */
    (void)close(fd);
    run(1, 7);
    assert_int_equal(read(reads[0], &byte, 1), 1);
    assert_true(is_locked(file));
    (void)shutdown(launcher.socket, SHUT_RDWR);
    while (read(reads[0], &byte, 1) > 0)
        continue;
    close_reads();
    assert_true(clock_monotonic_ms() - before_ms < LAUNCH_KILL_MS / 2);
    while (is_locked(file))
        (void)poll(NULL, 0, 10);
}

/* ---- a main half that was taken over ---- */

static void send_start(uint64_t number, uint64_t handler, struct span texts, size_t fd_count)
{
    static char storage[FRAME_SIZE_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err = {0};
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[] = {in, in, in, in};

    frame_start(&frame, LAUNCH_START);
    frame_put_number(&frame, number);
    frame_put_number(&frame, handler);
    frame_put_text(&frame, texts);
    if (frame_send(launcher.socket, &frame, fds, fd_count, &err) != 0)
        fail_msg("%s", err.text);
    (void)close(in);
}

static void only_configured_handlers_are_started(void **state)
{
    /* The second handler has no on-dead program, and there is no ninth one to have it. */
    static const uint64_t numbers[] = {8,
                                       9,
                                       1 << 20,
                                       UINT64_MAX - 1,
                                       (uint64_t)INT64_MAX,
                                       1 | LAUNCH_ON_DEAD,
                                       8 | LAUNCH_ON_DEAD,
                                       0 | LAUNCH_ON_DEAD << 1};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        send_start(i, numbers[i], SPAN(""), 3);
        assert_ended(i, RUN_NOT_STARTED, EPERM);
    }
}

static void foreign_environments_are_refused(void **state)
{
    const struct span texts[] = {SPAN("PATH=/tmp\0"),        SPAN("LD_PRELOAD=/tmp/x\0"),
                                 SPAN("SENDER=a\0HOME=/\0"), SPAN("SENDER=a"),
                                 SPAN("SENDER\0"),           SPAN("\0"),
                                 SPAN("SENDER=a\0\0"),       SPAN("USER=root\0"),
                                 SPAN("MAILMILL_RUN=1.1\0"), SPAN("=\0"),
                                 SPAN("SHELL=x\0SENDER=a\0")};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        send_start(i, 0, texts[i], 3);
        assert_ended(i, RUN_NOT_STARTED, EPERM);
    }
    send_start(99, 0, SPAN("SENDER=a\0"), 3);
    assert_ended(99, RUN_EXITED, 42);
}

static void too_large_an_environment_is_refused(void **state)
{
    static char texts[ENVIRONMENT_SIZE];
    struct buf buf = buf_over(texts, sizeof texts);

    (void)state;
    /* More entries than there are names: the same one again and again. */
    for (int i = 0; i < ENVIRONMENT_COUNT; i++)
        buf_put(&buf, SPAN("EXT=x\0"));
    send_start(1, 0, buf_span(&buf), 3);
    assert_ended(1, RUN_NOT_STARTED, EINVAL);
    /* So large that the launcher's own names find no room. */
    memset(texts, 'x', sizeof texts);
    memcpy(texts, "EXT=", 4);
    texts[sizeof texts - 2] = '\0';
    send_start(2, 0, (struct span){texts, sizeof texts - 1}, 3);
    assert_ended(2, RUN_NOT_STARTED, EINVAL);
}

static void three_descriptors_it_must_be(void **state)
{
    (void)state;
    for (size_t count = 0; count <= 4; count++) {
        send_start(count, 0, SPAN(""), count);
        if (count == 3)
            assert_ended(count, RUN_EXITED, 42);
        else
            assert_ended(count, RUN_NOT_STARTED, EPERM);
    }
}

static void other_frames_do_nothing(void **state)
{
    (void)state;
    for (uint8_t type = 0; type < 255; type++) {
        char storage[16];
        struct buf frame = buf_over(storage, sizeof storage);
        struct err err;

        if (type >= LAUNCH_START && type < LAUNCH_REQUEST_END)
            continue;
        frame_start(&frame, type);
        buf_put(&frame, SPAN("rubbish"));
        assert_int_equal(frame_send(launcher.socket, &frame, NULL, 0, &err), 0);
    }
    run(1, 0);
    close_reads();
    assert_ended(1, RUN_EXITED, 42);
}

/* ---- reading the configuration anew ---- */

static void a_new_configuration_is_handed_over(void **state)
{
    struct config reloaded = {0};
    struct config_errors errors = {0};
    struct launcher_answer answer;
    struct err err = {0};
    char *text;

    (void)state;
    write_config("route \"a@example.com\" { " HANDLER("other", "exit 7", "") " }");
    assert_int_equal(launcher_reload(&launcher, &err), 0);
    receive(&answer);
    assert_int_equal(answer.kind, LAUNCH_RELOADED);
    text = launcher_config_text(answer.config, &err);
    assert_non_null(text);
    (void)close(answer.config);
    assert_int_equal(config_load_text(&reloaded, path, text, &errors), 0);
    assert_int_equal(reloaded.handler_count, 1);
    assert_string_equal(reloaded.routes[0].handlers[0].name, "other");
    config_free(&reloaded);
    free(text);
    run(1, 0);
    close_reads();
    assert_ended(1, RUN_EXITED, 7);
    run(2, 1);
    close_reads();
    assert_ended(2, RUN_NOT_STARTED, EPERM);
}

static void assert_refused(const char *pattern)
{
    struct launcher_answer answer;
    struct err err = {0};

    assert_int_equal(launcher_reload(&launcher, &err), 0);
    receive(&answer);
    assert_int_equal(answer.kind, LAUNCH_REFUSED);
    assert_non_null(strstr(answer.text, pattern));
}

static void a_broken_configuration_is_refused(void **state)
{
    (void)state;
    write_config("rubbish = 1\n");
    assert_refused("mailmill.conf:4: ");
    assert_int_equal(truncate(path, LAUNCH_CONFIG_MAX + 1), 0);
    assert_refused("mailmill.conf is larger than");
    assert_int_equal(unlink(path), 0);
    assert_refused("No such file or directory");
    run(1, 0);
    close_reads();
    assert_ended(1, RUN_EXITED, 42);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_launcher, close_launcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ends_are_told),
        TEST(nothing_is_said_without_an_answer),
        TEST(a_run_gets_both_halves_of_its_environment),
        TEST(what_can_t_be_started_is_told),
        TEST(a_run_can_be_stopped),
        TEST(a_run_has_its_time),
        TEST(what_a_run_leaves_is_cleared_away),
        TEST(runs_go_side_by_side),
        TEST(the_end_of_the_main_half_ends_it),
        TEST(until_then_it_keeps_the_lock),
        TEST(only_configured_handlers_are_started),
        TEST(foreign_environments_are_refused),
        TEST(too_large_an_environment_is_refused),
        TEST(three_descriptors_it_must_be),
        TEST(other_frames_do_nothing),
        TEST(a_new_configuration_is_handed_over),
        TEST(a_broken_configuration_is_refused),
    };

    return cmocka_run_group_tests_name("launcher", tests, NULL, NULL);
}
