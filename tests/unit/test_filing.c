#include "tests/unit/bed.h"

#include "processor/filing.h"
#include "processor/ledger.h"

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
    };

    return cmocka_run_group_tests_name("filing", tests, NULL, NULL);
}
