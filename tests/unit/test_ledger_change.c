/* What the operator changes: deliveries called off, and deliveries queued again by a choice of them. */
#include "tests/unit/bed.h"

#include "processor/ledger.h"
#include "processor/ledger_change.h"

static const char states_sql[] =
    "SELECT group_concat(handler || '=' || state, ' ') FROM (SELECT * FROM delivery ORDER BY message_id, recipient, "
    "position)";

static void queue(struct bed *bed, const char *id, const char *first, const char *second)
{
    struct envelope envelope = bed_envelope(id, first, second);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", 1000, &bed->err));
    envelope_free(&envelope);
}

static struct delivery start(struct bed *bed, const char *route, const char *handler)
{
    struct delivery delivery;
    int64_t id;

    assert_int_equal(ledger_due(&bed->index, route, handler, 9000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    return delivery;
}

static void attempt(struct bed *bed, const char *route, const char *handler, enum state state)
{
    const struct ledger_end how = {.state = state, .due_ms = 5000, .detail = ""};
    struct delivery delivery = start(bed, route, handler);

    bed_ok(bed, ledger_end(&bed->index, &delivery, &how, 1500, &bed->err));
}

/* As the command does it: in a transaction that is given up when the message is refused. */
static int cancel(struct bed *bed, const char *id, struct ledger_choice choice, int *count)
{
    const struct ledger_change change = {.config = &bed->config, .choice = choice, .now_ms = 2000};

    *count = 0;
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    if (ledger_cancel_within(&bed->index, &change, id, count, &bed->err) != 0) {
        index_rollback(&bed->index);
        return -1;
    }
    return index_commit(&bed->index, &bed->err);
}

static int replay(struct bed *bed, const char *id, struct ledger_choice choice, int *count)
{
    const struct ledger_change change = {.config = &bed->config, .choice = choice, .now_ms = 3000};

    *count = 0;
    return ledger_replay(&bed->index, &change, id, count, &bed->err);
}

/* ---- calling off ---- */

static void what_waits_is_called_off(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "chain@example.com", "one", STATE_DONE);
    attempt(bed, "chain@example.com", "two", STATE_RETRY);
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){0}, &count));
    assert_int_equal(count, 3);
    assert_string_equal(bed_text(bed, states_sql), "one=done two=cancelled three=cancelled x=cancelled");
    assert_int_equal(bed_number(bed, "SELECT sum(due_ms IS NOT NULL) + sum(ended_ms IS NULL) FROM delivery"), 0);
    assert_string_equal(bed_text(bed, "SELECT detail FROM delivery WHERE handler = 'x'"),
                        "called off by the operator");
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.waiting, 0);
}

static void what_waits_for_it_is_skipped(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){.handler = "two"}, &count));
    assert_int_equal(count, 1);
    assert_string_equal(bed_text(bed, states_sql), "one=pending two=cancelled three=skipped x=pending");
    assert_string_equal(bed_text(bed, "SELECT detail FROM delivery WHERE handler = 'three'"),
                        "handler two was cancelled");
    attempt(bed, "chain@example.com", "one", STATE_DONE);
    assert_string_equal(bed_text(bed, states_sql), "one=done two=cancelled three=skipped x=pending");
    /* Asked for again, and done, it brings back what went with it. */
    bed_ok(bed, replay(bed, bed_id(1), (struct ledger_choice){.handler = "two"}, &count));
    attempt(bed, "chain@example.com", "two", STATE_DONE);
    assert_string_equal(bed_text(bed, states_sql), "one=done two=done three=pending x=pending");
}

static void it_can_be_chosen_by_state_and_route(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "a@example.com", "x", STATE_RETRY);
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){.state = "retry"}, &count));
    assert_string_equal(bed_text(bed, states_sql), "one=pending two=pending three=pending x=cancelled");
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){.route = "Chain@Example.com"}, &count));
    assert_int_equal(count, 3);
}

static void what_runs_or_has_ended_is_not_called_off(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    (void)start(bed, "chain@example.com", "one");
    assert_int_equal(cancel(bed, bed_id(1), (struct ledger_choice){0}, &count), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_non_null(strstr(bed->err.text, "handler one is running; wait until it has ended"));
    assert_string_equal(bed_text(bed, states_sql), "one=running two=pending three=pending x=pending");
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){.handler = "x"}, &count));
    assert_int_equal(cancel(bed, bed_id(1), (struct ledger_choice){.handler = "x"}, &count), -1);
    assert_non_null(strstr(bed->err.text, "no delivery of it waits"));
}

/* Found due, and then called off before it was started. */
static void what_was_called_off_does_not_start(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;
    int64_t id;
    int count;

    queue(bed, bed_id(1), "a@example.com", NULL);
    assert_int_equal(ledger_due(&bed->index, "a@example.com", "x", 1000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, cancel(bed, bed_id(1), (struct ledger_choice){0}, &count));
    assert_int_equal(ledger_start(&bed->index, &delivery, 2000, &bed->err), 1);
    assert_string_equal(bed_text(bed, states_sql), "x=cancelled");
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 0);
    /* Nor does it end in another way, as one that was found to need no run. */
    bed_ok(bed, ledger_end(&bed->index, &delivery,
                           &(struct ledger_end){.state = STATE_DEAD, .detail = "it is gone", .on_dead = true}, 3000,
                           &bed->err));
    assert_string_equal(bed_text(bed, states_sql), "x=cancelled");
    assert_int_equal(bed_number(bed, "SELECT ended_ms = 2000 AND on_dead_ms IS NULL FROM delivery"), 1);
}

/* The file is moved, and then, before the row says so, the operator wants it again. */
static void what_is_queued_again_has_not_ended(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "a@example.com", NULL);
    attempt(bed, "a@example.com", "x", STATE_DONE);
    bed_ok(bed, replay(bed, bed_id(1), (struct ledger_choice){0}, &count));
    bed_ok(bed, ledger_message_ended(&bed->index, bed_id(1), 4000, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT ended_ms IS NULL AND stored IS NULL FROM message"), 1);
}

/* ---- running again ---- */

static void only_the_dead_run_again(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "chain@example.com", "one", STATE_DONE);
    attempt(bed, "chain@example.com", "two", STATE_DEAD);
    attempt(bed, "a@example.com", "x", STATE_DONE);
    bed_ok(bed, replay(bed, bed_id(1), (struct ledger_choice){.state = "dead"}, &count));
    assert_int_equal(count, 1);
    assert_string_equal(bed_text(bed, states_sql), "one=done two=pending three=skipped x=done");
    assert_int_equal(replay(bed, bed_id(1), (struct ledger_choice){.state = "dead"}, &count), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
}

static void a_route_can_be_chosen(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "a@example.com", "x", STATE_DONE);
    attempt(bed, "chain@example.com", "one", STATE_DEAD);
    bed_ok(bed, replay(bed, bed_id(1), (struct ledger_choice){.route = "A@example.com"}, &count));
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=skipped three=skipped x=pending");
}

/* The second recipient's delivery runs: the first one's is not touched either. */
static void a_refused_message_stays_as_it_was(void **state)
{
    struct bed *bed = *state;
    int count;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "chain@example.com", "one", STATE_DEAD);
    (void)start(bed, "a@example.com", "x");
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    assert_int_equal(ledger_replay_within(&bed->index,
                                          &(struct ledger_change){.config = &bed->config, .now_ms = 3000}, bed_id(1),
                                          &count, &bed->err),
                     -1);
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=skipped three=skipped x=running");
}

static int visit(void *context, const char *id, const struct address *recipient, const char *route,
                 const char *handler, const char *state, struct err *err)
{
    (void)err;
    (void)id;
    (void)route;
    buf_printf(context, "%s:%s:%s ", recipient->text, handler, state);
    return 0;
}

static void a_dry_run_changes_nothing(void **state)
{
    struct bed *bed = *state;
    char storage[256];
    struct buf said = buf_over(storage, sizeof storage);
    const struct ledger_change change = {.config = &bed->config,
                                         .choice = {.state = "dead"},
                                         .now_ms = 3000,
                                         .dry_run = true,
                                         .visit = visit,
                                         .context = &said};
    int count = 0;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com");
    attempt(bed, "chain@example.com", "one", STATE_DEAD);
    bed_ok(bed, ledger_replay_within(&bed->index, &change, bed_id(1), &count, &bed->err));
    assert_int_equal(count, 1);
    assert_string_equal(storage, "chain@example.com:one:dead ");
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=skipped three=skipped x=pending");
}

/* By the message, and not through all deliveries that are in the same state: thousands are called off at a time. */
static void each_message_is_found_by_an_index(void **state)
{
    static const enum statement statements[] = {STATEMENT_DELIVERY_RUNNING, STATEMENT_DELIVERY_CANCEL,
                                                STATEMENT_DELIVERY_SKIP_CANCELLED, STATEMENT_DELIVERY_STATE,
                                                STATEMENT_COMMAND_CHOOSE};

    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        bed_assert_plan(*state, statements[i], "sqlite_autoindex_delivery_1 (message_id=?", "delivery_state");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, bed_make, bed_remove)
    const struct CMUnitTest tests[] = {
        TEST(what_waits_is_called_off),
        TEST(what_waits_for_it_is_skipped),
        TEST(it_can_be_chosen_by_state_and_route),
        TEST(what_runs_or_has_ended_is_not_called_off),
        TEST(what_was_called_off_does_not_start),
        TEST(what_is_queued_again_has_not_ended),
        TEST(only_the_dead_run_again),
        TEST(a_route_can_be_chosen),
        TEST(a_refused_message_stays_as_it_was),
        TEST(a_dry_run_changes_nothing),
        TEST(each_message_is_found_by_an_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
