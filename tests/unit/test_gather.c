/* Several transactions as steps of one: index_gather. */
#include "tests/unit/bed.h"

#include "processor/ledger.h"

static int open_gathering(void **state)
{
    struct bed *bed;

    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    return index_gather(&bed->index, &bed->err);
}

static int queue(struct bed *bed, unsigned number)
{
    struct envelope envelope = bed_envelope(bed_id(number), "a@example.com", NULL);
    int status = ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", 1000, &bed->err);

    envelope_free(&envelope);
    return status;
}

/* What another process sees: only what is committed. */
static int64_t seen(const struct bed *bed)
{
    struct index other;
    struct query query;
    struct err err;
    int64_t count = -1;

    assert_int_equal(index_open(&other, bed->index.path, INDEX_READER, &err), 0);
    if (query_start(&query, &other, STATEMENT_COMMAND_MESSAGE_COUNTS, &err) == 0 && query_next(&query, &err) == 1)
        count = query_column_number(&query, 0);
    query_end(&query);
    index_close(&other);
    return count;
}

static void steps_are_seen_together(void **state)
{
    struct bed *bed = *state;

    assert_false(index_has_gathered(&bed->index));
    bed_ok(bed, queue(bed, 1));
    bed_ok(bed, queue(bed, 2));
    assert_true(index_has_gathered(&bed->index));
    assert_int_equal(seen(bed), 0);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_false(index_has_gathered(&bed->index));
    assert_int_equal(seen(bed), 2);
    bed_ok(bed, index_settle(&bed->index, &bed->err)); /* nothing is fine */
}

static void a_step_is_undone_alone(void **state)
{
    struct bed *bed = *state;

    bed_ok(bed, queue(bed, 1));
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, ledger_message_ended(&bed->index, bed_id(1), 2000, &bed->err));
    (void)sqlite3_exec(bed->index.db, "DELETE FROM message", NULL, NULL, NULL);
    index_rollback(&bed->index);
    bed_ok(bed, queue(bed, 2));
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(seen(bed), 2);
}

/* Somebody else writes: it is waited for once, and not by each step. */
static void a_lock_spoils_the_turn(void **state)
{
    struct bed *bed = *state;
    struct index other;

    bed_ok(bed, index_open(&other, bed->index.path, INDEX_RECEIVER, &bed->err));
    (void)sqlite3_busy_timeout(bed->index.db, 0);
    bed_ok(bed, index_begin(&other, &bed->err));
    assert_int_equal(queue(bed, 1), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(bed->err.text, "locked"));
    index_rollback(&other);
    assert_int_equal(queue(bed, 1), -1);
    assert_non_null(strstr(bed->err.text, "an earlier change failed"));
    assert_true(index_has_gathered(&bed->index));
    assert_int_equal(index_settle(&bed->index, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    bed_ok(bed, queue(bed, 1));
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(seen(bed), 1);
    index_close(&other);
}

/* As after a full disk: no later step may be written without the earlier ones. */
static void what_sqlite_rolled_back_spoils_the_turn(void **state)
{
    struct bed *bed = *state;

    bed_ok(bed, queue(bed, 1));
    (void)sqlite3_exec(bed->index.db, "ROLLBACK", NULL, NULL, NULL);
    assert_int_equal(queue(bed, 2), -1);
    assert_true(index_has_gathered(&bed->index));
    assert_int_equal(index_settle(&bed->index, &bed->err), -1);
    assert_int_equal(seen(bed), 0);
    bed_ok(bed, queue(bed, 3));
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(seen(bed), 1);
}

/* What was committed is made even where it could not be flushed. */
static void a_flush_that_fails_is_told(void **state)
{
    struct bed *bed = *state;

    bed_ok(bed, queue(bed, 1));
    index_must_last(&bed->index);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    (void)close(bed->index.wal);
    bed->index.wal = -1;
    bed_ok(bed, queue(bed, 2));
    bed_ok(bed, index_settle(&bed->index, &bed->err)); /* a start need not be */
    bed_ok(bed, queue(bed, 3));
    index_must_last(&bed->index);
    assert_int_equal(index_settle(&bed->index, &bed->err), 1);
    assert_non_null(strstr(bed->err.text, "-wal"));
    assert_int_equal(seen(bed), 3);
}

/* Within a step, too. */
static void a_step_that_is_rolled_back_is_not_kept(void **state)
{
    struct bed *bed = *state;

    bed_ok(bed, queue(bed, 1));
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    (void)sqlite3_exec(bed->index.db, "ROLLBACK", NULL, NULL, NULL);
    assert_int_equal(index_commit(&bed->index, &bed->err), -1);
    index_rollback(&bed->index);
    assert_int_equal(index_settle(&bed->index, &bed->err), -1);
    assert_int_equal(seen(bed), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_gathering, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps_are_seen_together),
        TEST(a_step_is_undone_alone),
        TEST(a_lock_spoils_the_turn),
        TEST(a_flush_that_fails_is_told),
        TEST(what_sqlite_rolled_back_spoils_the_turn),
        TEST(a_step_that_is_rolled_back_is_not_kept),
    };

    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
