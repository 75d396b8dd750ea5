#include "tests/unit/bed.h"

#include "processor/ledger.h"
#include "processor/ledger_change.h"
#include "processor/ledger_handler.h"

/* `handler=state` for each delivery, in order. */
static const char states_sql[] =
    "SELECT group_concat(handler || '=' || state, ' ') FROM (SELECT * FROM delivery ORDER BY recipient, position)";

static void queue(struct bed *bed, const char *id, const char *first, const char *second, int64_t now_ms)
{
    static const struct message_headers headers = {.subject = "hello", .from = "asker@example.org"};
    struct envelope envelope = bed_envelope(id, first, second);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 100, &headers, "", now_ms, &bed->err));
    envelope_free(&envelope);
}

/* The delivery of a handler that is due; 0: none is. */
static int64_t due(struct bed *bed, const char *route, const char *handler, int64_t now_ms)
{
    int64_t id = 0;

    assert_true(ledger_due(&bed->index, route, handler, now_ms, &id, &bed->err) >= 0);
    return id;
}

static int64_t next_due(struct bed *bed, const char *route, const char *handler)
{
    struct ledger_due waits = {0};

    bed_ok(bed, ledger_waits(&bed->index, route, handler, &waits, &bed->err));
    return waits.first_ms;
}

/* Takes the due delivery of a handler through an attempt that ends so. */
static void attempt(struct bed *bed, const char *route, const char *handler, int64_t now_ms, struct ledger_end end)
{
    struct delivery delivery;
    int64_t id = due(bed, route, handler, now_ms);

    assert_true(id > 0);
    if (end.detail == NULL)
        end.detail = "";
    bed_ok(bed, ledger_load(&bed->index, id, &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, now_ms, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &end, now_ms + 1, &bed->err));
}

static void a_message_is_queued_once(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(ledger_is_queued(&bed->index, bed_id(1), &bed->err), 0);
    queue(bed, bed_id(1), "chain@example.com", "a+ext@example.com", 1000);
    assert_int_equal(ledger_is_queued(&bed->index, bed_id(1), &bed->err), 1);
    assert_string_equal(bed_text(bed, states_sql), "one=pending two=pending three=pending x=pending");
    assert_string_equal(bed_text(bed, "SELECT subject || header_from || size_bytes FROM message"),
                        "helloasker@example.org100");
    queue(bed, bed_id(1), "ask@example.com", NULL, 2000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 4);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM recipient"), 2);
    assert_int_equal(bed_number(bed, "SELECT queued_ms FROM message"), 1000);
}

static void a_row_of_the_receiver_s_is_taken_up(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = bed_envelope(bed_id(1), "a@example.com", NULL);

    bed_ok(bed, index_add_message(&bed->index, &envelope, 55, &bed->err));
    assert_int_equal(ledger_is_queued(&bed->index, bed_id(1), &bed->err), 0);
    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 55, NULL, "", 1000, &bed->err));
    envelope_free(&envelope);
    assert_string_equal(bed_text(bed, states_sql), "x=pending");
    assert_string_equal(bed_text(bed, "SELECT no_reply FROM message"), "the message's headers could not be read");
    assert_string_equal(bed_text(bed, "SELECT subject FROM message"), "");
}

static void mail_without_handlers_has_no_deliveries(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally;

    queue(bed, bed_id(1), "kept@example.com", "postmaster@example.com", 1000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 0);
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.deliveries + tally.waiting + tally.dead, 0);
}

static void only_the_first_of_a_chain_is_due(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    assert_int_equal(due(bed, "chain@example.com", "one", 999), 0);
    assert_true(due(bed, "chain@example.com", "one", 1000) > 0);
    assert_int_equal(due(bed, "chain@example.com", "two", INT64_MAX), 0);
    assert_int_equal(next_due(bed, "chain@example.com", "one"), 1000);
    assert_int_equal(next_due(bed, "chain@example.com", "two"), INT64_MAX);
    assert_int_equal(due(bed, "a@example.com", "one", INT64_MAX), 0);
}

static void done_releases_the_next(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DONE, .has_exit_code = true});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=pending three=pending");
    assert_int_equal(next_due(bed, "chain@example.com", "two"), 1001);
    assert_int_equal(next_due(bed, "chain@example.com", "three"), INT64_MAX);
    attempt(bed, "chain@example.com", "two", 2000, (struct ledger_end){.state = STATE_SKIPPED});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=skipped three=pending");
    assert_int_equal(next_due(bed, "chain@example.com", "three"), 2001);
}

static void retry_comes_back_and_releases_nobody(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000,
            (struct ledger_end){.state = STATE_RETRY, .due_ms = 5000, .signal = 11, .detail = "killed"});
    assert_string_equal(bed_text(bed, states_sql), "one=retry two=pending three=pending");
    assert_int_equal(next_due(bed, "chain@example.com", "one"), 5000);
    assert_int_equal(next_due(bed, "chain@example.com", "two"), INT64_MAX);
    assert_string_equal(bed_text(bed, "SELECT outcome || signal || detail || (exit_code IS NULL) FROM attempt"),
                        "retry11killed1");
    assert_int_equal(bed_number(bed, "SELECT ended_ms IS NULL FROM delivery WHERE handler = 'one'"), 1);
}

static void skip_and_dead_end_the_rest(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DONE, .skip_rest = true});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=skipped three=skipped");
    assert_string_equal(bed_text(bed, "SELECT DISTINCT detail FROM delivery WHERE state = 'skipped'"),
                        "handler one said to skip the rest");
    queue(bed, bed_id(2), "chain@example.com", "a@example.com", 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DEAD});
    assert_string_equal(bed_text(bed, "SELECT group_concat(state, ' ') FROM (SELECT state FROM delivery "
                                      "WHERE message_id LIKE '%2' ORDER BY recipient, position)"),
                        "dead skipped skipped pending");
}

/* A letter that is sent later does not change what its handler said. */
static void a_retry_can_end_the_rest(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000,
            (struct ledger_end){.state = STATE_RETRY, .due_ms = 2000, .skip_rest = true, .output = "file"});
    assert_string_equal(bed_text(bed, states_sql), "one=retry two=skipped three=skipped");
    assert_string_equal(bed_text(bed, "SELECT output FROM delivery WHERE handler = 'one'"), "file");
    attempt(bed, "chain@example.com", "one", 2000, (struct ledger_end){.state = STATE_DONE});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=skipped three=skipped");
    assert_string_equal(bed_text(bed, "SELECT output FROM delivery WHERE handler = 'one'"), "");
}

static void what_is_settled_without_an_attempt_leaves_the_last_one(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;
    const struct ledger_end settled = {.state = STATE_DEAD, .detail = "gone", .out = {"", 0}, .errors = {"", 0}};

    queue(bed, bed_id(1), "a@example.com", NULL, 1000);
    attempt(bed, "a@example.com", "x", 1000,
            (struct ledger_end){.state = STATE_RETRY,
                                .due_ms = 2000,
                                .has_exit_code = true,
                                .exit_code = 75,
                                .detail = "later",
                                .out = SPAN("said")});
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 2000), &delivery, &bed->err));
    bed_ok(bed, ledger_end(&bed->index, &delivery, &settled, 3000, &bed->err));
    assert_string_equal(bed_text(bed, states_sql), "x=dead");
    assert_string_equal(bed_text(bed, "SELECT outcome || exit_code || detail || CAST(stdout AS TEXT) FROM attempt"),
                        "retry75latersaid");
    assert_string_equal(bed_text(bed, "SELECT detail FROM delivery"), "gone");
}

static void the_oldest_due_is_first(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;

    queue(bed, bed_id(1), "a@example.com", NULL, 1000);
    queue(bed, bed_id(2), "a@example.com", NULL, 2000);
    queue(bed, bed_id(3), "a@example.com", NULL, 3000);
    attempt(bed, "a@example.com", "x", 3000, (struct ledger_end){.state = STATE_RETRY, .due_ms = 3500});
    /* It does not block those behind it, and is before them when its time has come. */
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 3499), &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(2));
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 3500), &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(1));
    assert_int_equal(delivery.attempts, 1);
    assert_int_equal(delivery.first_ms, 3000);
}

static void a_delivery_is_loaded_whole(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;
    char key[LEDGER_KEY_SIZE];

    queue(bed, bed_id(1), "kept@example.com", "a+more@example.com", 1000);
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 1000), &delivery, &bed->err));
    assert_string_equal(delivery.message_id, bed_id(1));
    assert_int_equal(delivery.recipient, 2);
    assert_string_equal(delivery.address.text, "a+more@example.com");
    assert_string_equal(delivery.route, "a@example.com");
    assert_string_equal(delivery.handler, "x");
    assert_string_equal(delivery.sender.text, "asker@example.org");
    assert_string_equal(delivery.client_address, "192.0.2.1");
    assert_string_equal(delivery.client_helo, "client.example.org");
    assert_string_equal(delivery.client_protocol, "ESMTP");
    assert_string_equal(delivery.headers.subject, "hello");
    assert_int_equal(delivery.attempts + delivery.attempts_before + delivery.replay, 0);
    ledger_key(&delivery, key);
    assert_string_equal(key, "1KADPTED00000001.2.x");
    assert_int_equal(ledger_load(&bed->index, 4711, &delivery, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_BUG);
}

static void what_was_running_is_tried_again(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;

    queue(bed, bed_id(1), "a@example.com", NULL, 1000);
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 1000), &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    assert_int_equal(delivery.attempts, 1);
    assert_int_equal(due(bed, "a@example.com", "x", INT64_MAX), 0);
    bed_ok(bed, ledger_recover(&bed->index, 9000, &bed->err));
    assert_string_equal(bed_text(bed, states_sql), "x=retry");
    assert_int_equal(next_due(bed, "a@example.com", "x"), 9000);
    assert_string_equal(bed_text(bed, "SELECT outcome || ended_ms FROM attempt"), "retry9000");
    attempt(bed, "a@example.com", "x", 9000, (struct ledger_end){.state = STATE_DONE});
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 2);
}

static void replies_are_counted_by_the_hour(void **state)
{
    struct bed *bed = *state;
    unsigned count = 99;

    queue(bed, bed_id(1), "ask@example.com", NULL, 1000);
    attempt(bed, "ask@example.com", "answer", 1000,
            (struct ledger_end){.state = STATE_DONE, .replied_to = "asker@example.org"});
    bed_ok(bed, ledger_replies(&bed->index, "asker@example.org", 2000, &count, &bed->err));
    assert_int_equal(count, 1);
    bed_ok(bed, ledger_replies(&bed->index, "other@example.org", 2000, &count, &bed->err));
    assert_int_equal(count, 0);
    bed_ok(bed, ledger_replies(&bed->index, "asker@example.org", 1001 + LEDGER_REPLY_WINDOW_MS, &count, &bed->err));
    assert_int_equal(count, 0);
}

static unsigned replies_to(struct bed *bed, const char *address)
{
    unsigned count = 99;

    bed_ok(bed, ledger_replies(&bed->index, address, 2000, &count, &bed->err));
    return count;
}

/* One who asks under other spellings of the own address is the same one. */
static void replies_are_counted_by_person(void **state)
{
    static const char *const same[] = {"asker@example.org", "ASKER@example.org", "Asker+x+y@example.org",
                                       "\"asker+a b\"@example.org"};
    static const char *const others[] = {"aske@example.org", "askerx@example.org", "asker@example.net", ""};
    struct bed *bed = *state;

    queue(bed, bed_id(1), "ask@example.com", NULL, 1000);
    attempt(bed, "ask@example.com", "answer", 1000,
            (struct ledger_end){.state = STATE_DONE, .replied_to = "Asker+Z@example.org"});
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_int_equal(replies_to(bed, same[i]), 1);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(replies_to(bed, others[i]), 0);
    assert_string_equal(bed_text(bed, "SELECT replied_to FROM delivery"), "Asker+Z@example.org");
}

static int replay_now(struct bed *bed, const char *handler, int64_t now_ms, int *queued)
{
    struct ledger_change change = {.config = &bed->config, .choice = {.handler = handler}, .now_ms = now_ms};

    return ledger_replay(&bed->index, &change, bed_id(1), queued, &bed->err);
}

static void replay(struct bed *bed, const char *handler, int64_t now_ms)
{
    int queued = 0;

    bed_ok(bed, replay_now(bed, handler, now_ms, &queued));
    assert_int_equal(queued, 1);
}

static void what_is_not_dead_any_more_revives_the_rest(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DEAD});
    replay(bed, "one", 2000);
    attempt(bed, "chain@example.com", "one", 2000, (struct ledger_end){.state = STATE_DEAD});
    assert_string_equal(bed_text(bed, states_sql), "one=dead two=skipped three=skipped");
    replay(bed, "one", 3000);
    attempt(bed, "chain@example.com", "one", 3000, (struct ledger_end){.state = STATE_DONE});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=pending three=pending");
    assert_int_equal(next_due(bed, "chain@example.com", "two"), 3001);
    assert_int_equal(next_due(bed, "chain@example.com", "three"), INT64_MAX);
    assert_string_equal(bed_text(bed, "SELECT queued_ms || detail || (ended_ms IS NULL) FROM delivery "
                                      "WHERE handler = 'two'"),
                        "30011");
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.waiting, 2);
}

static void only_what_was_dead_revives_the_rest(void **state)
{
    struct bed *bed = *state;

    queue(bed, bed_id(1), "chain@example.com", NULL, 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DONE, .skip_rest = true});
    replay(bed, "one", 2000);
    attempt(bed, "chain@example.com", "one", 2000, (struct ledger_end){.state = STATE_DONE});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=skipped three=skipped");
    replay(bed, "two", 3000);
    attempt(bed, "chain@example.com", "two", 3000, (struct ledger_end){.state = STATE_DONE});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=done three=skipped");
    replay(bed, "one", 4000);
    attempt(bed, "chain@example.com", "one", 4000, (struct ledger_end){.state = STATE_DEAD});
    replay(bed, "one", 5000);
    attempt(bed, "chain@example.com", "one", 5000, (struct ledger_end){.state = STATE_DONE});
    assert_string_equal(bed_text(bed, states_sql), "one=done two=done three=skipped");
}

static void a_replay_starts_over(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;
    int queued = 0;

    queue(bed, bed_id(1), "chain@example.com", "kept@example.com", 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DEAD, .detail = "no"});
    bed_ok(bed, ledger_message_ended(&bed->index, bed_id(1), 1500, &bed->err));
    bed_ok(bed, replay_now(bed, NULL, 2000, &queued));
    assert_int_equal(queued, 3);
    assert_string_equal(bed_text(bed, states_sql), "one=pending two=pending three=pending");
    assert_int_equal(bed_number(bed, "SELECT ended_ms IS NULL FROM message"), 1);
    bed_ok(bed, ledger_load(&bed->index, due(bed, "chain@example.com", "one", 2000), &delivery, &bed->err));
    assert_int_equal(delivery.attempts, 1);
    assert_int_equal(delivery.attempts_before, 1);
    assert_int_equal(delivery.replay, 1);
    assert_int_equal(delivery.queued_ms, 2000);
}

static void a_replay_can_be_refused(void **state)
{
    struct bed *bed = *state;
    struct delivery delivery;
    int queued = 0;

    assert_int_equal(replay_now(bed, NULL, 2000, &queued), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    queue(bed, bed_id(1), "a@example.com", NULL, 1000);
    assert_int_equal(replay_now(bed, "other", 2000, &queued), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    bed_ok(bed, ledger_load(&bed->index, due(bed, "a@example.com", "x", 1000), &delivery, &bed->err));
    bed_ok(bed, ledger_start(&bed->index, &delivery, 1000, &bed->err));
    assert_int_equal(replay_now(bed, NULL, 2000, &queued), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_non_null(strstr(bed->err.text, "is running"));
    assert_string_equal(bed_text(bed, states_sql), "x=running");
}

static void the_tally_counts_states(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally tally;

    queue(bed, bed_id(1), "chain@example.com", "a@example.com", 1000);
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.deliveries, 4);
    assert_int_equal(tally.waiting, 4);
    assert_int_equal(tally.dead, 0);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DEAD});
    bed_ok(bed, ledger_tally(&bed->index, bed_id(1), &tally, &bed->err));
    assert_int_equal(tally.waiting, 1);
    assert_int_equal(tally.dead, 1);
}

/* With what follows from the end, as the transaction leaves it. */
static void an_end_tells_what_is_left(void **state)
{
    struct bed *bed = *state;
    struct ledger_tally left = {0};

    queue(bed, bed_id(1), "chain@example.com", "a@example.com", 1000);
    attempt(bed, "chain@example.com", "one", 1000, (struct ledger_end){.state = STATE_DONE, .left = &left});
    assert_int_equal(left.deliveries, 4);
    assert_int_equal(left.waiting, 3);
    attempt(bed, "chain@example.com", "two", 1001, (struct ledger_end){.state = STATE_DEAD, .left = &left});
    assert_int_equal(left.waiting, 1);
    assert_int_equal(left.dead, 1);
    attempt(bed, "a@example.com", "x", 1000, (struct ledger_end){.state = STATE_DONE, .left = &left});
    assert_int_equal(left.waiting, 0);
    assert_int_equal(left.dead, 1);
}

static void what_is_given_up_is_not_asked_for_again(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = bed_envelope(bed_id(1), "a@example.com", NULL);

    bed_ok(bed, index_add_message(&bed->index, &envelope, 55, &bed->err));
    envelope_free(&envelope);
    bed_ok(bed, ledger_give_up(&bed->index, bed_id(1), 1000, &bed->err));
    assert_int_equal(ledger_is_queued(&bed->index, bed_id(1), &bed->err), 1);
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 1000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_make, bed_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_queued_once),
        TEST(a_row_of_the_receiver_s_is_taken_up),
        TEST(mail_without_handlers_has_no_deliveries),
        TEST(only_the_first_of_a_chain_is_due),
        TEST(done_releases_the_next),
        TEST(retry_comes_back_and_releases_nobody),
        TEST(skip_and_dead_end_the_rest),
        TEST(a_retry_can_end_the_rest),
        TEST(what_is_settled_without_an_attempt_leaves_the_last_one),
        TEST(the_oldest_due_is_first),
        TEST(a_delivery_is_loaded_whole),
        TEST(what_was_running_is_tried_again),
        TEST(replies_are_counted_by_the_hour),
        TEST(replies_are_counted_by_person),
        TEST(what_is_not_dead_any_more_revives_the_rest),
        TEST(only_what_was_dead_revives_the_rest),
        TEST(a_replay_starts_over),
        TEST(a_replay_can_be_refused),
        TEST(the_tally_counts_states),
        TEST(an_end_tells_what_is_left),
        TEST(what_is_given_up_is_not_asked_for_again),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
