#include "tests/unit/bed.h"

#include <sys/inotify.h>

#include "processor/watch.h"

static struct watch watch;
static struct watch_batch batch;

static int open_watch(void **state)
{
    struct bed *bed;

    batch.at = batch.size = 0;
    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    return watch_open(&watch, &bed->spool, &bed->err);
}

static int close_watch(void **state)
{
    watch_close(&watch);
    watch_close(&watch);
    return bed_remove(state);
}

static enum watch_event next(struct bed *bed, const char **name)
{
    *name = "";
    if (batch.at >= batch.size)
        bed_ok(bed, watch_read(&watch, &batch, &bed->err));
    return watch_next(&batch, name);
}

static void nothing_is_no_event(void **state)
{
    const char *name;

    assert_int_equal(next(*state, &name), WATCH_NONE);
}

/* Twice, as its writer closes it once it is there; the second time finds nothing to do. */
static void a_file_moved_in_is_named(void **state)
{
    struct bed *bed = *state;
    const char *name;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    (void)bed_put_message(bed, bed_id(2), "a@example.com", NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(next(bed, &name), i % 2 == 0 ? WATCH_FILE : WATCH_CLOSED);
        assert_string_equal(name, bed_id(1 + i / 2));
    }
    assert_int_equal(watch_next(&batch, &name), WATCH_NONE);
    assert_int_equal(next(bed, &name), WATCH_NONE);
}

/* Once it is whole, that is closed, and not before. */
static void a_file_written_there_is_named_when_it_is_closed(void **state)
{
    struct bed *bed = *state;
    const char *name;
    int fd = openat(bed->spool.new, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(next(bed, &name), WATCH_NONE);
    assert_int_equal(close(fd), 0);
    assert_int_equal(next(bed, &name), WATCH_CLOSED);
    assert_string_equal(name, "file");
}

static void a_touch_of_the_folder_wakes(void **state)
{
    struct bed *bed = *state;
    const char *name;

    bed_ok(bed, spool_wake(&bed->spool, &bed->err));
    assert_int_equal(next(bed, &name), WATCH_WAKE);
    assert_int_equal(next(bed, &name), WATCH_NONE);
}

static void what_does_not_matter_is_passed_over(void **state)
{
    struct bed *bed = *state;
    const char *name;
    int fd = openat(bed->spool.new, ".hidden", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(close(fd), 0);
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    assert_int_equal(next(bed, &name), WATCH_FILE);
    assert_string_equal(name, bed_id(1));
    assert_int_equal(next(bed, &name), WATCH_CLOSED);
    assert_int_equal(next(bed, &name), WATCH_NONE);
    assert_int_equal(chmod(support_path(bed->folder, "new/.hidden"), 0400), 0);
    assert_int_equal(chmod(support_path(bed->folder, "new/1KADPTED00000001"), 0400), 0);
    bed_ok(bed, spool_finish(&bed->spool, bed_id(1), 'S', &bed->err));
    assert_int_equal(next(bed, &name), WATCH_NONE);
}

/* At least once, whatever comes besides. */
static void assert_gone(struct bed *bed)
{
    enum watch_event event;
    const char *name;
    bool gone = false;

    while ((event = next(bed, &name)) != WATCH_NONE)
        gone |= event == WATCH_GONE;
    assert_true(gone);
}

static void a_folder_that_is_removed_is_gone(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(rmdir(support_path(bed->folder, "new")), 0);
    assert_gone(bed);
}

static void a_folder_that_is_moved_is_gone(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(rename(support_path(bed->folder, "new"), support_path(bed->folder, "old")), 0);
    assert_gone(bed);
}

static void what_happens_beside_the_folder_does_not_matter(void **state)
{
    struct bed *bed = *state;
    const char *name;

    assert_int_equal(rename(support_path(bed->folder, "index.db"), support_path(bed->folder, "other")), 0);
    assert_int_equal(unlink(support_path(bed->folder, "other")), 0);
    assert_int_equal(next(bed, &name), WATCH_NONE);
}

/* The kernel says so in an event without a name; we can't have it drop some here. */
static void lost_events_are_told(void **state)
{
    const struct inotify_event overflow = {.wd = -1, .mask = IN_Q_OVERFLOW};
    const char *name;

    (void)state;
    memcpy(batch.bytes, &overflow, sizeof overflow);
    batch.at = 0;
    batch.size = sizeof overflow;
    assert_int_equal(watch_next(&batch, &name), WATCH_LOST);
    assert_int_equal(watch_next(&batch, &name), WATCH_NONE);
}

static void more_than_a_batch_comes_in_batches(void **state)
{
    struct bed *bed = *state;
    unsigned count = 0;
    const char *name;

    for (unsigned i = 0; i < 1000; i++) {
        int fd = openat(bed->spool.new, bed_id(i), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(close(fd), 0);
    }
    while (next(bed, &name) == WATCH_CLOSED)
        assert_string_equal(name, bed_id(count++));
    assert_int_equal(count, 1000);
}

static void a_missing_folder_is_an_error(void **state)
{
    struct spool spool = {.path = support_path(*state, "missing")};
    struct watch other;
    struct err err = {0};

    assert_int_equal(watch_open(&other, &spool, &err), -1);
    assert_int_equal(other.fd, -1);
    assert_non_null(strstr(err.text, "missing/new"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_watch, close_watch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_no_event),
        TEST(a_file_moved_in_is_named),
        TEST(a_file_written_there_is_named_when_it_is_closed),
        TEST(a_touch_of_the_folder_wakes),
        TEST(what_does_not_matter_is_passed_over),
        TEST(a_folder_that_is_removed_is_gone),
        TEST(a_folder_that_is_moved_is_gone),
        TEST(what_happens_beside_the_folder_does_not_matter),
        TEST(lost_events_are_told),
        TEST(more_than_a_batch_comes_in_batches),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_an_error, support_make_folder, support_remove_folder),
    };

    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
