/* Messages that are started in the step that queues them, and those that are left to the schedule. */
#include "tests/unit/bed.h"

#include "processor/arrival.h"
#include "processor/ledger.h"
#include "processor/ledger_handler.h"

static const char routes[] = "max-runs = 2\n"
                             "route \"plain@example.com\" { handler \"one\" { run = {\"/bin/true\"} } "
                             "handler \"two\" { run = {\"/bin/true\"} } }\n"
                             "route \"filter@example.com\" { handler \"x\" { filter = {\"/bin/cat\"} } }\n"
                             "route \"reply@example.com\" { handler \"x\" { reply = {\"/bin/true\"} } }\n"
                             "route \"ordered@example.com\" { handler \"x\" { run = {\"/bin/true\"} "
                             "ordered = \"true\" } }\n"
                             "route \"burst@example.com\" { handler \"x\" { run = {\"/bin/true\"} "
                             "coalesce = \"5s\" } }\n"
                             "route \"copies@example.com\" { dedupe = \"1d\" handler \"x\" { run = {\"/bin/true\"} } "
                             "}\n"
                             "route \"kept@example.com\" {}\n";

static struct runner runner;
static struct schedule schedule;
static struct arrival arrival;
static struct message_headers headers;

static int open_arrival(void **state)
{
    struct config_errors errors = {0};
    struct bed *bed;

    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    config_free(&bed->config);
    runner = (struct runner){.context = {.config = &bed->config, .index = &bed->index, .spool = &bed->spool}};
    schedule = (struct schedule){.next_ms = INT64_MAX};
    arrival = (struct arrival){.schedule = &schedule, .runner = &runner, .is_open = true};
    snprintf(headers.subject, sizeof headers.subject, "hello");
    snprintf(headers.reply_to, sizeof headers.reply_to, "other@example.org");
    memset(headers.references, 'r', MESSAGE_TEXT_MAX); /* as long as it can be */
    return config_load_text(&bed->config, "/mailmill.conf", routes, &errors);
}

static int close_arrival(void **state)
{
    runner_free(&runner);
    return bed_remove(state);
}

static int arrive(struct bed *bed, unsigned number, const char *first, const char *second)
{
    struct envelope envelope = bed_envelope(bed_id(number), first, second);
    int started;

    if (!bed_has_file(bed, "new", bed_id(number)))
        (void)bed_put_message(bed, bed_id(number), first, second);
    started = arrival_start(&arrival, &envelope, 55, &headers, 1000, &bed->err);
    envelope_free(&envelope);
    return started;
}

static void one_that_finds_nothing_waiting_runs(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 1);
    assert_int_equal(runner.count, 1);
    assert_int_equal(runner.attempts[0]->stage, ATTEMPT_STARTING);
    assert_true(runner.attempts[0]->message >= 0);
    assert_true(runner.attempts[0]->may_reply);
    assert_string_equal(runner.attempts[0]->key, "1KADPTED00000001.1.one");
    assert_string_equal(bed_text(bed, "SELECT group_concat(handler || ' ' || state || ' ' || attempts || ' ' || "
                                      "(due_ms IS NULL), ', ') FROM (SELECT * FROM delivery ORDER BY position)"),
                        "one running 1 1, two pending 0 1");
    assert_string_equal(bed_text(bed,
                                 "SELECT d.handler || ' ' || a.number || ' ' || a.outcome || ' ' || a.started_ms "
                                 "FROM attempt a JOIN delivery d ON d.id = a.delivery_id"),
                        "one 1 running 1000");
    assert_string_equal(bed_text(bed, "SELECT subject || ' ' || queued_ms || ' ' || size_bytes FROM message"),
                        "hello 1000 55");
    assert_int_equal(bed_number(bed, "SELECT count FROM tally WHERE handler = 'one' AND state = 'running'"), 1);
}

/* What its handler is told is what it would be told after the schedule had found it. */
static void it_is_as_if_it_had_been_loaded(void **state)
{
    static struct delivery loaded;
    struct bed *bed = *state;
    const struct delivery *d;

    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 1);
    d = &runner.attempts[0]->delivery;
    bed_ok(bed, ledger_load(&bed->index, d->id, &loaded, &bed->err));
    assert_string_equal(d->message_id, loaded.message_id);
    assert_int_equal(d->recipient, loaded.recipient);
    assert_string_equal(d->address.text, loaded.address.text);
    assert_int_equal(d->address.local_size, loaded.address.local_size);
    assert_string_equal(d->route, loaded.route);
    assert_string_equal(d->handler, loaded.handler);
    assert_int_equal(d->position, loaded.position);
    assert_int_equal(d->attempts, loaded.attempts);
    assert_int_equal(d->attempts_before, loaded.attempts_before);
    assert_int_equal(d->queued_ms, loaded.queued_ms);
    assert_int_equal(d->first_ms, 0); /* it has not been tried before */
    assert_int_equal(d->held_ms, loaded.held_ms);
    assert_int_equal(d->replay, loaded.replay);
    assert_string_equal(d->output, loaded.output);
    assert_string_equal(d->sender.text, loaded.sender.text);
    assert_int_equal(d->sender.local_size, loaded.sender.local_size);
    assert_string_equal(d->client_address, loaded.client_address);
    assert_string_equal(d->client_helo, loaded.client_helo);
    assert_string_equal(d->client_protocol, loaded.client_protocol);
    assert_string_equal(d->tls, loaded.tls);
    assert_string_equal(d->headers.subject, loaded.headers.subject);
    assert_string_equal(d->headers.from, loaded.headers.from);
    assert_string_equal(d->headers.to, loaded.headers.to);
    assert_string_equal(d->headers.date, loaded.headers.date);
    assert_string_equal(d->headers.reply_to, loaded.headers.reply_to);
    assert_string_equal(d->headers.message_id, loaded.headers.message_id);
    assert_string_equal(d->headers.references, loaded.headers.references);
    assert_string_equal(d->headers.list_id, loaded.headers.list_id);
    assert_string_equal(d->headers.no_reply, loaded.headers.no_reply);
}

/* Nothing of it is written down, so that it can be queued. */
static void assert_left(struct bed *bed, int started)
{
    assert_int_equal(started, 0);
    assert_int_equal(runner.count, 0);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 0);
}

static void what_needs_more_is_queued(void **state)
{
    struct bed *bed = *state;

    assert_left(bed, arrive(bed, 1, "plain@example.com", "plain+too@example.com"));
    assert_left(bed, arrive(bed, 2, "filter@example.com", NULL));
    assert_left(bed, arrive(bed, 3, "reply@example.com", NULL));
    assert_left(bed, arrive(bed, 4, "ordered@example.com", NULL));
    assert_left(bed, arrive(bed, 5, "burst@example.com", NULL));
    assert_left(bed, arrive(bed, 6, "copies@example.com", NULL));
    assert_left(bed, arrive(bed, 7, "kept@example.com", NULL));
    assert_left(bed, arrive(bed, 8, "nobody@example.org", NULL));
}

static void nothing_starts_before_its_turn(void **state)
{
    struct bed *bed = *state;

    arrival.is_open = false;
    assert_left(bed, arrive(bed, 1, "plain@example.com", NULL));
    arrival.is_open = true;
    schedule.next_ms = 1000; /* something is due */
    assert_left(bed, arrive(bed, 2, "plain@example.com", NULL));
    schedule_wait(&schedule, 5000);
    assert_left(bed, arrive(bed, 3, "plain@example.com", NULL));
    schedule = (struct schedule){.next_ms = 1001};
    runner.changed = true; /* something may be, with the place that is free now */
    assert_left(bed, arrive(bed, 4, "plain@example.com", NULL));
    runner.changed = false;
    assert_int_equal(arrive(bed, 5, "plain@example.com", NULL), 1);
}

static void a_handler_has_its_places(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 1);
    assert_int_equal(arrive(bed, 2, "plain@example.com", NULL), 0);
    bed->config.routes[0].handlers[0].concurrency = 3;
    assert_int_equal(arrive(bed, 3, "plain@example.com", NULL), 1);
    assert_int_equal(arrive(bed, 4, "plain@example.com", NULL), 0); /* max-runs */
    assert_int_equal(runner.count, 2);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 2);
}

static void a_paused_handler_is_not_run(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(ledger_pause(&bed->index, "plain@example.com", "one", "", 500, &bed->err), 1);
    assert_left(bed, arrive(bed, 1, "plain@example.com", NULL));
    assert_int_equal(ledger_resume(&bed->index, "plain@example.com", "one", 600, &bed->err), 1);
    assert_int_equal(arrive(bed, 2, "plain@example.com", NULL), 1);
}

static void what_is_known_is_not_run_again(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = bed_envelope(bed_id(1), "plain@example.com", NULL);

    bed_ok(bed, ledger_queue(&bed->index, &bed->config, &envelope, 55, NULL, "", 500, &bed->err));
    envelope_free(&envelope);
    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 0);
    assert_int_equal(runner.count, 0);
    assert_string_equal(bed_text(bed, "SELECT group_concat(DISTINCT state) FROM delivery"), "pending");
    assert_int_equal(bed_number(bed, "SELECT queued_ms FROM message"), 500);
}

/* A turn whose transaction fails: the message is as new. */
static void what_was_lost_never_was(void **state)
{
    struct bed *bed = *state;

    bed_ok(bed, index_gather(&bed->index, &bed->err));
    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 1);
    (void)sqlite3_exec(bed->index.db, "ROLLBACK", NULL, NULL, NULL);
    assert_int_equal(index_settle(&bed->index, &bed->err), -1);
    runner_lost(&runner, 1000);
    assert_left(bed, 0);
    assert_int_equal(arrive(bed, 1, "plain@example.com", NULL), 1);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM attempt"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arrival, close_arrival)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_finds_nothing_waiting_runs),
        TEST(it_is_as_if_it_had_been_loaded),
        TEST(what_needs_more_is_queued),
        TEST(nothing_starts_before_its_turn),
        TEST(a_handler_has_its_places),
        TEST(a_paused_handler_is_not_run),
        TEST(what_is_known_is_not_run_again),
        TEST(what_was_lost_never_was),
    };

    return cmocka_run_group_tests_name("arrival", tests, NULL, NULL);
}
