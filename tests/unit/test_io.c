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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/unit/support.h"

enum { MANY = 1 << 20, FILE_LIMIT = 1000 };

/* Bytes of which no stretch is like another. */
static struct span make_bytes(void)
{
    char *bytes = malloc(MANY);

    assert_non_null(bytes);
    for (unsigned i = 0; i < MANY; i++)
        bytes[i] = (char)(i * 31 + i / 251 + i / 65521);
    return (struct span){bytes, MANY};
}

static volatile sig_atomic_t interruptions;

static void interrupt(int number)
{
    (void)number;
    interruptions++;
}

struct reading {
    int ends[2];
    struct span wanted;
};

/* Reads slowly enough that the pipe is full nearly always: the writer has to wait, and is interrupted there. */
static int read_slowly(void *context)
{
    const struct reading *reading = context;
    char piece[4096];
    size_t at = 0;
    ssize_t got;

    (void)close(reading->ends[1]);
    while ((got = read(reading->ends[0], piece, sizeof piece)) > 0) {
        if ((size_t)got > reading->wanted.size - at || memcmp(piece, reading->wanted.data + at, (size_t)got) != 0)
            return 1;
        at += (size_t)got;
        if (at % (64 * sizeof piece) == 0)
            usleep(5000);
    }
    return got == 0 && at == reading->wanted.size ? 0 : 2;
}

static void all_arrives_in_pieces_and_between_signals(void **state)
{
    struct reading reading = {.wanted = make_bytes()};
    struct sigaction action = {.sa_handler = interrupt}, before; /* without SA_RESTART */
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pid_t child;

    (void)state;
    assert_int_equal(pipe2(reading.ends, O_CLOEXEC), 0);
    child = support_start_child(read_slowly, &reading);
    assert_true(child > 0);
    (void)close(reading.ends[0]);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    assert_int_equal(io_write_all(reading.ends[1], reading.wanted), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    (void)close(reading.ends[1]);
    assert_true(support_exited(support_wait_child(child), 0));
    assert_true(interruptions > 0);
    free((char *)(uintptr_t)reading.wanted.data);
}

static void nothing_is_written_of_nothing(void **state)
{
    (void)state;
    assert_int_equal(io_write_all(-1, (struct span){NULL, 0}), 0);
}

static void errors_are_those_of_write(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int ends[2];
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);

    (void)state;
    assert_true(full >= 0);
    errno = 0;
    assert_int_equal(io_write_all(full, SPAN("x")), -1);
    assert_int_equal(errno, ENOSPC);
    (void)close(full);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    assert_int_equal(io_write_all(ends[1], SPAN("x")), -1);
    assert_int_equal(errno, EPIPE);
    (void)close(ends[1]);
    (void)signal(SIGPIPE, before);
}

/* A disk that becomes full half-way: the first write is short, and only the next one says why. */
static void what_does_not_fit_is_an_error(void **state)
{
    int fd = open(support_path(*state, "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, small;
    struct stat status;
    struct span bytes = make_bytes();
    int written, number;

    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = (struct rlimit){FILE_LIMIT, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    errno = 0;
    written = io_write_all(fd, bytes);
    number = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, before);
    assert_int_equal(written, -1);
    assert_int_equal(number, EFBIG);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, FILE_LIMIT);
    (void)close(fd);
    free((char *)(uintptr_t)bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrives_in_pieces_and_between_signals),
        cmocka_unit_test(nothing_is_written_of_nothing),
        cmocka_unit_test(errors_are_those_of_write),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_an_error, support_make_folder, support_remove_folder),
    };

    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
