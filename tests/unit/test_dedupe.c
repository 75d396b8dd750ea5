/* Copies of a message: recorded, and not run, where a route asks for that. */
#include "tests/unit/bed.h"

#include "processor/ledger.h"
#include "processor/ledger_change.h"

#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

enum { WINDOW_MS = 3600 * 1000 };

static int make(void **state)
{
    struct bed *bed;

    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    for (size_t i = 0; i < bed->config.route_count; i++)
        bed->config.routes[i].dedupe_ms = WINDOW_MS;
    return 0;
}

/* Received so many milliseconds after a time that is the same for all. */
static const char *id_at(int64_t ms)
{
    static char ids[4][ID_SIZE];
    static unsigned turn;
    char *id = ids[turn++ % 4];

    id_make(INT64_C(1700000000000) + ms, 7, id);
    return id;
}

static void queue(struct bed *bed, const char *id, const char *recipient, const char *digest)
{
    struct envelope envelope = bed_envelope(id, recipient, NULL);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, digest, 1000, &bed->err));
    envelope_free(&envelope);
}

static void end(struct bed *bed, const char *route, const char *handler, enum state state)
{
    const struct ledger_end how = {.state = state, .due_ms = 9000, .detail = ""};
    struct delivery delivery;
    int64_t id;

    assert_int_equal(ledger_due(&bed->index, route, handler, 9000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, 1500, &bed->err));
}

static const char *states(struct bed *bed, const char *id)
{
    char sql[256];

    snprintf(sql, sizeof sql,
             "SELECT group_concat(state, ' ') FROM (SELECT state FROM delivery WHERE message_id = '%s' "
             "ORDER BY position)",
             id);
    return bed_text(bed, sql);
}

static void a_copy_is_skipped(void **state)
{
    struct bed *bed = *state;
    char wanted[64];
    struct ledger_tally tally;

    queue(bed, id_at(0), "chain@example.com", DIGEST);
    queue(bed, id_at(1000), "Chain@Example.com", DIGEST);
    assert_string_equal(states(bed, id_at(0)), "pending pending pending");
    assert_string_equal(states(bed, id_at(1000)), "skipped skipped skipped");
    snprintf(wanted, sizeof wanted, "duplicate of %s", id_at(0));
    assert_string_equal(bed_text(bed, "SELECT DISTINCT detail FROM delivery WHERE state = 'skipped'"), wanted);
    bed_ok(bed, ledger_tally(&bed->index, id_at(1000), &tally, &bed->err));
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(tally.deliveries, 3);
}

static void what_is_not_the_same_runs(void **state)
{
    struct bed *bed = *state;

    queue(bed, id_at(0), "a@example.com", DIGEST);
    queue(bed, id_at(1), "a@example.com", "");
    queue(bed, id_at(2), "a+x@example.com", DIGEST);
    queue(bed, id_at(3), "chain@example.com", DIGEST);
    queue(bed, id_at(4), "a@example.com", "0" DIGEST);
    queue(bed, id_at(WINDOW_MS + 1), "a@example.com", DIGEST);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery WHERE state = 'skipped'"), 0);
    queue(bed, id_at(WINDOW_MS), "a@example.com", DIGEST);
    assert_string_equal(states(bed, id_at(WINDOW_MS)), "skipped");
}

static void nor_is_anything_where_nobody_asked(void **state)
{
    struct bed *bed = *state;

    for (size_t i = 0; i < bed->config.route_count; i++)
        bed->config.routes[i].dedupe_ms = 0;
    queue(bed, id_at(0), "a@example.com", DIGEST);
    queue(bed, id_at(1), "a@example.com", DIGEST);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery WHERE state = 'pending'"), 2);
}

/* The one that came later was queued first. */
static void the_first_that_is_queued_is_the_original(void **state)
{
    struct bed *bed = *state;

    queue(bed, id_at(1000), "a@example.com", DIGEST);
    queue(bed, id_at(0), "a@example.com", DIGEST);
    assert_string_equal(states(bed, id_at(0)), "skipped");
    assert_string_equal(states(bed, id_at(1000)), "pending");
}

static void what_failed_is_no_original(void **state)
{
    const struct ledger_change change = {.now_ms = 2000};
    struct bed *bed = *state;
    int count = 0;

    queue(bed, id_at(0), "chain@example.com", DIGEST);
    end(bed, "chain@example.com", "one", STATE_DONE);
    end(bed, "chain@example.com", "two", STATE_DEAD);
    queue(bed, id_at(1), "chain@example.com", DIGEST);
    assert_string_equal(states(bed, id_at(1)), "pending pending pending");
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, ledger_cancel_within(&bed->index, &change, id_at(1), &count, &bed->err));
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    queue(bed, id_at(2), "chain@example.com", DIGEST);
    assert_string_equal(states(bed, id_at(2)), "pending pending pending");
    /* One that is to be tried again, or is done, is one. */
    end(bed, "chain@example.com", "one", STATE_RETRY);
    queue(bed, id_at(3), "chain@example.com", DIGEST);
    assert_string_equal(states(bed, id_at(3)), "skipped skipped skipped");
}

static void the_operator_may_have_it_run(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 2000};
    int count = 0;

    queue(bed, id_at(0), "a@example.com", DIGEST);
    queue(bed, id_at(1), "a@example.com", DIGEST);
    bed_ok(bed, ledger_replay(&bed->index, &change, id_at(1), &count, &bed->err));
    assert_string_equal(states(bed, id_at(1)), "pending");
}

static void it_is_looked_for_by_an_index(void **state)
{
    bed_assert_plan(*state, STATEMENT_DELIVERY_ORIGINAL,
                    "message_digest (digest=? AND received_ms>? AND received_ms<?)", NULL);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make, bed_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_skipped),
        TEST(what_is_not_the_same_runs),
        TEST(nor_is_anything_where_nobody_asked),
        TEST(the_first_that_is_queued_is_the_original),
        TEST(what_failed_is_no_original),
        TEST(the_operator_may_have_it_run),
        TEST(it_is_looked_for_by_an_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
