/* What waits for each handler, groups that share a run, and pauses, as the index has them. */
#include "tests/unit/bed.h"

#include "processor/ledger_change.h"
#include "processor/ledger_group.h"
#include "processor/ledger_handler.h"

static const char chain[] = "chain@example.com";
static const char route[] = "a@example.com";

static void queue(struct bed *bed, unsigned number, const char *address, int64_t now_ms)
{
    struct envelope envelope = bed_envelope(bed_id(number), address, NULL);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, NULL, "", now_ms, &bed->err));
    envelope_free(&envelope);
}

/* Takes the oldest due delivery of a handler through an attempt that ends so. */
static void attempt(struct bed *bed, const char *of, const char *handler, int64_t now_ms, struct ledger_end end)
{
    static struct delivery delivery;
    int64_t id = 0;

    assert_int_equal(ledger_due(&bed->index, of, handler, now_ms, &id, &bed->err), 1);
    if (end.detail == NULL)
        end.detail = "";
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, now_ms, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &end, now_ms + 1, &bed->err));
}

/* A run that says so of its handler, which is paused after two failures for 1000 ms; gives what that changed. */
static enum breaker_change run(struct bed *bed, enum breaker_event event, int64_t now_ms)
{
    struct ledger_run ran = {.event = event, .policy = {2, 1000}, .started_ms = now_ms};

    attempt(bed, route, "x", now_ms,
            (struct ledger_end){.state = event == BREAKER_WORKED ? STATE_DONE : STATE_RETRY,
                                .due_ms = now_ms + 5000,
                                .detail = "trouble",
                                .run = &ran});
    return ran.change;
}

/* ---- chains ---- */

static const char states_sql[] =
    "SELECT group_concat(handler || '=' || state, ' ') FROM (SELECT * FROM delivery ORDER BY id)";

static void dead_with_continue_releases_the_next(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally;

    queue(bed, 1, chain, 1000);
    attempt(bed, chain, "one", 1000, (struct ledger_end){.state = STATE_DEAD, .go_on = true});
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=pending three=pending");
    attempt(bed, chain, "two", 2000, (struct ledger_end){.state = STATE_RETRY, .due_ms = 3000, .go_on = true});
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=retry three=pending");
    attempt(bed, chain, "two", 3000, (struct ledger_end){.state = STATE_DEAD});
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=dead three=skipped");
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.dead, 2);
}

/* "Skip the rest" is the handler's own word, and stronger than what is written of its death. */
static void continue_is_for_the_dead_alone(void **state)
{
    struct bed *bed = *state;

    queue(bed, 1, chain, 1000);
    attempt(bed, chain, "one", 1000, (struct ledger_end){.state = STATE_DONE, .skip_rest = true, .go_on = true});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=skipped three=skipped");
}

/* A handler that is run again while a later one waits for its retry does not let the one after that go first. */
static void a_replay_does_not_break_the_order_of_a_chain(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .choice = {.handler = "one"}, .now_ms = 3000};
    int queued = 0;

    queue(bed, 1, chain, 1000);
    attempt(bed, chain, "one", 1000, (struct ledger_end){.state = STATE_DONE});
    attempt(bed, chain, "two", 2000, (struct ledger_end){.state = STATE_RETRY, .due_ms = 9000});
    bed_ok(bed, ledger_replay(&bed->index, &change, bed_id(1), &queued, &bed->err));
    attempt(bed, chain, "one", 3000, (struct ledger_end){.state = STATE_DONE});
    assert_int_equal(bed_number(bed, "SELECT due_ms IS NULL FROM delivery WHERE handler = 'three'"), 1);
    attempt(bed, chain, "two", 9000, (struct ledger_end){.state = STATE_DONE});
    assert_int_equal(bed_number(bed, "SELECT due_ms FROM delivery WHERE handler = 'three'"), 9001);
}

/* ---- what waits ---- */

struct seen {
    char text[512];
};

static void note(void *context, const struct ledger_waiting *waiting)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);

    snprintf(seen->text + used, sizeof seen->text - used, "%.*s/%.*s oldest %lld first %lld state %d; ",
             (int)waiting->route.size, waiting->route.data, (int)waiting->handler.size, waiting->handler.data,
             (long long)waiting->due.oldest_ms, (long long)waiting->due.first_ms, (int)waiting->breaker.state);
}

static const char *waiting(struct bed *bed)
{
    static struct seen seen;

    seen = (struct seen){0};
    bed_ok(bed, ledger_each_waiting(&bed->index, note, &seen, &bed->err));
    return seen.text;
}

static void each_handler_that_has_to_do_is_found(void **state)
{
    struct bed *bed = *state;
    struct ledger_due due;

    assert_string_equal(waiting(bed), "");
    queue(bed, 1, "ask@example.com", 500);
    queue(bed, 2, route, 1000);
    queue(bed, 3, route, 2000);
    queue(bed, 4, chain, 3000);
    attempt(bed, route, "x", 2000, (struct ledger_end){.state = STATE_RETRY, .due_ms = 7000});
    assert_int_equal(ledger_pause(&bed->index, chain, "one", "why", 4000, &bed->err), 1);
    assert_string_equal(waiting(bed), "a@example.com/x oldest 7000 first 2000 state 0; "
                                      "ask@example.com/answer oldest 500 first 500 state 0; "
                                      "chain@example.com/one oldest 3000 first 3000 state 2; ");
    bed_ok(bed, ledger_waits(&bed->index, route, "x", &due, &bed->err));
    assert_int_equal(due.oldest_ms, 7000);
    assert_int_equal(due.first_ms, 2000);
    bed_ok(bed, ledger_waits(&bed->index, chain, "two", &due, &bed->err));
    assert_int_equal(due.oldest_ms, INT64_MAX);
    assert_int_equal(due.first_ms, INT64_MAX);
}

/* A pass must not cost more when much waits: no step may read the rows of a whole handler. */
static void what_waits_is_found_by_an_index(void **state)
{
    static const enum statement hot[] = {
        STATEMENT_HANDLER_WAITING, STATEMENT_HANDLER_WAITS, STATEMENT_DELIVERY_DUE,    STATEMENT_DELIVERY_DUE_ALL,
        STATEMENT_DELIVERY_OLDER,  STATEMENT_HANDLER_LOAD,  STATEMENT_HANDLER_RELEASE, STATEMENT_DELIVERY_OVERTAKES};
    struct bed *bed = *state;

    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
        struct query query;
        char sql[4096];
        sqlite3_stmt *plan = NULL;

        bed_ok(bed, query_start(&query, &bed->index, hot[i], &bed->err));
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(query.statement));
        query_end(&query);
        assert_int_equal(sqlite3_prepare_v2(bed->index.db, sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(plan, 3);

            /* The only scans are of what the query itself made, and the first step into the index of what waits. */
            if (strncmp(text, "SCAN ", 5) == 0 && strstr(text, "SCAN o") != text &&
                strstr(text, "delivery_turn") == NULL && strstr(text, "SCAN CONSTANT ROW") == NULL &&
                strstr(text, "subquery") == NULL)
                fail_msg("%s", text);
            assert_null(strstr(text, "TEMP B-TREE"));
        }
        sqlite3_finalize(plan);
    }
}

/* How many steps of SQLite's machine a pass takes. */
static int steps_of_a_pass(struct bed *bed)
{
    struct query query;
    int steps;

    bed_ok(bed, query_start(&query, &bed->index, STATEMENT_HANDLER_WAITING, &bed->err));
    (void)sqlite3_stmt_status(query.statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    while (query_next(&query, &bed->err) == 1)
        continue;
    steps = sqlite3_stmt_status(bed->index.statements[STATEMENT_HANDLER_WAITING], SQLITE_STMTSTATUS_VM_STEP, 1);
    query_end(&query);
    return steps;
}

static void a_pass_costs_the_same_however_much_waits(void **state)
{
    struct bed *bed = *state;
    int few, many;

    for (unsigned number = 1; number <= 3; number++) {
        queue(bed, 10 * number, route, 1000);
        queue(bed, 10 * number + 1, chain, 1000);
        queue(bed, 10 * number + 2, "ask@example.com", 1000);
    }
    few = steps_of_a_pass(bed);
    for (unsigned number = 100; number < 400; number++)
        queue(bed, number, number % 2 == 0 ? route : chain, 1000);
    many = steps_of_a_pass(bed);
    assert_true(few > 0);
    if (many > few + few / 4)
        fail_msg("%d steps instead of %d", many, few);
}

/* The order is that of the messages, not that in which they were queued. */
static void the_oldest_is_the_oldest_message(void **state)
{
    struct bed *bed = *state;
    static struct delivery delivery;
    int64_t id = 0;

    queue(bed, 2, route, 1000);
    queue(bed, 1, route, 1001);
    assert_int_equal(ledger_due(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(1));
    assert_int_equal(ledger_newest(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(2));
    assert_int_equal(ledger_probe(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(1));
}

/* One that is older and still being read is seen, unless it has been for long. */
static void a_message_that_is_being_read_is_older(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = bed_envelope(bed_id(1), route, NULL);
    int64_t received_ms = envelope_received_ms(&envelope);
    int64_t id = 0;

    bed_ok(bed, index_add_message(&bed->index, &envelope, 55, &bed->err));
    envelope_free(&envelope);
    queue(bed, 2, route, received_ms);
    assert_int_equal(ledger_due(&bed->index, route, "x", received_ms, &id, &bed->err), 1);
    assert_int_equal(ledger_overtakes(&bed->index, id, received_ms + LEDGER_OVERTAKE_MS - 1, &bed->err), 1);
    assert_int_equal(ledger_overtakes(&bed->index, id, received_ms + LEDGER_OVERTAKE_MS, &bed->err), 0);
    queue(bed, 1, route, received_ms);
    assert_int_equal(ledger_overtakes(&bed->index, id, received_ms, &bed->err), 0);
}

/* ---- groups ---- */

/* Three of a handler in one run, which ends so. */
static void run_group(struct bed *bed, int64_t now_ms, struct ledger_end end, size_t gives_up)
{
    static struct delivery leader;
    struct ledger_group group = {0};
    int64_t id = 0;

    assert_int_equal(ledger_newest(&bed->index, end.output == NULL ? route : chain, end.output == NULL ? "x" : "one",
                                   now_ms, &id, &bed->err),
                     1);
    end.output = NULL;
    bed_ok(bed, ledger_load(&bed->index, id, &leader, &bed->err));
    bed_ok(bed, ledger_group_start(&bed->index, &leader, now_ms, &group, &bed->err));
    assert_int_equal(group.count, 2);
    assert_string_equal(group.members[0].message_id, bed_id(1));
    assert_string_equal(leader.message_id, bed_id(3));
    assert_string_equal(bed_text(bed, "SELECT group_concat(state, ' ') FROM delivery WHERE attempts > 0"),
                        "running running running");
    for (size_t i = 0; i < gives_up; i++)
        group.members[i].gives_up = true;
    end.group = &group;
    end.group_state = end.state;
    end.detail = end.group_detail = "so";
    bed_ok(bed, ledger_end(&bed->index, &leader, &end, now_ms + 50, &bed->err));
    ledger_group_free(&group);
}

static void all_of_a_group_end_with_their_run(void **state)
{
    struct bed *bed = *state;

    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, route, 1000 + number);
    queue(bed, 4, route, 3000);
    run_group(bed, 2000, (struct ledger_end){.state = STATE_DONE, .has_exit_code = true, .out = {"said", 4}}, 0);
    assert_string_equal(bed_text(bed, "SELECT group_concat(state || attempts || ':' || detail, ' ') FROM delivery"),
                        "done1:in one run with 1KADPTED00000003.1.x: so done1:in one run with "
                        "1KADPTED00000003.1.x: so done1:so pending0:");
    assert_string_equal(bed_text(bed,
                                 "SELECT group_concat(outcome || exit_code || number || started_ms || ended_ms "
                                 "|| CAST(stdout AS TEXT), ' ') FROM (SELECT * FROM attempt ORDER BY delivery_id)"),
                        "done0120002050 done0120002050 done0120002050said");
}

static void a_group_is_tried_again_together(void **state)
{
    struct bed *bed = *state;
    struct ledger_due due;

    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, route, 1000 + number);
    run_group(bed, 2000, (struct ledger_end){.state = STATE_RETRY, .due_ms = 9000}, 1);
    assert_string_equal(bed_text(bed,
                                 "SELECT group_concat(state || ':' || coalesce(due_ms, '') || ':' || detail, ' ') "
                                 "FROM delivery"),
                        "dead::given up after 1 attempts: in one run with 1KADPTED00000003.1.x: so "
                        "retry:9000:in one run with 1KADPTED00000003.1.x: so retry:9000:so");
    bed_ok(bed, ledger_waits(&bed->index, route, "x", &due, &bed->err));
    assert_int_equal(due.oldest_ms, 9000);
}

/* The handlers after a shared run are each message's own affair. */
static void a_group_releases_what_is_behind_each(void **state)
{
    struct bed *bed = *state;

    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, chain, 1000 + number);
    run_group(bed, 2000, (struct ledger_end){.state = STATE_DONE, .output = "chain"}, 0);
    assert_string_equal(
        bed_text(bed, "SELECT group_concat(state || coalesce(due_ms, '')) FROM delivery WHERE handler = 'two'"),
        "pending2050,pending2050,pending2050");
    assert_int_equal(bed_number(bed, "SELECT count(due_ms) FROM delivery WHERE handler = 'three'"), 0);
}

static void a_group_that_was_interrupted_is_tried_again(void **state)
{
    struct bed *bed = *state;
    static struct delivery leader;
    struct ledger_group group = {0};
    int64_t id = 0;

    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, route, 1000 + number);
    assert_int_equal(ledger_newest(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &leader, &bed->err));
    bed_ok(bed, ledger_group_start(&bed->index, &leader, 2000, &group, &bed->err));
    ledger_group_free(&group);
    bed_ok(bed, ledger_recover(&bed->index, 9000, &bed->err));
    assert_string_equal(bed_text(bed, "SELECT group_concat(state || due_ms || attempts, ' ') FROM delivery"),
                        "retry90001 retry90001 retry90001");
    run_group(bed, 9000, (struct ledger_end){.state = STATE_DONE}, 0);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt WHERE outcome = 'done' AND number = 2"), 3);
}

/* The operator was quicker: nothing of the group is started. */
static void a_group_whose_leader_was_called_off_is_not_started(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 1500};
    static struct delivery leader;
    struct ledger_group group = {0};
    int64_t id = 0;
    int cancelled = 0;

    queue(bed, 1, route, 1000);
    queue(bed, 2, route, 1000);
    assert_int_equal(ledger_newest(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &leader, &bed->err));
    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, ledger_cancel_within(&bed->index, &change, bed_id(2), &cancelled, &bed->err));
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    assert_int_equal(ledger_group_start(&bed->index, &leader, 2000, &group, &bed->err), 1);
    assert_int_equal(leader.attempts, 0);
    assert_int_equal(group.count, 0);
    assert_string_equal(bed_text(bed, "SELECT group_concat(state, ' ') FROM (SELECT * FROM delivery ORDER BY id)"),
                        "pending cancelled");
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 0);
    ledger_group_free(&group);
}

static void a_group_has_its_bound(void **state)
{
    struct bed *bed = *state;
    static struct delivery leader;
    struct ledger_group group = {0};
    int64_t id = 0;

    bed_ok(bed, index_begin(&bed->index, &bed->err));
    bed_ok(bed, index_commit(&bed->index, &bed->err));
    for (unsigned number = 1; number <= LEDGER_GROUP_MAX + 1; number++)
        queue(bed, number, route, 1000);
    assert_int_equal(ledger_newest(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &leader, &bed->err));
    assert_string_equal(leader.message_id, bed_id(LEDGER_GROUP_MAX));
    bed_ok(bed, ledger_group_start(&bed->index, &leader, 2000, &group, &bed->err));
    assert_int_equal(group.count, LEDGER_GROUP_MAX - 1);
    ledger_group_free(&group);
    assert_int_equal(ledger_newest(&bed->index, route, "x", 2000, &id, &bed->err), 1);
    bed_ok(bed, ledger_load(&bed->index, id, &leader, &bed->err));
    assert_string_equal(leader.message_id, bed_id(LEDGER_GROUP_MAX + 1));
}

/* ---- pauses ---- */

static const char pause_sql[] = "SELECT paused_by || ' ' || paused_ms || ' ' || coalesce(until_ms, '-') || ' ' || "
                                "failures || ' ' || reason FROM handler_state WHERE paused_by IS NOT NULL";

static void failures_in_a_row_pause_a_handler(void **state)
{
    struct bed *bed = *state;

    for (unsigned number = 1; number <= 5; number++)
        queue(bed, number, route, 1000);
    assert_int_equal(run(bed, BREAKER_WORKED, 1000), BREAKER_SAME);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM handler_state"), 0);
    assert_int_equal(run(bed, BREAKER_FAILED, 2000), BREAKER_COUNTED);
    assert_int_equal(run(bed, BREAKER_WORKED, 2500), BREAKER_COUNTED);
    assert_int_equal(run(bed, BREAKER_FAILED, 3000), BREAKER_COUNTED);
    assert_string_equal(bed_text(bed, pause_sql), "");
    assert_int_equal(run(bed, BREAKER_FAILED, 4000), BREAKER_PAUSES);
    assert_string_equal(bed_text(bed, pause_sql), "failures 4001 5001 2 2 failures in a row: trouble");
    assert_string_equal(bed_text(bed, "SELECT route || handler || paused_by || since || until FROM pauses"),
                        "a@example.comxfailures1970-01-01T00:00:04.001Z1970-01-01T00:00:05.001Z");
}

/* It works again: what waits for a retry is due, and the pause is not part of its time. */
static void success_resumes_all(void **state)
{
    struct bed *bed = *state;

    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, route, 1000);
    (void)run(bed, BREAKER_FAILED, 2000);
    (void)run(bed, BREAKER_FAILED, 3000);
    assert_int_equal(run(bed, BREAKER_FAILED, 4002), BREAKER_PAUSES);
    assert_string_equal(bed_text(bed, pause_sql), "failures 3001 6003 3 3 failures in a row: trouble");
    assert_int_equal(run(bed, BREAKER_WORKED, 7500), BREAKER_RESUMES);
    assert_string_equal(bed_text(bed, pause_sql), "");
    assert_string_equal(
        bed_text(bed, "SELECT group_concat(state || coalesce(due_ms, '') || ' ' || held_ms) FROM delivery"),
        "done 0,retry7501 4500,retry7501 4500");
}

/* The one that was tried least says most; in a pause one that always fails must not be the only one that is tried. */
static void a_probe_is_the_one_tried_least(void **state)
{
    struct bed *bed = *state;
    int64_t id = 0;

    assert_int_equal(ledger_probe(&bed->index, route, "x", 9000, &id, &bed->err), 0);
    for (unsigned number = 1; number <= 3; number++)
        queue(bed, number, route, 1000);
    (void)run(bed, BREAKER_FAILED, 2000);
    assert_int_equal(ledger_probe(&bed->index, route, "x", 9000, &id, &bed->err), 1);
    assert_int_equal(id, 2);
}

static void the_operator_pauses_and_resumes(void **state)
{
    struct bed *bed = *state;

    queue(bed, 1, route, 1000);
    queue(bed, 2, route, 1000);
    (void)run(bed, BREAKER_FAILED, 1500);
    assert_int_equal(ledger_resume(&bed->index, route, "x", 2000, &bed->err), 0);
    assert_int_equal(ledger_pause(&bed->index, route, "x", "the disk is full", 2000, &bed->err), 1);
    assert_string_equal(bed_text(bed, pause_sql), "operator 2000 - 0 the disk is full");
    /* What ran already ends; that is counted, and does not change the pause. */
    assert_int_equal(run(bed, BREAKER_FAILED, 3000), BREAKER_COUNTED);
    assert_string_equal(bed_text(bed, pause_sql), "operator 2000 - 1 the disk is full");
    assert_int_equal(ledger_resume(&bed->index, route, "x", 4000, &bed->err), 1);
    assert_string_equal(bed_text(bed, pause_sql), "");
    assert_string_equal(bed_text(bed, "SELECT group_concat(state || due_ms || ' ' || held_ms) FROM delivery"),
                        "retry4000 2000,retry4000 2000");
    assert_int_equal(bed_number(bed, "SELECT failures FROM handler_state"), 0);
}

static void a_clock_that_was_set_back_makes_no_pause_longer(void **state)
{
    struct bed *bed = *state;
    int64_t until_ms;

    queue(bed, 1, route, 1000);
    queue(bed, 2, route, 1000);
    assert_int_equal(run(bed, BREAKER_FAILED, 1000), BREAKER_COUNTED);
    assert_int_equal(run(bed, BREAKER_FAILED, 1100), BREAKER_PAUSES);
    until_ms = bed_number(bed, "SELECT until_ms FROM handler_state");
    bed_ok(bed, ledger_set_back(&bed->index, 500, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT until_ms FROM handler_state"), until_ms - 500);
    assert_int_equal(bed_number(bed, "SELECT until_ms - paused_ms FROM handler_state"), 1000);
    /* And while no processor ran, of which nobody knows by how much. */
    bed_ok(bed, ledger_recover(&bed->index, 200, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT until_ms FROM handler_state"), 1200);
    bed_ok(bed, ledger_recover(&bed->index, 900, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT until_ms FROM handler_state"), 1200);
}

static void a_replay_forgets_what_was_held(void **state)
{
    struct bed *bed = *state;
    const struct ledger_change change = {.config = &bed->config, .now_ms = 5000};
    int queued = 0;

    queue(bed, 1, route, 1000);
    (void)run(bed, BREAKER_FAILED, 1500);
    assert_int_equal(ledger_pause(&bed->index, route, "x", "", 2000, &bed->err), 1);
    assert_int_equal(ledger_resume(&bed->index, route, "x", 4000, &bed->err), 1);
    bed_ok(bed, ledger_replay(&bed->index, &change, bed_id(1), &queued, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT held_ms FROM delivery"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_make, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dead_with_continue_releases_the_next),
        TEST(continue_is_for_the_dead_alone),
        TEST(a_replay_does_not_break_the_order_of_a_chain),
        TEST(each_handler_that_has_to_do_is_found),
        TEST(what_waits_is_found_by_an_index),
        TEST(a_pass_costs_the_same_however_much_waits),
        TEST(the_oldest_is_the_oldest_message),
        TEST(a_message_that_is_being_read_is_older),
        TEST(all_of_a_group_end_with_their_run),
        TEST(a_group_is_tried_again_together),
        TEST(a_group_releases_what_is_behind_each),
        TEST(a_group_that_was_interrupted_is_tried_again),
        TEST(a_group_whose_leader_was_called_off_is_not_started),
        TEST(a_group_has_its_bound),
        TEST(failures_in_a_row_pause_a_handler),
        TEST(success_resumes_all),
        TEST(a_probe_is_the_one_tried_least),
        TEST(the_operator_pauses_and_resumes),
        TEST(a_clock_that_was_set_back_makes_no_pause_longer),
        TEST(a_replay_forgets_what_was_held),
    };

    return cmocka_run_group_tests_name("ledger_handler", tests, NULL, NULL);
}
