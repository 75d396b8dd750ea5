/* What is kept, for how long, and what never goes. */
#include "tests/unit/bed.h"

#include <stdlib.h>

#include "processor/filing.h"
#include "processor/ledger.h"
#include "processor/ledger_change.h"
#include "processor/retention.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static struct outbox outbox;
static struct filing filing;

static struct retention start(struct bed *bed)
{
    bed_ok(bed, outbox_open(&outbox, &bed->spool, &bed->index, &bed->err));
    filing = (struct filing){.index = &bed->index, .spool = &bed->spool, .outbox = &outbox};
    return (struct retention){
        .config = &bed->config, .index = &bed->index, .spool = &bed->spool, .filing = &filing, .day_ms = INT64_MAX};
}

/* Until there is nothing more to do at that time. */
static void run(struct retention *retention, int64_t now_ms)
{
    retention->next_ms = 0;
    for (int i = 0; i < 100; i++) {
        int64_t before_ms = retention->next_ms;

        retention_continue(retention, now_ms);
        if (retention->next_ms != now_ms + RETENTION_PAUSE_MS)
            return;
        retention->next_ms = before_ms;
    }
    fail_msg("it finds something to do for ever");
}

static void queue(struct bed *bed, const char *id, const char *recipient, uint64_t size)
{
    struct envelope envelope = bed_envelope(id, recipient, NULL);

    (void)bed_put_message(bed, id, recipient, NULL);
    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, size, NULL, "", 1000, &bed->err));
    envelope_free(&envelope);
}

/* A message whose handler ended so at that time, filed away. */
static void put(struct bed *bed, const char *id, enum state state, uint64_t size, int64_t ended_ms)
{
    const struct ledger_end how = {.state = state, .due_ms = ended_ms, .detail = ""};
    struct delivery delivery;
    int64_t number;
    bool ended;

    queue(bed, id, "a@example.com", size);
    assert_int_equal(ledger_due(&bed->index, "a@example.com", "x", 1000, &number, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, number, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, ended_ms, &bed->err));
    bed_ok(bed, filing_message(&bed->index, &bed->spool, id, ended_ms, &ended, &bed->err));
}

static bool has(struct bed *bed, unsigned number)
{
    struct spool_place place;
    int found = spool_find(&bed->spool, bed_id(number), &place, &bed->err);

    assert_true(found >= 0);
    return found == 1;
}

static int64_t bytes(struct bed *bed, const char *kind)
{
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT bytes FROM store WHERE stored = '%s'", kind);
    return bed_number(bed, sql);
}

static void each_kind_has_its_time(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);
    bool ended;

    bed->config.keep_done_ms = 10000;
    bed->config.keep_dead_ms = 50000;
    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    put(bed, bed_id(2), STATE_DONE, 100, 101000);
    put(bed, bed_id(3), STATE_DEAD, 100, 100000);
    put(bed, bed_id(4), STATE_RETRY, 100, 100000);
    queue(bed, bed_id(5), "kept@example.com", 100);
    bed_ok(bed, filing_message(&bed->index, &bed->spool, bed_id(5), 100000, &ended, &bed->err));
    run(&retention, 109999);
    assert_true(has(bed, 1));
    run(&retention, 110000);
    assert_false(has(bed, 1));
    assert_true(has(bed, 2) && has(bed, 3) && has(bed, 4) && has(bed, 5));
    assert_int_equal(bed_number(bed, "SELECT gone_ms FROM message WHERE id LIKE '%1'"), 110000);
    run(&retention, 150000);
    assert_false(has(bed, 2) || has(bed, 3));
    run(&retention, INT64_MAX / 2);
    assert_true(has(bed, 4) && has(bed, 5));
    assert_int_equal(bytes(bed, "done") + bytes(bed, "dead"), 0);
    assert_int_equal(bytes(bed, "kept"), 100);
}

static void the_dead_stay_by_default(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    bed->config.keep_size = 0;
    put(bed, bed_id(1), STATE_DEAD, 1000, 100000);
    run(&retention, 100000 + 400 * (int64_t)DAY_MS);
    assert_true(has(bed, 1));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 1);
}

static void the_oldest_go_when_there_is_too_much(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    bed->config.keep_size = 250;
    for (unsigned i = 1; i <= 4; i++)
        put(bed, bed_id(i), STATE_DONE, 100, 100000 + (int64_t)i);
    assert_int_equal(bytes(bed, "done"), 400);
    run(&retention, 100010);
    assert_false(has(bed, 1) || has(bed, 2));
    assert_true(has(bed, 3) && has(bed, 4));
    assert_int_equal(bytes(bed, "done"), 200);
}

static void flags_of_a_mail_reader_do_not_hide_it(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    put(bed, bed_id(2), STATE_DONE, 100, 100000);
    put(bed, bed_id(3), STATE_DONE, 100, 100000);
    assert_int_equal(renameat(bed->spool.cur, "1KADPTED00000001:2,S", bed->spool.cur, "1KADPTED00000001:2,FRS"), 0);
    assert_int_equal(renameat(bed->spool.cur, "1KADPTED00000002:2,S", bed->spool.cur, "1KADPTED00000002:2,T"), 0);
    assert_int_equal(unlinkat(bed->spool.cur, "1KADPTED00000003:2,S", 0), 0);
    run(&retention, 100000 + 31 * (int64_t)DAY_MS);
    assert_false(has(bed, 1) || has(bed, 2));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE gone_ms IS NOT NULL"), 3);
}

static void what_is_wanted_again_stays(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 100000};
    struct retention retention = start(bed);
    int count = 0;

    bed->config.keep_done_ms = 0;
    bed->config.keep_size = 0;
    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    bed_ok(bed, ledger_replay(&bed->index, &change, bed_id(1), &count, &bed->err));
    run(&retention, INT64_MAX / 2);
    assert_true(has(bed, 1));
    assert_int_equal(bytes(bed, "done"), 0);
}

static void rows_outlive_files_and_then_go(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);
    int64_t gone_ms = 100000 + 30 * (int64_t)DAY_MS;

    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    put(bed, bed_id(2), STATE_DEAD, 100, 100000);
    run(&retention, gone_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 2);
    run(&retention, 100000 + 365 * (int64_t)DAY_MS - 1);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 2);
    run(&retention, 100000 + 365 * (int64_t)DAY_MS);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 1);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 1);
    assert_true(has(bed, 2));
}

static void it_is_done_in_shares(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);
    int64_t now_ms = 100000 + 31 * (int64_t)DAY_MS;

    for (unsigned i = 1; i <= RETENTION_BATCH + 5; i++)
        put(bed, bed_id(i), STATE_DONE, 10, 100000);
    retention_continue(&retention, now_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE gone_ms IS NOT NULL"), RETENTION_BATCH);
    assert_int_equal(retention.next_ms, now_ms + RETENTION_PAUSE_MS);
    retention_continue(&retention, retention.next_ms);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE gone_ms IS NOT NULL"), RETENTION_BATCH + 5);
}

static void it_sleeps_until_something_is_old_enough(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    retention_continue(&retention, 100000);
    assert_int_equal(retention.next_ms, INT64_MAX);
    put(bed, bed_id(1), STATE_DONE, 100, 200000);
    retention_disturb(&retention);
    assert_int_equal(retention.next_ms, 100000 + RETENTION_LOOK_MS);
    retention_continue(&retention, 200000);
    assert_int_equal(retention.next_ms, 200000 + 30 * (int64_t)DAY_MS);
}

static void what_was_called_off_is_filed_away(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 2000};
    struct retention retention = start(bed);
    int count = 0;

    queue(bed, bed_id(1), "a@example.com", 100);
    queue(bed, bed_id(2), "a@example.com", 100);
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, ledger_cancel_within(&bed->index, &change, bed_id(1), &count, &bed->err));
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    retention_wake(&retention);
    run(&retention, 3000);
    filing_hurry(&filing, 3000);
    filing_free(&filing);
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,S"));
    assert_true(bed_has_file(bed, "new", "1KADPTED00000002"));
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message WHERE ended_ms IS NOT NULL"), 3000);
}

/* As in the processor: nothing is left open that others would have to wait for. */
static void each_step_is_settled(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    bed->config.keep_done_ms = 10000;
    bed->config.keep_history_ms = 50000;
    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    bed_ok(bed, index_gather(&bed->index, &bed->err));
    retention_continue(&retention, 110000);
    assert_false(index_has_gathered(&bed->index));
    assert_int_equal(bed_number(bed, "SELECT gone_ms FROM message"), 110000);
    retention_continue(&retention, 150000);
    assert_false(index_has_gathered(&bed->index));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 0);
}

/* It is not known when the marks will be made: the files are gone, and that is what is found then. */
static void what_was_removed_and_not_marked_is_marked_later(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);

    bed->config.keep_done_ms = 10000;
    put(bed, bed_id(1), STATE_DONE, 100, 100000);
    bed_ok(bed, index_gather(&bed->index, &bed->err));
    assert_int_equal(sqlite3_exec(bed->index.db,
                                  "CREATE TEMP TRIGGER broken BEFORE UPDATE OF gone_ms ON message BEGIN"
                                  " SELECT raise(ROLLBACK, 'broken'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    retention_continue(&retention, 110000);
    assert_false(has(bed, 1));
    assert_int_equal(retention.next_ms, 110000 + RETENTION_TROUBLE_MS);
    assert_false(index_has_gathered(&bed->index));
    assert_int_equal(bed_number(bed, "SELECT gone_ms IS NULL FROM message"), 1);
    assert_int_equal(sqlite3_exec(bed->index.db, "DROP TRIGGER broken", NULL, NULL, NULL), SQLITE_OK);
    retention_continue(&retention, retention.next_ms);
    assert_int_equal(bed_number(bed, "SELECT gone_ms FROM message"), 110000 + RETENTION_TROUBLE_MS);
    assert_int_equal(bytes(bed, "done"), 0);
}

static void tmp_is_cleared_once_a_day(void **state)
{
    struct bed *bed = *state;
    struct retention retention = start(bed);
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    int64_t now_ms = 100 * (int64_t)DAY_MS;

    retention.day_ms = 0;
    for (int64_t day = 0; day < 2; day++) {
        int fd = openat(bed->spool.tmp, "left", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(futimens(fd, old), 0);
        assert_int_equal(close(fd), 0);
        run(&retention, now_ms + day * DAY_MS - (day > 0));
        assert_int_equal(bed_has_file(bed, "tmp", "left"), day > 0);
        assert_true(retention.next_ms <= now_ms + (day + 1) * DAY_MS);
        run(&retention, now_ms + day * DAY_MS);
        assert_false(bed_has_file(bed, "tmp", "left"));
    }
}

/* Every statement that looks for something does so by an index, whatever the index holds. */
static void its_queries_use_indexes(void **state)
{
    static const struct {
        enum statement statement;
        const char *wanted;
    } rows[] = {
        {STATEMENT_RETENTION_LIST, "message_stored"},
        {STATEMENT_RETENTION_FORGET, "message_gone"},
        {STATEMENT_RETENTION_FORGET_REJECTIONS, "rejection_time"},
        {STATEMENT_RETENTION_OLDEST_ROW, "message_gone"},
        {STATEMENT_MESSAGE_UNENDED, "message_unended"},
        {STATEMENT_ON_DEAD_DUE, "delivery_on_dead"},
        {STATEMENT_ON_DEAD_NEXT_DUE, "delivery_on_dead"},
        {STATEMENT_ON_DEAD_RECOVER, "on_dead_run_running"},
    };
    struct bed *bed = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        bed_assert_plan(bed, rows[i].statement, rows[i].wanted, NULL);
}

/* Its trouble is its own: it says what it was, and the next turn begins with nothing gathered. */
static void trouble_stays_out_of_the_next_turn(void **state)
{
    struct bed *bed = *state;
    struct retention retention;
    struct index other;

    retention = start(bed);
    put(bed, bed_id(1), STATE_DONE, 10, 1000);
    bed->config.keep_done_ms = 1000;
    bed_ok(bed, index_gather(&bed->index, &bed->err));
    (void)sqlite3_busy_timeout(bed->index.db, 0);
    bed_ok(bed, index_open(&other, bed->index.path, INDEX_RECEIVER, &bed->err));
    bed_ok(bed, index_begin(&other, &bed->err));
    retention_continue(&retention, 5000);
    assert_non_null(strstr(bed->log, "locked"));
    assert_false(index_has_gathered(&bed->index));
    assert_int_equal(retention.next_ms, 5000 + RETENTION_TROUBLE_MS);
    index_rollback(&other);
    index_close(&other);
    filing_free(&filing);
    outbox_close(&outbox);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, bed_make, bed_remove)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_has_its_time),
        TEST(the_dead_stay_by_default),
        TEST(the_oldest_go_when_there_is_too_much),
        TEST(flags_of_a_mail_reader_do_not_hide_it),
        TEST(what_is_wanted_again_stays),
        TEST(rows_outlive_files_and_then_go),
        TEST(it_is_done_in_shares),
        TEST(it_sleeps_until_something_is_old_enough),
        TEST(what_was_called_off_is_filed_away),
        TEST(each_step_is_settled),
        TEST(what_was_removed_and_not_marked_is_marked_later),
        TEST(tmp_is_cleared_once_a_day),
        TEST(trouble_stays_out_of_the_next_turn),
        TEST(its_queries_use_indexes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
