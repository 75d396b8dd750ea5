/* Programs started with nothing but what they are given, and what can't be started told apart from what failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processor/spawn.h"
#include "processor/strays.h"
#include "tests/unit/support.h"

enum { OUTPUT_SIZE = 8192 };

static char output[OUTPUT_SIZE];

/* Starts /bin/sh with a script; -1 with errno. Its output goes to the pipe's end `out`. */
static pid_t start(const char *program, const char *script, const char *workdir, int out)
{
    char shell[] = "sh";
    char option[] = "-c";
    char variable[] = "ONLY=this";
    char *arguments[] = {shell, option, NULL, NULL};
    char *environment[] = {variable, NULL};
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int fds[] = {in, out, out};
    const struct spawn spawn = {.program = program,
                                .arguments = arguments,
                                .environment = environment,
                                .workdir = workdir,
                                .brand = strays_brand(7),
                                .fds = fds};
    pid_t pid;
    int number;

    arguments[2] = strdup(script);
    pid = spawn_start(&spawn);
    number = errno;
    free(arguments[2]);
    (void)close(in);
    errno = number;
    return pid;
}

/* The same, waited for: what it printed is in `output`; gives its wait status. */
static int run(const char *script, const char *workdir)
{
    size_t size = 0;
    ssize_t got;
    int ends[2];
    int status;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = start("/bin/sh", script, workdir, ends[1]);
    assert_true(pid > 0);
    (void)close(ends[1]);
    while ((got = read(ends[0], output + size, sizeof output - 1 - size)) > 0)
        size += (size_t)got;
    output[size] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void its_end_is_its_own(void **state)
{
    assert_true(support_exited(run("exit 0", *state), 0));
    assert_true(support_exited(run("exit 42", *state), 42));
    assert_true(support_exited(run("exit 127", *state), 127));
    assert_true(support_died(run("kill -9 $$", *state), SIGKILL));
}

static void it_has_its_folder_and_environment(void **state)
{
    char wanted[4096];
    mode_t before = umask(0077);

    assert_true(support_exited(run("pwd -P; tr '\\0' '\\n' </proc/$$/environ; umask", *state), 0));
    (void)umask(before);
    snprintf(wanted, sizeof wanted, "%s\nONLY=this\n0022\n", (const char *)*state);
    assert_string_equal(output, wanted);
}

static void it_has_three_descriptors(void **state)
{
    int leaked = open("/dev/null", O_RDONLY); /* as whoever started us may have left one */

    assert_true(leaked > 2);
    assert_int_equal(fcntl(leaked, F_DUPFD, 300), 300);
    assert_true(support_exited(run("exec ls /proc/self/fd", *state), 0));
    assert_string_equal(output, "0\n1\n2\n3\n"); /* the last is what ls reads the folder by */
    (void)close(300);
    (void)close(leaked);
}

static void it_has_a_session_and_plain_signals(void **state)
{
    sigset_t blocked;
    sigset_t before;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    spawn_ignore_none();
    assert_true(
        support_exited(run("exec awk '/^(SigBlk|SigIgn|SigCgt)/ { print $2 }' /proc/self/status", *state), 0));
    assert_string_equal(output, "0000000000000000\n0000000000000000\n0000000000000000\n");
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &blocked), 0);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1); /* ours are as they were */
    assert_int_equal(sigismember(&blocked, SIGUSR1), 0);
    (void)signal(SIGPIPE, SIG_DFL);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    assert_true(
        support_exited(run("set -- $(sed 's/.*) . //' /proc/$$/stat); [ $2 = $$ ] && [ $3 = $$ ]", *state), 0));
}

/* Whatever ours are; its hard limits stay, so that it may ask for more. */
static void it_has_the_limits_of_a_login(void **state)
{
    struct rlimit core;
    struct rlimit files;
    char wanted[128];

    if (support_under_valgrind())
        skip(); /* which keeps descriptors, and so limits, of its own */
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(setrlimit(RLIMIT_CORE, &(struct rlimit){core.rlim_max, core.rlim_max}), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max}), 0);
    assert_true(support_exited(run("ulimit -Sc; ulimit -Hc; ulimit -Sn; ulimit -Hn", *state), 0));
    snprintf(wanted, sizeof wanted, "0\n%s\n1024\n%llu\n", core.rlim_max == RLIM_INFINITY ? "unlimited" : "0",
             (unsigned long long)files.rlim_max);
    assert_string_equal(output, wanted);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){500, files.rlim_max}), 0);
    assert_true(support_exited(run("ulimit -Sn", *state), 0));
    assert_string_equal(output, "1024\n");
    assert_int_equal(setrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void assert_not_started(const char *program, const char *workdir, int number)
{
    assert_int_equal(start(program, "exit 0", workdir, STDOUT_FILENO), -1);
    assert_int_equal(errno, number);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
    assert_int_equal(errno, ECHILD);
}

static void what_can_t_be_started_says_why(void **state)
{
    char file[4096];
    int fd;

    /* There vfork(2) is fork(2), whose child can't report in memory that both see. */
    if (support_under_valgrind())
        skip();
    snprintf(file, sizeof file, "%s", support_path(*state, "program"));
    assert_not_started(file, *state, ENOENT);
    assert_not_started("/bin/sh", support_path(*state, "missing"), ENOENT);
    fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "no program", 10), 10);
    assert_int_equal(close(fd), 0);
    assert_not_started(file, *state, EACCES);
    assert_int_equal(chmod(file, 0700), 0);
    assert_not_started(file, *state, ENOEXEC);
    assert_not_started(*state, *state, EACCES);
}

/* Codes of the child below: what went wrong. The grandchild's number comes back by the pipe. */
static int start_and_die(void *context)
{
    int *ends = context;
    pid_t pid = start("/bin/sh", "exec sleep 1000", "/", STDOUT_FILENO);

    return write(ends[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : 1;
}

static void it_dies_with_us(void **state)
{
    int ends[2];
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_true(support_exited(support_run_child(start_and_die, ends), 0));
    assert_int_equal(read(ends[0], &pid, sizeof pid), (ssize_t)sizeof pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(support_died(status, SIGKILL));
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* ---- by what a stray is known ---- */

/*
 * Starts a script that prints a line when it is ready and then stays; the caller ends it. It must not exec behind
 * that line, as a process in the middle of an exec has no environment to look at.
 */
static pid_t start_stray(const char *script)
{
    char ready[16];
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = start("/bin/sh", script, "/", ends[1]);
    assert_true(pid > 0);
    (void)close(ends[1]);
    assert_true(read(ends[0], ready, sizeof ready) > 0);
    (void)close(ends[0]);
    return pid;
}

static void assert_owner(const char *script, enum stray_owner by_brand, enum stray_owner by_mark)
{
    pid_t pid = start_stray(script);

    assert_int_equal(strays_owner(pid, strays_brand(7), "MAILMILL_RUN=1.7"), by_brand);
    assert_int_equal(strays_owner(pid, strays_brand(8), "MAILMILL_RUN=1.8"), by_mark);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_stray_is_known_by_its_brand_or_its_mark(void **state)
{
    (void)state;
    /* Its brand is that of run 7, in whatever it has for an environment. */
    assert_owner("echo ready; kill -STOP $$", STRAY_MARKED, STRAY_OTHERS);
    assert_owner("exec env -i /bin/sh -c 'echo ready; kill -STOP $$'", STRAY_MARKED, STRAY_OTHERS);
    assert_owner("exec env MAILMILL_RUN=1.8 /bin/sh -c 'echo ready; kill -STOP $$'", STRAY_MARKED, STRAY_MARKED);
    assert_owner("exec env MAILMILL_RUN=1.80 /bin/sh -c 'echo ready; kill -STOP $$'", STRAY_MARKED, STRAY_OTHERS);
}

static void brands_differ_and_are_no_usual_limit(void **state)
{
    struct rlimit limit;

    (void)state;
    assert_true(strays_brand(1) != strays_brand(2));
    assert_true(strays_brand(UINT64_MAX) < RLIM_INFINITY);
    assert_true(strays_brand(0) >= UINT64_C(1) << 62);
    assert_int_equal(getrlimit(RLIMIT_LOCKS, &limit), 0);
    assert_true(limit.rlim_max != strays_brand(7));
}

static void children_are_listed(void **state)
{
    pid_t children[4];
    pid_t pid = start_stray("echo ready; kill -STOP $$");
    int count = strays_list(children, 4);

    (void)state;
    assert_int_equal(count, 1);
    assert_int_equal(children[0], pid);
    assert_int_equal(strays_list(children, 0), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(strays_list(children, 4), 0);
    assert_int_equal(strays_owner(pid, strays_brand(7), "MAILMILL_RUN=1.7"), STRAY_UNMARKED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_end_is_its_own),
        TEST(it_has_its_folder_and_environment),
        TEST(it_has_three_descriptors),
        TEST(it_has_a_session_and_plain_signals),
        TEST(it_has_the_limits_of_a_login),
        TEST(what_can_t_be_started_says_why),
        TEST(it_dies_with_us),
        TEST(a_stray_is_known_by_its_brand_or_its_mark),
        TEST(brands_differ_and_are_no_usual_limit),
        TEST(children_are_listed),
    };

    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
