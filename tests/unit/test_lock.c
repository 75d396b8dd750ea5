#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processor/lock.h"
#include "tests/unit/support.h"

static int folder;
static struct err err;

static int open_folder(void **state)
{
    if (support_make_folder(state) != 0)
        return -1;
    err = (struct err){0};
    folder = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -1 : 0;
}

static int close_folder(void **state)
{
    (void)close(folder);
    return support_remove_folder(state);
}

static int take(void)
{
    return lock_take(folder, "/spool", &err);
}

static void only_one_has_it(void **state)
{
    char text[128];
    int first = take();

    (void)state;
    assert_true(first >= 0);
    assert_int_equal(take(), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    snprintf(text, sizeof text,
             "another mailmill-processor (process %d) works on the spool /spool, or mailmill reindex does: "
             "that has to end first",
             (int)getpid());
    assert_string_equal(err.text, text);
    (void)close(first);
    first = take();
    assert_true(first >= 0);
    lock_release(first);
}

static void released_it_is_nobody_s(void **state)
{
    int first = take();
    int copy = dup(first);
    int second;

    (void)state;
    lock_release(first);
    second = take();
    assert_true(second >= 0);
    (void)close(copy);
    lock_release(second);
    lock_release(-1);
}

/* A processor that is killed, whose launcher has the descriptor still. */
static int take_and_end(void *context)
{
    (void)context;
    return take() >= 0 ? 0 : 1;
}

static int share_for_a_moment(void *context)
{
    pid_t launcher;

    if (take() < 0)
        return 1;
    launcher = fork();
    if (launcher == 0) {
        (void)usleep(300000);
        _exit(0);
    }
    (void)context;
    return launcher > 0 ? 0 : 1;
}

static void what_a_killed_one_left_is_waited_for(void **state)
{
    int fd;

    (void)state;
    assert_true(support_exited(support_run_child(take_and_end, NULL), 0));
    fd = take();
    assert_true(fd >= 0);
    lock_release(fd);
    assert_true(support_exited(support_run_child(share_for_a_moment, NULL), 0));
    fd = take();
    assert_true(fd >= 0);
    lock_release(fd);
}

static void a_folder_that_takes_no_file_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(lock_take(-1, "/spool", &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(err.text, "processor.lock"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_one_has_it),
        TEST(released_it_is_nobody_s),
        TEST(what_a_killed_one_left_is_waited_for),
        TEST(a_folder_that_takes_no_file_is_an_error),
    };

    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
