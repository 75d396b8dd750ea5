#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/spool.h"
#include "tests/unit/support.h"

static const char id[] = "06DK3T9Q2B7XH0VA";
static const char other[] = "06DK3T9Q2B7XH0VB";

struct bed {
    void *folder;
    struct spool spool;
    struct err err;
};

static int open_spool(void **state)
{
    static struct bed bed;
    mode_t before = umask(0007);

    bed = (struct bed){.err = {.kind = ERR_NONE}};
    *state = &bed;
    if (support_make_folder(&bed.folder) != 0 || spool_open(&bed.spool, bed.folder, SPOOL_PROCESSOR, &bed.err) != 0)
        return -1;
    (void)umask(before);
    return 0;
}

static int remove_spool(void **state)
{
    struct bed *bed = *state;

    spool_close(&bed->spool);
    return support_remove_folder(&bed->folder);
}

static bool exists(const struct bed *bed, const char *name)
{
    return access(support_path(bed->folder, name), F_OK) == 0;
}

static void put_file(const struct bed *bed, const char *name, const char *text)
{
    int fd = open(support_path(bed->folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* The whole way in: new/ID holds `text`. */
static void commit(struct bed *bed, const char *name, const char *text)
{
    int fd = spool_create(&bed->spool, name, &bed->err);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(spool_commit(&bed->spool, name, fd, &bed->err), 0);
    assert_int_equal(close(fd), 0);
}

static void assert_holds(struct bed *bed, const char *name, const char *text)
{
    char read_back[64] = "";
    int fd = spool_open_message(&bed->spool, name, &bed->err);

    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(read(fd, read_back, sizeof read_back - 1), strlen(text));
    assert_string_equal(read_back, text);
    assert_int_equal(close(fd), 0);
}

static void assert_found(struct bed *bed, const char *folder, const char *name)
{
    struct spool_place place;

    assert_int_equal(spool_find(&bed->spool, id, &place, &bed->err), 1);
    assert_int_equal(place.folder, strcmp(folder, "new") == 0 ? bed->spool.new : bed->spool.cur);
    assert_string_equal(place.name, name);
}

static mode_t mode_of(const struct bed *bed, const char *name)
{
    struct stat status;

    assert_int_equal(stat(support_path(bed->folder, name), &status), 0);
    return status.st_mode & 07777;
}

/* ---- opening ---- */

static void folders_are_made_where_asked_for(void **state)
{
    struct bed *bed = *state;
    const char *path = support_path(bed->folder, "deeper");
    mode_t before = umask(0007);
    size_t open_before = support_open_descriptors();
    struct spool spool;

    assert_int_equal(spool_open(&spool, path, SPOOL_PROCESSOR, &bed->err), 0);
    assert_true(spool.is_open);
    assert_int_equal(support_open_descriptors(), open_before + 4);
    assert_int_equal(mode_of(bed, "deeper"), 0770);
    assert_int_equal(mode_of(bed, "deeper/tmp"), 0770);
    assert_int_equal(mode_of(bed, "deeper/new"), 0770);
    assert_int_equal(mode_of(bed, "deeper/cur"), 0770);
    spool_close(&spool);
    spool_close(&spool); /* once more is fine */
    assert_int_equal(support_open_descriptors(), open_before);
    assert_int_equal(rmdir(support_path(bed->folder, "deeper/new")), 0);
    assert_int_equal(spool_open(&spool, path, SPOOL_PROCESSOR, &bed->err), 0);
    assert_true(exists(bed, "deeper/new"));
    spool_close(&spool);
    (void)umask(before);
}

/* Where messages end is none of its business, and may be closed to it. */
static void the_receiver_does_not_look_into_cur(void **state)
{
    struct bed *bed = *state;
    const char *path = support_path(bed->folder, "deeper");
    size_t open_before = support_open_descriptors();
    struct spool spool;

    assert_int_equal(spool_open(&spool, path, SPOOL_RECEIVER, &bed->err), 0);
    assert_int_equal(spool.cur, -1);
    assert_int_equal(support_open_descriptors(), open_before + 3);
    assert_true(exists(bed, "deeper/cur")); /* it is a Maildir all the same */
    spool_close(&spool);
    assert_int_equal(support_open_descriptors(), open_before);
}

static void missing_folders_are_errors_otherwise(void **state)
{
    struct bed *bed = *state;
    size_t open_before = support_open_descriptors();
    struct spool spool;

    assert_int_equal(spool_open(&spool, support_path(bed->folder, "nowhere"), SPOOL_READER, &bed->err), -1);
    assert_int_equal(bed->err.number, ENOENT);
    assert_false(spool.is_open);
    assert_int_equal(rmdir(support_path(bed->folder, "cur")), 0);
    assert_int_equal(spool_open(&spool, bed->folder, SPOOL_READER, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(bed->err.text, "cur"));
    assert_non_null(strstr(bed->err.text, bed->folder));
    /* Only the last part of the path is made: a wrong path is not papered over. */
    assert_int_equal(spool_open(&spool, support_path(bed->folder, "no/where"), SPOOL_PROCESSOR, &bed->err), -1);
    assert_int_equal(bed->err.number, ENOENT);
    put_file(bed, "cur", "a file");
    assert_int_equal(spool_open(&spool, bed->folder, SPOOL_PROCESSOR, &bed->err), -1);
    assert_int_equal(bed->err.number, ENOTDIR);
    assert_int_equal(support_open_descriptors(), open_before);
    assert_int_equal(unlink(support_path(bed->folder, "cur")), 0);
}

/* A spool that was never opened holds descriptor 0 in its zeroed struct, and must not close it. */
static void closing_a_zeroed_spool_is_harmless(void **state)
{
    struct spool spool = {0};

    (void)state;
    spool_close(&spool);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0 || errno != EBADF);
}

static void a_path_changed_under_us_changes_nothing(void **state)
{
    struct bed *bed = *state;
    const char *moved = support_path(bed->folder, "moved");

    assert_int_equal(mkdir(moved, 0700), 0);
    assert_int_equal(rename(support_path(bed->folder, "new"), support_path(moved, "new")), 0);
    assert_int_equal(mkdir(support_path(bed->folder, "new"), 0700), 0);
    commit(bed, id, "text");
    assert_false(exists(bed, "new/06DK3T9Q2B7XH0VA"));
    assert_true(exists(bed, "moved/new/06DK3T9Q2B7XH0VA"));
    assert_found(bed, "new", id);
}

/* ---- a message comes in ---- */

static void a_message_comes_in(void **state)
{
    struct bed *bed = *state;
    mode_t before = umask(0007);
    int fd = spool_create(&bed->spool, id, &bed->err);

    (void)umask(before);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_APPEND) != 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    assert_int_equal(mode_of(bed, "tmp/06DK3T9Q2B7XH0VA"), 0640);
    assert_int_equal(write(fd, "one", 3), 3);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(write(fd, "two", 3), 3); /* behind it, wherever the position is */
    assert_false(exists(bed, "new/06DK3T9Q2B7XH0VA"));
    assert_int_equal(spool_commit(&bed->spool, id, fd, &bed->err), 0);
    assert_int_equal(close(fd), 0);
    assert_false(exists(bed, "tmp/06DK3T9Q2B7XH0VA"));
    assert_found(bed, "new", id);
    assert_holds(bed, id, "onetwo");
}

static void an_id_in_use_is_refused(void **state)
{
    struct bed *bed = *state;
    int fd = spool_create(&bed->spool, id, &bed->err);

    assert_true(fd >= 0);
    assert_int_equal(spool_create(&bed->spool, id, &bed->err), -1);
    assert_int_equal(bed->err.number, EEXIST);
    assert_int_equal(close(fd), 0);
}

static void a_message_is_never_replaced(void **state)
{
    struct bed *bed = *state;
    int fd;

    commit(bed, id, "first");
    fd = spool_create(&bed->spool, id, &bed->err);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "second", 6), 6);
    assert_int_equal(spool_commit(&bed->spool, id, fd, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_int_equal(bed->err.number, EEXIST);
    assert_int_equal(close(fd), 0);
    assert_holds(bed, id, "first");
}

static void committing_what_is_gone_fails(void **state)
{
    struct bed *bed = *state;
    int fd = spool_create(&bed->spool, id, &bed->err);

    assert_true(fd >= 0);
    spool_discard(&bed->spool, id);
    assert_int_equal(spool_commit(&bed->spool, id, fd, &bed->err), -1);
    assert_int_equal(bed->err.number, ENOENT);
    assert_int_equal(close(fd), 0);
    assert_int_equal(spool_commit(&bed->spool, id, -1, &bed->err), -1); /* not flushed, so not moved */
    assert_int_equal(bed->err.number, EBADF);
}

static void discarding(void **state)
{
    struct bed *bed = *state;
    int fd;

    commit(bed, id, "kept");
    fd = spool_create(&bed->spool, id, &bed->err);
    assert_true(fd >= 0);
    spool_discard(&bed->spool, id);
    assert_false(exists(bed, "tmp/06DK3T9Q2B7XH0VA"));
    spool_discard(&bed->spool, id); /* nothing there is fine */
    assert_int_equal(close(fd), 0);
    assert_holds(bed, id, "kept"); /* what is committed is out of its reach */
}

static void what_nobody_finishes_is_cleared_away(void **state)
{
    static const int64_t now_ms = 1800000000000;
    struct bed *bed = *state;
    const struct timespec old[2] = {{.tv_sec = 1800000000 - 36 * 3600 - 1}, {.tv_sec = 1800000000 - 36 * 3600 - 1}};
    const struct timespec young[2] = {{.tv_sec = 1800000000 - 36 * 3600}, {.tv_sec = 1800000000 - 36 * 3600}};

    assert_int_equal(spool_clear_tmp(&bed->spool, now_ms, &bed->err), 0);
    put_file(bed, "tmp/old", "");
    put_file(bed, "tmp/young", "");
    put_file(bed, "new/message", "");
    assert_int_equal(mkdir(support_path(bed->folder, "tmp/folder"), 0700), 0);
    assert_int_equal(utimensat(bed->spool.tmp, "old", old, 0), 0);
    assert_int_equal(utimensat(bed->spool.tmp, "folder", old, 0), 0);
    assert_int_equal(utimensat(bed->spool.new, "message", old, 0), 0);
    assert_int_equal(utimensat(bed->spool.tmp, "young", young, 0), 0);
    assert_int_equal(spool_clear_tmp(&bed->spool, now_ms, &bed->err), 1);
    assert_false(exists(bed, "tmp/old"));
    assert_true(exists(bed, "tmp/young") && exists(bed, "tmp/folder") && exists(bed, "new/message"));
}

/* ---- finding ---- */

static void what_is_not_there_is_not_found(void **state)
{
    struct bed *bed = *state;
    struct spool_place place;
    int fd = spool_create(&bed->spool, id, &bed->err);

    /* In tmp/ it is no message yet. */
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(spool_find(&bed->spool, id, &place, &bed->err), 0);
    assert_int_equal(spool_open_message(&bed->spool, id, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_non_null(strstr(bed->err.text, id));
    assert_int_equal(spool_finish(&bed->spool, id, 'S', &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
}

static void a_mail_reader_changes_flags(void **state)
{
    static const char *const names[] = {":2,",       ":2,S", ":2,F", ":2,RS",   ":2,FST",
                                        ":2,DFPRST", "",     ":1,x", ":2,abcde"};
    struct bed *bed = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[SPOOL_NAME_SIZE];
        char path[SPOOL_NAME_SIZE + 8];

        snprintf(name, sizeof name, "%s%s", id, names[i]);
        snprintf(path, sizeof path, "cur/%s", name);
        put_file(bed, path, "text");
        assert_found(bed, "cur", name);
        assert_holds(bed, id, "text");
        assert_int_equal(unlink(support_path(bed->folder, path)), 0);
    }
}

static void names_that_only_look_alike_are_passed_over(void **state)
{
    struct bed *bed = *state;
    struct spool_place place;

    put_file(bed, "cur/06DK3T9Q2B7XH0VAX:2,S", "");
    put_file(bed, "cur/06DK3T9Q2B7XH0VA.swp", "");
    put_file(bed, "cur/.06DK3T9Q2B7XH0VA:2,S", "");
    put_file(bed, "cur/06DK3T9Q2B7XH0V", "");
    put_file(bed, "cur/06DK3T9Q2B7XH0VB:2,S", "");
    put_file(bed, "new/06DK3T9Q2B7XH0VA:2,S", "");
    assert_int_equal(spool_find(&bed->spool, id, &place, &bed->err), 0);
    /* A name too long for us, as flags without end would make it, is not cut to another one. */
    put_file(bed, "cur/06DK3T9Q2B7XH0VA:2,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
             "");
    assert_int_equal(spool_find(&bed->spool, id, &place, &bed->err), 0);
}

/* Put there by another member of the group: a link points at no message, and a pipe would keep us waiting. */
static void only_a_regular_file_is_a_message(void **state)
{
    struct bed *bed = *state;
    const char *path = support_path(bed->folder, "new/06DK3T9Q2B7XH0VA");

    commit(bed, other, "text");
    put_file(bed, "secret", "not a message");
    assert_int_equal(symlink("../secret", path), 0);
    assert_int_equal(spool_open_message(&bed->spool, id, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(spool_open_message(&bed->spool, id, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_non_null(strstr(bed->err.text, "not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(spool_open_message(&bed->spool, id, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_holds(bed, other, "text");
}

/* ---- a message has ended ---- */

static void a_finished_message_moves_to_cur(void **state)
{
    struct bed *bed = *state;

    commit(bed, id, "text");
    commit(bed, other, "other");
    assert_int_equal(spool_finish(&bed->spool, id, 'S', &bed->err), 0);
    assert_found(bed, "cur", "06DK3T9Q2B7XH0VA:2,S");
    assert_false(exists(bed, "new/06DK3T9Q2B7XH0VA"));
    assert_true(exists(bed, "new/06DK3T9Q2B7XH0VB"));
    assert_holds(bed, id, "text");
    assert_int_equal(spool_finish(&bed->spool, id, 'S', &bed->err), 0); /* again: fine */
    assert_found(bed, "cur", "06DK3T9Q2B7XH0VA:2,S");
    assert_int_equal(spool_finish(&bed->spool, id, 'F', &bed->err), 0); /* after a replay that failed */
    assert_found(bed, "cur", "06DK3T9Q2B7XH0VA:2,F");
    assert_int_equal(spool_finish(&bed->spool, id, 0, &bed->err), 0);
    assert_found(bed, "cur", "06DK3T9Q2B7XH0VA:2,");
    assert_holds(bed, id, "text");
}

static void a_message_whose_flags_changed_is_finished_too(void **state)
{
    struct bed *bed = *state;

    put_file(bed, "cur/06DK3T9Q2B7XH0VA:2,RST", "text");
    assert_int_equal(spool_finish(&bed->spool, id, 'F', &bed->err), 0);
    assert_found(bed, "cur", "06DK3T9Q2B7XH0VA:2,F");
    assert_false(exists(bed, "cur/06DK3T9Q2B7XH0VA:2,RST"));
}

/* ---- walking ---- */

struct walk {
    unsigned seen;
    unsigned stop_after;
    bool strange;
};

static int visit(void *context, const char *name, struct err *err)
{
    struct walk *walk = context;

    if (strlen(name) != ID_LENGTH || strncmp(name, "06DK3T9Q2B7XH0", 14) != 0)
        walk->strange = true;
    errno = EIO; /* what a visit leaves there is not the walk's */
    if (++walk->seen == walk->stop_after)
        return err_set(err, ERR_PROTOCOL, "enough");
    return 0;
}

static void each_file_in_new_is_visited(void **state)
{
    struct bed *bed = *state;
    struct walk walk = {0};

    assert_int_equal(spool_each_new(&bed->spool, visit, &walk, &bed->err), 0);
    assert_int_equal(walk.seen, 0);
    for (int i = 0; i < 300; i++) {
        char path[32];

        snprintf(path, sizeof path, "new/06DK3T9Q2B7XH0%02X", (unsigned)i % 256);
        put_file(bed, path, "");
    }
    put_file(bed, "new/.hidden", "");
    put_file(bed, "cur/06DK3T9Q2B7XH0VA:2,S", "");
    assert_int_equal(spool_each_new(&bed->spool, visit, &walk, &bed->err), 0);
    assert_int_equal(walk.seen, 256);
    assert_false(walk.strange);
    walk.seen = 0;
    assert_int_equal(spool_each_new(&bed->spool, visit, &walk, &bed->err), 0); /* a walk begins at the start */
    assert_int_equal(walk.seen, 256);
}

static void a_visit_can_end_the_walk(void **state)
{
    struct bed *bed = *state;
    struct walk walk = {.stop_after = 2};
    size_t open_before = support_open_descriptors();

    put_file(bed, "new/06DK3T9Q2B7XH001", "");
    put_file(bed, "new/06DK3T9Q2B7XH002", "");
    put_file(bed, "new/06DK3T9Q2B7XH003", "");
    assert_int_equal(spool_each_new(&bed->spool, visit, &walk, &bed->err), -1);
    assert_string_equal(bed->err.text, "enough");
    assert_int_equal(walk.seen, 2);
    assert_int_equal(support_open_descriptors(), open_before);
}

/* ---- a disk that fails ---- */

/* In a child, every reading of a folder fails as on a broken disk. Ends with the number of the first surprise. */
static int find_on_a_broken_disk(void *context)
{
    struct bed *bed = context;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct spool_place place;
    struct walk walk = {0};

    if (filter == NULL || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(getdents64), 0) != 0 ||
        seccomp_load(filter) != 0)
        return 1;
    seccomp_release(filter);
    if (spool_find(&bed->spool, id, &place, &bed->err) != -1 || bed->err.number != EIO)
        return 2;
    if (spool_open_message(&bed->spool, id, &bed->err) != -1 || bed->err.kind != ERR_TEMPORARY)
        return 3;
    if (spool_each_new(&bed->spool, visit, &walk, &bed->err) != -1 || bed->err.number != EIO)
        return 4;
    return 0;
}

/* "Not there" would be for good, and the message given up. */
static void a_folder_that_cannot_be_read_is_not_empty(void **state)
{
    if (support_under_valgrind())
        skip();
    put_file(*state, "cur/06DK3T9Q2B7XH0VA:2,RS", "");
    assert_true(support_exited(support_run_child(find_on_a_broken_disk, *state), 0));
}

/* ---- waking ---- */

static void a_wake_is_an_event(void **state)
{
    struct bed *bed = *state;
    union {
        struct inotify_event event;
        char bytes[4096];
    } events;
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, support_path(bed->folder, "new"), IN_MOVED_TO | IN_ATTRIB) >= 0);
    assert_int_equal(read(watch, events.bytes, sizeof events), -1);
    assert_int_equal(spool_wake(&bed->spool, &bed->err), 0);
    assert_true(read(watch, events.bytes, sizeof events) >= (ssize_t)sizeof events.event);
    assert_true((events.event.mask & IN_ATTRIB) != 0);
    commit(bed, id, "text");
    assert_true(read(watch, events.bytes, sizeof events) >= (ssize_t)sizeof events.event);
    assert_true((events.event.mask & IN_MOVED_TO) != 0);
    assert_string_equal(events.event.name, id);
    assert_int_equal(close(watch), 0);
}

static void waking_a_folder_that_is_gone_fails(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(rmdir(support_path(bed->folder, "new")), 0);
    assert_int_equal(spool_wake(&bed->spool, &bed->err), -1);
    assert_int_equal(bed->err.number, ENOENT);
}

#define IN_A_SPOOL(test) cmocka_unit_test_setup_teardown(test, open_spool, remove_spool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SPOOL(folders_are_made_where_asked_for),
        IN_A_SPOOL(the_receiver_does_not_look_into_cur),
        IN_A_SPOOL(missing_folders_are_errors_otherwise),
        cmocka_unit_test(closing_a_zeroed_spool_is_harmless),
        IN_A_SPOOL(a_path_changed_under_us_changes_nothing),
        IN_A_SPOOL(a_message_comes_in),
        IN_A_SPOOL(an_id_in_use_is_refused),
        IN_A_SPOOL(a_message_is_never_replaced),
        IN_A_SPOOL(committing_what_is_gone_fails),
        IN_A_SPOOL(discarding),
        IN_A_SPOOL(what_nobody_finishes_is_cleared_away),
        IN_A_SPOOL(what_is_not_there_is_not_found),
        IN_A_SPOOL(a_mail_reader_changes_flags),
        IN_A_SPOOL(names_that_only_look_alike_are_passed_over),
        IN_A_SPOOL(only_a_regular_file_is_a_message),
        IN_A_SPOOL(a_finished_message_moves_to_cur),
        IN_A_SPOOL(a_message_whose_flags_changed_is_finished_too),
        IN_A_SPOOL(each_file_in_new_is_visited),
        IN_A_SPOOL(a_visit_can_end_the_walk),
        IN_A_SPOOL(a_folder_that_cannot_be_read_is_not_empty),
        IN_A_SPOOL(a_wake_is_an_event),
        IN_A_SPOOL(waking_a_folder_that_is_gone_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
