#include "tests/unit/bed.h"

#include <stdlib.h>
#include <sys/file.h>

#include "processor/rejections.h"

static void open_rejections(struct rejections *rejections, struct bed *bed)
{
    rejections_open(rejections, &bed->index);
    assert_true(rejections->watch >= 0);
}

static void append(const struct rejections *rejections, struct bed *bed, int64_t time_ms)
{
    const struct rejection rejection = {.time_ms = time_ms,
                                        .client = SPAN("192.0.2.1"),
                                        .helo = SPAN("client.example.org"),
                                        .sender = SPAN("asker@example.org"),
                                        .recipient = SPAN("nobody@example.com"),
                                        .reply = SPAN("550 5.1.1 no")};

    bed_ok(bed, rejection_append(&rejections->paths, &rejection, &bed->err));
}

/* Puts these bytes into the journal. */
static void put(const struct rejections *rejections, struct span bytes)
{
    int fd = open(rejections->paths.journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
    (void)close(fd);
}

/* Lines with the times 1 to `count`, made at once. */
static void put_many(const struct rejections *rejections, unsigned count)
{
    size_t capacity = (size_t)count * 40 + 1;
    char *storage = malloc(capacity);
    struct buf lines = buf_over(storage, capacity);

    for (unsigned i = 1; i <= count; i++)
        buf_printf(&lines, "R\t%u\t192.0.2.1\th\ts\tr\t550 no\n", i);
    assert_false(lines.overflowed);
    put(rejections, buf_span(&lines));
    free(storage);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* What a loop that sleeps until due_ms does, at once; ends when nothing is due. Gives the turns it took. */
static unsigned run(struct rejections *rejections, int64_t *now_ms)
{
    unsigned turns = 0;

    while (rejections->due_ms != INT64_MAX && !rejections->in_trouble) {
        *now_ms = rejections->due_ms > *now_ms ? rejections->due_ms : *now_ms;
        rejections_continue(rejections, *now_ms);
        assert_true(++turns < 1000);
    }
    return turns;
}

static void they_get_into_the_index(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;

    open_rejections(&rejections, bed);
    assert_int_equal(run(&rejections, &now_ms), 1);
    append(&rejections, bed, 1769903999123);
    rejections_wake(&rejections, now_ms);
    assert_int_equal(rejections.due_ms, now_ms + REJECTIONS_DELAY_MS);
    rejections_continue(&rejections, now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), 0);
    (void)run(&rejections, &now_ms);
    assert_string_equal(
        bed_text(bed, "SELECT time || ' ' || client_address || ' ' || client_helo || ' ' || sender || ' ' || "
                      "recipient || ' ' || reply FROM rejections"),
        "2026-01-31T23:59:59.123Z 192.0.2.1 client.example.org asker@example.org nobody@example.com "
        "550 5.1.1 no");
    assert_false(exists(rejections.paths.taken) || exists(rejections.paths.journal));
    assert_string_equal(bed->log, "");
    rejections_close(&rejections);
}

/* A flood in between two turns is one waking, and what comes while a journal is in hand is another. */
static void a_flood_is_one_waking(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;

    open_rejections(&rejections, bed);
    (void)run(&rejections, &now_ms);
    for (int i = 0; i < 100; i++) {
        append(&rejections, bed, i);
        rejections_wake(&rejections, now_ms + i);
    }
    assert_int_equal(rejections.due_ms, now_ms + REJECTIONS_DELAY_MS);
    assert_int_equal(run(&rejections, &now_ms), 2);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), 100);
    append(&rejections, bed, 1);
    rejections_wake(&rejections, now_ms);
    (void)run(&rejections, &now_ms);
    assert_int_equal(bed_number(bed, "SELECT max(id) FROM rejection"), 101);
    rejections_close(&rejections);
}

static void the_newest_are_kept(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;

    open_rejections(&rejections, bed);
    put_many(&rejections, REJECTIONS_KEPT + 2500);
    (void)run(&rejections, &now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), REJECTIONS_KEPT);
    assert_int_equal(bed_number(bed, "SELECT min(rejected_ms) FROM rejection"), 2501);
    put_many(&rejections, 10);
    rejections.due_ms = 0;
    (void)run(&rejections, &now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), REJECTIONS_KEPT);
    assert_int_equal(bed_number(bed, "SELECT min(rejected_ms) FROM rejection"), 1);
    assert_int_equal(bed_number(bed, "SELECT max(id) FROM rejection"), REJECTIONS_KEPT + 2510);
    assert_string_equal(bed->log, "");
    rejections_close(&rejections);
}

/* Between any two of its turns: each line is in the index once in the end. */
static void an_interrupted_one_is_finished(void **state)
{
    struct bed *bed = *state;

    for (unsigned turns = 0; turns <= 5; turns++) {
        struct rejections rejections;
        int64_t now_ms = 5000;
        int64_t before = bed_number(bed, "SELECT count(*) FROM rejection");

        open_rejections(&rejections, bed);
        put_many(&rejections, 3500);
        for (unsigned i = 0; i < turns; i++)
            rejections_continue(&rejections, now_ms);
        rejections_close(&rejections);
        append(&rejections, bed, 77777);
        open_rejections(&rejections, bed);
        (void)run(&rejections, &now_ms);
        assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection") - before, 3501);
        assert_int_equal(bed_number(bed, "SELECT max(n) - min(n) FROM (SELECT count(*) AS n FROM rejection WHERE "
                                         "rejected_ms < 77777 GROUP BY rejected_ms)"),
                         0);
        assert_false(exists(rejections.paths.taken) || exists(rejections.paths.journal));
        rejections_close(&rejections);
    }
    assert_string_equal(bed->log, "");
}

static void damaged_lines_are_left_out_and_named(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;

    open_rejections(&rejections, bed);
    put(&rejections, SPAN("R\t1\tx\th\ts\tr\t550 no\nR\t2\tx\thR\t3\tx\th\ts\tr\t550 no\n\0\0\0\0\nR\t4\tx\th\ts\tr\t"
                          "550 no\nR\t5\tx\th"));
    (void)run(&rejections, &now_ms);
    assert_string_equal(bed_text(bed, "SELECT group_concat(rejected_ms) FROM rejection"), "1,4");
    assert_non_null(strstr(bed->log, "index.db-rejections: 3 damaged lines left out\n"));
    assert_null(strchr(strchr(bed->log, '\n') + 1, '\n'));
    rejections_close(&rejections);
}

/* No line of ours is as long as what is read in one go; nor may one such stop all others. */
static void rubbish_without_an_end_is_passed_by(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;
    char *rubbish = malloc(1000000);

    open_rejections(&rejections, bed);
    memset(rubbish, 'x', 1000000);
    put(&rejections, SPAN("R\t1\tx\th\ts\tr\t550 no\n"));
    put(&rejections, (struct span){rubbish, 1000000});
    put(&rejections, SPAN("\nR\t2\tx\th\ts\tr\t550 no\n"));
    free(rubbish);
    (void)run(&rejections, &now_ms);
    assert_string_equal(bed_text(bed, "SELECT group_concat(rejected_ms) FROM rejection"), "1,2");
    rejections_close(&rejections);
}

/* A writer that was stopped in the middle of its line. */
static void who_still_writes_is_waited_for(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;
    int writer;

    open_rejections(&rejections, bed);
    append(&rejections, bed, 1);
    writer = open(rejections.paths.journal, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(flock(writer, LOCK_SH), 0);
    rejections_continue(&rejections, now_ms);
    assert_int_equal(rejections.due_ms, now_ms + REJECTIONS_DELAY_MS);
    assert_int_equal(write(writer, "R\t2\tx\th\ts\tr\t550 no\n", 19), 19);
    (void)close(writer);
    (void)run(&rejections, &now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), 2);
    assert_string_equal(bed->log, "");
    rejections_close(&rejections);
}

static void trouble_is_said_once_and_tried_again(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;

    open_rejections(&rejections, bed);
    assert_int_equal(mkdir(rejections.paths.taken, 0700), 0);
    append(&rejections, bed, 1);
    rejections_continue(&rejections, now_ms);
    assert_non_null(strstr(bed->log, "rejections wait for their place in the history: "));
    assert_int_equal(rejections.due_ms, now_ms + REJECTIONS_PAUSE_MS);
    rejections_continue(&rejections, now_ms + REJECTIONS_PAUSE_MS);
    assert_null(strchr(strchr(bed->log, '\n') + 1, '\n'));
    assert_int_equal(rmdir(rejections.paths.taken), 0);
    rejections_continue(&rejections, now_ms + 2 * REJECTIONS_PAUSE_MS);
    assert_false(rejections.in_trouble);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), 1);
    rejections_close(&rejections);
}

static void a_clock_set_back_holds_none_up(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 3600 * 1000;

    open_rejections(&rejections, bed);
    (void)run(&rejections, &now_ms);
    rejections_hurry(&rejections); /* with none to come */
    assert_int_equal(rejections.due_ms, INT64_MAX);
    append(&rejections, bed, 1);
    rejections_wake(&rejections, now_ms);
    rejections_hurry(&rejections);
    now_ms = 1;
    rejections_continue(&rejections, now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), 1);
    rejections_close(&rejections);
}

/* The journal stays until what was made of it is safe on the disk. */
static void they_are_on_the_disk_before_their_journal_goes(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    int64_t now_ms = 5000;
    int wal;

    bed_ok(bed, index_gather(&bed->index, &bed->err));
    open_rejections(&rejections, bed);
    (void)run(&rejections, &now_ms);
    put_many(&rejections, REJECTIONS_BATCH + 1);
    rejections.due_ms = 0;
    wal = bed->index.wal;
    bed->index.wal = -1; /* it can't be flushed */
    (void)run(&rejections, &now_ms);
    assert_true(rejections.in_trouble);
    assert_non_null(strstr(bed->log, "flushing"));
    assert_true(exists(rejections.paths.taken));
    bed->index.wal = wal;
    rejections.in_trouble = false;
    (void)run(&rejections, &now_ms);
    assert_false(exists(rejections.paths.taken));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM rejection"), REJECTIONS_BATCH + 1);
    assert_int_equal(bed_number(bed, "SELECT sum(count) FROM refusal"), REJECTIONS_BATCH + 1);
    rejections_close(&rejections);
}

/* Their trouble is theirs: the next turn begins with nothing gathered, and finds nobody's lock. */
static void trouble_stays_out_of_the_next_turn(void **state)
{
    struct bed *bed = *state;
    struct rejections rejections;
    struct index other;
    int64_t now_ms = 5000;

    bed_ok(bed, index_gather(&bed->index, &bed->err));
    (void)sqlite3_busy_timeout(bed->index.db, 0);
    bed_ok(bed, index_open(&other, bed->index.path, INDEX_RECEIVER, &bed->err));
    open_rejections(&rejections, bed);
    put_many(&rejections, 1);
    bed_ok(bed, index_begin(&other, &bed->err));
    rejections_continue(&rejections, now_ms);
    assert_non_null(strstr(bed->log, "locked"));
    assert_false(index_has_gathered(&bed->index));
    index_rollback(&other);
    (void)sqlite3_exec(bed->index.db,
                       "CREATE TEMP TRIGGER no BEFORE INSERT ON main.rejection BEGIN SELECT raise(ABORT, 'no'); END",
                       NULL, NULL, NULL);
    rejections.in_trouble = false;
    rejections.due_ms = 0;
    rejections_continue(&rejections, now_ms);
    assert_true(rejections.in_trouble);
    assert_false(index_has_gathered(&bed->index));
    bed_ok(bed, index_begin(&other, &bed->err));
    index_rollback(&other);
    index_close(&other);
    rejections_close(&rejections);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, bed_make, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_get_into_the_index),
        TEST(a_flood_is_one_waking),
        TEST(the_newest_are_kept),
        TEST(an_interrupted_one_is_finished),
        TEST(damaged_lines_are_left_out_and_named),
        TEST(rubbish_without_an_end_is_passed_by),
        TEST(who_still_writes_is_waited_for),
        TEST(trouble_is_said_once_and_tried_again),
        TEST(a_clock_set_back_holds_none_up),
        TEST(they_are_on_the_disk_before_their_journal_goes),
        TEST(trouble_stays_out_of_the_next_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
