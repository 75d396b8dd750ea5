#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "processor/workdir.h"
#include "tests/unit/support.h"

enum { NOBODY = 65534 };

static bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static void make_workdir(const char *parent, char path[static WORKDIR_SIZE])
{
    struct err err = {0};

    if (workdir_make(parent, geteuid(), getegid(), path, &err) != 0)
        fail_msg("%s", err.text);
}

static void assert_removed(const char *path)
{
    struct err err = {0};

    if (workdir_remove(path, &err) != 0)
        fail_msg("%s", err.text);
    assert_false(exists(path));
}

static void it_is_private_and_new(void **state)
{
    char first[WORKDIR_SIZE];
    char second[WORKDIR_SIZE];
    struct stat status;

    make_workdir(*state, first);
    make_workdir(*state, second);
    assert_string_not_equal(first, second);
    assert_int_equal(strncmp(first, *state, strlen(*state)), 0);
    assert_int_equal(stat(first, &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    assert_removed(first);
    assert_removed(second);
}

static void it_is_given_to_its_user(void **state)
{
    char path[WORKDIR_SIZE];
    struct stat status;
    struct err err = {0};

    if (geteuid() != 0)
        skip();
    assert_int_equal(workdir_make(*state, NOBODY, NOBODY, path, &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_uid, NOBODY);
    assert_int_equal(status.st_gid, NOBODY);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    assert_removed(path);
}

static void a_parent_that_does_not_do_is_named(void **state)
{
    char long_parent[WORKDIR_SIZE];
    char path[WORKDIR_SIZE];
    struct err err = {0};

    assert_int_equal(workdir_make(support_path(*state, "missing"), 0, 0, path, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.number, ENOENT);
    assert_non_null(strstr(err.text, "missing"));
    memset(long_parent, 'x', sizeof long_parent);
    long_parent[0] = '/';
    long_parent[sizeof long_parent - 1] = '\0';
    assert_int_equal(workdir_make(long_parent, 0, 0, path, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
}

static void everything_in_it_goes(void **state)
{
    char path[WORKDIR_SIZE];
    char folder[WORKDIR_SIZE];

    snprintf(folder, sizeof folder, "%s", support_path(*state, "outside"));
    assert_int_equal(mkdir(folder, 0700), 0);
    make_file(support_path(folder, "file"));
    make_workdir(*state, path);
    make_file(support_path(path, ".hidden"));
    make_file(support_path(path, "a b\nc"));
    assert_int_equal(mkfifo(support_path(path, "pipe"), 0600), 0);
    assert_int_equal(mkdir(support_path(path, "folder"), 0700), 0);
    make_file(support_path(path, "folder/file"));
    assert_int_equal(symlink(folder, support_path(path, "folder/link")), 0);
    assert_int_equal(symlink(folder, support_path(path, "link")), 0);
    assert_int_equal(symlink("nowhere", support_path(path, "dangling")), 0);
    assert_int_equal(link(support_path(folder, "file"), support_path(path, "hard")), 0);
    assert_removed(path);
    assert_true(exists(support_path(folder, "file")));
}

/* Deeper than descriptors and paths would reach. */
static void a_deep_tree_goes(void **state)
{
    char path[WORKDIR_SIZE];
    struct rlimit before;
    struct rlimit few;
    int fd;

    make_workdir(*state, path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 3000; depth++) {
        int deeper;

        assert_int_equal(mkdirat(fd, "folder", 0700), 0);
        if (depth % 100 == 0)
            assert_int_equal(mkdirat(fd, "another", 0), 0);
        deeper = openat(fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(deeper >= 0);
        assert_int_equal(close(fd), 0);
        fd = deeper;
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_removed(path);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Codes of the child below: the number of the step that failed. */
static int remove_without_rights(void *context)
{
    char path[WORKDIR_SIZE];
    struct err err;

    if (geteuid() == 0 && (chown(context, NOBODY, NOBODY) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (workdir_make(context, geteuid(), getegid(), path, &err) != 0)
        return 2;
    if (mkdir(support_path(path, "a"), 0700) != 0 || mkdir(support_path(path, "a/b"), 0700) != 0 ||
        mknod(support_path(path, "a/b/file"), S_IFREG, 0) != 0 || mkdir(support_path(path, "c"), 0) != 0)
        return 3;
    if (chmod(support_path(path, "a/b"), 0500) != 0 || chmod(support_path(path, "a"), 0) != 0 ||
        chmod(path, 0500) != 0)
        return 4;
    return workdir_remove(path, &err) == 0 && !exists(path) ? 0 : 5;
}

static void rights_that_the_handler_took_don_t_matter(void **state)
{
    assert_true(support_exited(support_run_child(remove_without_rights, *state), 0));
}

static void what_took_its_place_goes(void **state)
{
    char path[WORKDIR_SIZE];
    char outside[WORKDIR_SIZE];

    snprintf(outside, sizeof outside, "%s", support_path(*state, "outside"));
    assert_int_equal(mkdir(outside, 0700), 0);
    make_file(support_path(outside, "file"));
    make_workdir(*state, path);
    assert_int_equal(rmdir(path), 0);
    assert_removed(path);
    assert_int_equal(symlink(outside, path), 0);
    assert_removed(path);
    make_file(path);
    assert_removed(path);
    assert_true(exists(support_path(outside, "file")));
}

/* Codes of the child below; 77: this machine does not let us mount. */
static int remove_with_mount(void *context)
{
    const char *path = context;
    char mounted[2 * WORKDIR_SIZE];
    struct err err;
    int status;

    snprintf(mounted, sizeof mounted, "%s/mounted", path);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0)
        return 77;
    if (mkdir(mounted, 0700) != 0 || mount("none", mounted, "tmpfs", 0, "") != 0)
        return 77;
    if (mknod(support_path(mounted, "file"), S_IFREG | 0600, 0) != 0)
        return 1;
    status = workdir_remove(path, &err);
    if (status == 0 || err.number == 0 || strstr(err.text, path) == NULL)
        return 2;
    return exists(support_path(mounted, "file")) ? 0 : 3;
}

static void other_file_systems_are_not_entered(void **state)
{
    char path[WORKDIR_SIZE];
    int status;

    make_workdir(*state, path);
    status = support_run_child(remove_with_mount, path);
    if (support_exited(status, 77))
        skip();
    assert_int_equal(status, 0);
}

/* Where folders are moved up because they lie too deep, one of them and a link take each other's place all the time.
 */
static int exchange(void *context)
{
    int fd = *(const int *)context;

    for (;;) {
        renameat2(fd, "folder-0", fd, "link", RENAME_EXCHANGE);
        sched_yield();
    }
    return 0;
}

/* The deepest folder of a tree: open. */
static int make_deep(const char *path, const char *target)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int depth = 0; depth < 64; depth++) {
        int deeper;

        assert_int_equal(mkdirat(fd, "deep", 0700), 0);
        deeper = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(deeper >= 0);
        assert_int_equal(close(fd), 0);
        fd = deeper;
    }
    assert_int_equal(symlinkat(target, fd, "link"), 0);
    assert_int_equal(mkdirat(fd, "folder-0", 0700), 0);
    return fd;
}

static void a_link_in_a_folders_place_is_not_followed(void **state)
{
    int64_t end_ms = clock_monotonic_ms() + 1000;
    char outside[WORKDIR_SIZE];
    struct stat status;

    snprintf(outside, sizeof outside, "%s", support_path(*state, "outside"));
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(stat(outside, &status), 0);
    while (clock_monotonic_ms() < end_ms && (status.st_mode & 07777) == 0755) {
        char path[WORKDIR_SIZE];
        struct err err;
        pid_t racer;
        int fd;

        make_workdir(*state, path);
        fd = make_deep(path, outside);
        racer = support_start_child(exchange, &fd);
        assert_true(racer > 0);
        if (workdir_remove(path, &err) != 0) /* it may stop short, with such things going on */
            err.kind = ERR_NONE;
        assert_int_equal(kill(racer, SIGKILL), 0);
        (void)support_wait_child(racer);
        assert_int_equal(close(fd), 0);
        if (exists(path))
            assert_removed(path);
        assert_int_equal(stat(outside, &status), 0);
    }
    assert_int_equal(status.st_mode & 07777, 0755);
}

static void no_descriptor_is_left(void **state)
{
    size_t before = support_open_descriptors();

    everything_in_it_goes(state);
    a_deep_tree_goes(state);
    assert_int_equal(support_open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

/* ---- spare ones ---- */

static void make_spare(const char *parent, struct workdir_spares *spares)
{
    char path[WORKDIR_SIZE];

    make_workdir(parent, path);
    assert_true(workdir_spare(spares, path));
    assert_false(exists(path));
    assert_int_equal(spares->count, 1);
    assert_true(exists(spares->list[0].path));
}

static void a_spare_one_has_another_name(void **state)
{
    const char *parent = support_path(*state, "spares");
    struct workdir_spares spares = {0};
    char path[WORKDIR_SIZE];
    struct stat status;

    assert_int_equal(mkdir(parent, 0700), 0);
    make_spare(parent, &spares);
    assert_false(workdir_reuse(&spares, "/elsewhere", geteuid(), getegid(), path));
    assert_false(workdir_reuse(&spares, parent, geteuid() + 1, getegid(), path));
    assert_true(workdir_reuse(&spares, parent, geteuid(), getegid(), path));
    assert_int_equal(spares.count, 0);
    assert_non_null(strstr(path, "/mailmill-"));
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_false(workdir_reuse(&spares, parent, geteuid(), getegid(), path));
    assert_true(workdir_spare(&spares, path));
    workdir_drop_spares(&spares);
    assert_int_equal(rmdir(parent), 0); /* nothing is left in it */
}

static void one_that_was_used_is_not_spared(void **state)
{
    const char *parent = support_path(*state, "used");
    struct workdir_spares spares = {0};
    char path[WORKDIR_SIZE];
    char file[WORKDIR_SIZE + 8];

    assert_int_equal(mkdir(parent, 0700), 0);
    make_workdir(parent, path);
    snprintf(file, sizeof file, "%s/file", path);
    make_file(file);
    assert_false(workdir_spare(&spares, path));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(chmod(path, 0750), 0);
    assert_false(workdir_spare(&spares, path));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/", path), 0);
    assert_false(workdir_spare(&spares, path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(parent), 0);
}

/* Its user can reach it in between. */
static void a_spare_one_that_was_changed_is_removed(void **state)
{
    const char *parent = support_path(*state, "changed");
    struct workdir_spares spares = {0};
    char path[WORKDIR_SIZE];
    char file[WORKDIR_SIZE + 8];

    assert_int_equal(mkdir(parent, 0700), 0);
    make_spare(parent, &spares);
    snprintf(file, sizeof file, "%s/file", spares.list[0].path);
    make_file(file);
    assert_false(workdir_reuse(&spares, parent, geteuid(), getegid(), path));
    assert_int_equal(spares.count, 0);
    make_spare(parent, &spares);
    assert_int_equal(rmdir(spares.list[0].path), 0);
    assert_int_equal(symlink("/", spares.list[0].path), 0);
    assert_false(workdir_reuse(&spares, parent, geteuid(), getegid(), path));
    assert_int_equal(rmdir(parent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_private_and_new),
        TEST(it_is_given_to_its_user),
        TEST(a_parent_that_does_not_do_is_named),
        TEST(everything_in_it_goes),
        TEST(a_deep_tree_goes),
        TEST(rights_that_the_handler_took_don_t_matter),
        TEST(what_took_its_place_goes),
        TEST(other_file_systems_are_not_entered),
        TEST(a_link_in_a_folders_place_is_not_followed),
        TEST(no_descriptor_is_left),
        TEST(a_spare_one_has_another_name),
        TEST(one_that_was_used_is_not_spared),
        TEST(a_spare_one_that_was_changed_is_removed),
    };

    return cmocka_run_group_tests_name("workdir", tests, NULL, NULL);
}
