#include "tests/unit/bed.h"

#include "processor/filing.h"
#include "processor/ledger.h"
#include "processor/ledger_change.h"

static void queue(struct bed *bed, const char *id, const char *recipient)
{
    struct envelope envelope = bed_envelope(id, recipient, NULL);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", 1000, &bed->err));
    envelope_free(&envelope);
}

static void end(struct bed *bed, const char *route, const char *handler, enum state state)
{
    const struct ledger_end how = {.state = state, .detail = ""};
    struct delivery delivery;
    int64_t id;

    assert_int_equal(ledger_due(&bed->index, route, handler, 1000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, 1000, &bed->err));
}

static bool file(struct bed *bed, const char *id)
{
    bool ended = false;

    bed_ok(bed, filing_message(&bed->index, &bed->spool, id, 2000, &ended, &bed->err));
    return ended;
}

static void what_is_done_is_seen(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    queue(bed, bed_id(1), "a@example.com");
    assert_false(file(bed, bed_id(1)));
    assert_true(bed_has_file(bed, "new", bed_id(1)));
    end(bed, "a@example.com", "x", STATE_DONE);
    assert_true(file(bed, bed_id(1)));
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,S"));
    assert_false(bed_has_file(bed, "new", bed_id(1)));
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 2000);
    assert_true(file(bed, bed_id(1))); /* twice is fine */
}

static void one_dead_delivery_flags_it(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "chain@example.com", NULL);
    queue(bed, bed_id(1), "chain@example.com");
    end(bed, "chain@example.com", "one", STATE_DONE);
    assert_false(file(bed, bed_id(1)));
    end(bed, "chain@example.com", "two", STATE_DEAD);
    assert_true(file(bed, bed_id(1)));
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,F"));
}

static void what_nothing_is_run_for_has_no_flag(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "kept@example.com", NULL);
    queue(bed, bed_id(1), "kept@example.com");
    assert_true(file(bed, bed_id(1)));
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,"));
}

static void a_file_that_is_gone_does_not_matter(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "kept@example.com");
    assert_true(file(bed, bed_id(1)));
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 2000);
    assert_non_null(strstr(bed->log, "1KADPTED00000001 is not in the spool"));
}

/* As after a crash between the move and its mark, or before either. */
static void the_rest_is_filed_at_the_next_start(void **state)
{
    struct bed *bed = *state;

    for (unsigned i = 1; i <= 3; i++) {
        (void)bed_put_message(bed, bed_id(i), "a@example.com", NULL);
        queue(bed, bed_id(i), "a@example.com");
    }
    end(bed, "a@example.com", "x", STATE_DONE);
    end(bed, "a@example.com", "x", STATE_DEAD);
    bed_ok(bed, spool_finish(&bed->spool, bed_id(1), 'S', &bed->err));
    bed_ok(bed, filing_rest(&bed->index, &bed->spool, 3000, &bed->err));
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,S"));
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000002:2,F"));
    assert_true(bed_has_file(bed, "new", bed_id(3)));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms = 3000"), 2);
}

static void an_index_in_trouble_leaves_it(void **state)
{
    struct bed *bed = *state;
    bool ended = false;

    (void)bed_put_message(bed, bed_id(1), "kept@example.com", NULL);
    queue(bed, bed_id(1), "kept@example.com");
    (void)sqlite3_exec(bed->index.db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    assert_int_equal(filing_message(&bed->index, &bed->spool, bed_id(1), 2000, &ended, &bed->err), -1);
    (void)sqlite3_exec(bed->index.db, "PRAGMA query_only = OFF", NULL, NULL, NULL);
    bed_ok(bed, filing_rest(&bed->index, &bed->spool, 3000, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 3000);
}

/* ---- many at once ---- */

static struct outbox outbox;
static struct filing filing;

static void note(struct bed *bed, unsigned number)
{
    (void)bed_put_message(bed, bed_id(number), "kept@example.com", NULL);
    queue(bed, bed_id(number), "kept@example.com");
    filing_note(&filing, bed_id(number), NULL, 2000);
}

static void open_filing(struct bed *bed)
{
    bed_ok(bed, outbox_open(&outbox, &bed->spool, &bed->index, &bed->err));
    filing = (struct filing){.index = &bed->index, .spool = &bed->spool, .outbox = &outbox};
    assert_int_equal(filing_next_ms(&filing), INT64_MAX);
}

static void close_filing(void)
{
    filing_free(&filing);
    outbox_close(&outbox);
}

static void marks_wait_for_company(void **state)
{
    struct bed *bed = *state;

    open_filing(bed);
    note(bed, 1);
    note(bed, 2);
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,"));
    assert_int_equal(filing_next_ms(&filing), 2000 + FILING_DELAY_MS);
    filing_continue(&filing, 2000 + FILING_DELAY_MS - 1);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms IS NOT NULL"), 0);
    filing_continue(&filing, 2000 + FILING_DELAY_MS);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms IS NOT NULL"), 2);
    filing_committed(&filing);
    assert_int_equal(filing_next_ms(&filing), INT64_MAX);
    close_filing();
}

/* As after one run for many messages. */
static void more_than_usual_end_at_once(void **state)
{
    struct bed *bed = *state;
    enum { MANY = 3 * FILING_BATCH + 1 };

    open_filing(bed);
    for (unsigned number = 1; number <= MANY; number++)
        note(bed, number);
    assert_int_equal(filing_next_ms(&filing), 2000);
    filing_continue(&filing, 2000);
    filing_committed(&filing);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms IS NOT NULL"), MANY);
    assert_int_equal(filing_next_ms(&filing), INT64_MAX);
    close_filing();
}

static void lost_marks_are_made_again(void **state)
{
    struct bed *bed = *state;

    open_filing(bed);
    bed_ok(bed, index_gather(&bed->index, &bed->err));
    note(bed, 1);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    filing_hurry(&filing, 3000);
    note(bed, 2);
    (void)sqlite3_exec(bed->index.db, "ROLLBACK", NULL, NULL, NULL);
    assert_int_equal(index_settle(&bed->index, &bed->err), -1);
    filing_lost(&filing, 3000);
    assert_int_equal(filing_next_ms(&filing), 3000 + FILING_PAUSE_MS);
    filing_continue(&filing, 3000 + FILING_PAUSE_MS);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    filing_committed(&filing);
    assert_int_equal(filing.count, 0);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms IS NOT NULL"), 1);
    close_filing();
}

/* The operator was quicker than the mark. */
static void what_was_queued_again_has_not_ended(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 2001};
    int queued = 0;

    open_filing(bed);
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    queue(bed, bed_id(1), "a@example.com");
    end(bed, "a@example.com", "x", STATE_DONE);
    filing_note(&filing, bed_id(1), NULL, 2000);
    bed_ok(bed, ledger_replay(&bed->index, &change, bed_id(1), &queued, &bed->err));
    filing_hurry(&filing, 3000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE ended_ms IS NOT NULL"), 0);
    close_filing();
}

/* What the caller knows of the message is not looked up again. */
static void a_tally_that_is_known_decides(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally = {.deliveries = 2, .waiting = 1};

    open_filing(bed);
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    queue(bed, bed_id(1), "a@example.com");
    filing_note(&filing, bed_id(1), &tally, 2000);
    assert_true(bed_has_file(bed, "new", bed_id(1)));
    assert_int_equal(filing_next_ms(&filing), INT64_MAX);
    tally = (struct ledger_tally){.deliveries = 2, .dead = 1};
    filing_note(&filing, bed_id(1), &tally, 2000);
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,F"));
    close_filing();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_make, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_done_is_seen),
        TEST(one_dead_delivery_flags_it),
        TEST(what_nothing_is_run_for_has_no_flag),
        TEST(a_file_that_is_gone_does_not_matter),
        TEST(the_rest_is_filed_at_the_next_start),
        TEST(an_index_in_trouble_leaves_it),
        TEST(marks_wait_for_company),
        TEST(more_than_usual_end_at_once),
        TEST(lost_marks_are_made_again),
        TEST(what_was_queued_again_has_not_ended),
        TEST(a_tally_that_is_known_decides),
    };

    return cmocka_run_group_tests_name("filing", tests, NULL, NULL);
}
