/*
 * Intake, with the helper's end of the socket in our own hands: what it is asked for is seen, and what it would
 * answer is said.
 */
#include "tests/unit/bed.h"

#include <errno.h>

#include "common/frame.h"
#include "processor/arrival.h"
#include "processor/intake.h"
#include "processor/ledger.h"

static struct message_helper helper;
static int helper_end;
static struct intake intake;
static struct outbox outbox;
static struct filing filing;
static struct message_answer answer;

static int open_intake(void **state)
{
    struct bed *bed;
    int ends[2];

    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    if (frame_pair(ends, &bed->err) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
        return -1;
    helper = (struct message_helper){.socket = ends[0], .pid = getpid()};
    helper_end = ends[1];
    filing = (struct filing){.index = &bed->index, .spool = &bed->spool, .outbox = &outbox};
    intake = (struct intake){
        .config = &bed->config, .index = &bed->index, .spool = &bed->spool, .filing = &filing, .helper = &helper};
    return outbox_open(&outbox, &bed->spool, &bed->index, &bed->err);
}

static int close_intake(void **state)
{
    intake_forget(&intake);
    filing_free(&filing);
    outbox_close(&outbox);
    (void)close(helper.socket);
    (void)close(helper_end);
    return bed_remove(state);
}

/* The token of what the helper is asked next, 0 for nothing; the message that came with it is closed. */
static uint64_t asked(void)
{
    char storage[256];
    struct frame_reader frame;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;

    if (frame_receive(helper_end, storage, sizeof storage, &frame, fds, &fd_count, &err) != 1)
        return 0;
    assert_int_equal(frame.type, MESSAGE_FRAME_PARSE);
    assert_int_equal(fd_count, 1);
    (void)close(fds[0]);
    return frame_number(&frame);
}

static void say(enum message_answer_kind kind, uint64_t token, enum err_kind error, int64_t now_ms)
{
    memset(&answer, 0, sizeof answer);
    answer.kind = kind;
    answer.token = token;
    answer.err.kind = error;
    snprintf(answer.headers.subject, sizeof answer.headers.subject, "parsed");
    helper.in_flight--;
    intake_answered(&intake, &answer, now_ms);
    /* As at the end of a turn; each step was a transaction of its own. */
    intake_committed(&intake, now_ms);
    filing_hurry(&filing, now_ms);
    filing_committed(&filing);
}

static void scan(struct bed *bed)
{
    bed_ok(bed, intake_scan(&intake, &bed->err));
}

static void put_text(const struct bed *bed, const char *name, const char *text)
{
    int fd = openat(bed->spool.new, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void a_file_is_asked_about_and_queued(void **state)
{
    struct bed *bed = *state;
    uint64_t size = bed_put_message(bed, bed_id(1), "chain@example.com", "a@example.com");
    uint64_t token;

    intake_arrived(&intake, bed_id(1), 1000);
    intake_closed(&intake, bed_id(1), 1000); /* its second event */
    token = asked();
    assert_true(token != 0 && (token & INTAKE_NOT_MINE) == 0);
    assert_int_equal(asked(), 0);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 0);
    say(MESSAGE_PARSED, token, ERR_NONE, 2000);
    assert_true(intake.queued);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 4);
    assert_int_equal(bed_number(bed, "SELECT size_bytes FROM message"), (int64_t)size);
    assert_int_equal(bed_number(bed, "SELECT queued_ms FROM message"), 2000);
    assert_string_equal(bed_text(bed, "SELECT subject FROM message"), "parsed");
    intake_closed(&intake, bed_id(1), 3000); /* it is queued: nothing to do */
    assert_int_equal(asked(), 0);
    intake_arrived(&intake, bed_id(1), 3000); /* somebody moved it out and in */
    say(MESSAGE_PARSED, asked(), ERR_NONE, 4000);
    assert_int_equal(bed_number(bed, "SELECT queued_ms FROM message"), 2000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 4);
    assert_int_equal(unlinkat(bed->spool.new, bed_id(1), 0), 0);
    intake_arrived(&intake, bed_id(1), 5000); /* or out again */
    assert_int_equal(asked(), 0);
    assert_null(strstr(bed->log, "is not in the spool"));
    assert_int_equal(bed_number(bed, "SELECT queued_ms FROM message"), 2000);
}

static void what_is_kept_goes_to_cur_at_once(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "kept@example.com", NULL);
    intake_arrived(&intake, bed_id(1), 1000);
    say(MESSAGE_PARSED, asked(), ERR_NONE, 2000);
    assert_true(bed_has_file(bed, "cur", "1KADPTED00000001:2,"));
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 2000);
}

static void a_scan_gives_rows_to_files_without(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    (void)bed_put_message(bed, bed_id(2), "a@example.com", "ask@example.com");
    scan(bed);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message WHERE queued_ms IS NULL"), 2);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM recipient"), 3);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 0);
    assert_int_equal(bed_number(bed, "SELECT received_ms FROM message WHERE id LIKE '%2'"), id_time_ms(bed_id(2)));
    scan(bed);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 2);
    intake_continue(&intake, 1000);
    assert_true(asked() != 0 && asked() != 0 && asked() == 0);
    assert_int_equal(intake_next_ms(&intake), INT64_MAX);
}

static void what_is_no_message_is_left(void **state)
{
    struct bed *bed = *state;

    put_text(bed, "message.txt", "Subject: x\n\n");
    put_text(bed, bed_id(1), "");
    put_text(bed, bed_id(2), "Subject: without a trace\n\ntext\n");
    put_text(bed, bed_id(3), "Return-Path: <a@example.org>\nX-Original-To: a@exam");
    assert_int_equal(mkdirat(bed->spool.new, bed_id(4), 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", bed->spool.new, bed_id(5)), 0);
    assert_int_equal(mkfifoat(bed->spool.new, bed_id(6), 0600), 0);
    (void)bed_put_message(bed, bed_id(7), "a@example.com", NULL);
    assert_int_equal(renameat(bed->spool.new, bed_id(7), bed->spool.new, bed_id(8)), 0); /* not its own name */
    (void)bed_put_message(bed, bed_id(9), "a@example.com", NULL);
    scan(bed);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 1);
    assert_non_null(strstr(bed->log, "new/message.txt is left where it is"));
    for (unsigned i = 1; i <= 8; i++)
        if (i != 7) {
            char words[64];

            snprintf(words, sizeof words, "new/%s is left where it is", bed_id(i));
            assert_non_null(strstr(bed->log, words));
            assert_true(bed_has_file(bed, "new", bed_id(i)));
            intake_arrived(&intake, bed_id(i), 1000);
        }
    intake_arrived(&intake, "message.txt", 1000);
    intake_arrived(&intake, "nothing", 1000);
    assert_int_equal(asked(), 0);
    assert_int_equal(intake_next_ms(&intake), INT64_MAX);
}

static void only_so_many_are_in_work_at_once(void **state)
{
    struct bed *bed = *state;
    uint64_t tokens[MESSAGE_IN_FLIGHT_MAX];

    for (unsigned i = 0; i < 3 * MESSAGE_IN_FLIGHT_MAX; i++) {
        (void)bed_put_message(bed, bed_id(i), "a@example.com", "ask@example.com");
        intake_arrived(&intake, bed_id(i), 1000);
    }
    for (unsigned i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        assert_true((tokens[i] = asked()) != 0);
    assert_int_equal(asked(), 0);
    /* The others have their rows, whole ones, so that they are found again. */
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM recipient"), 4 * MESSAGE_IN_FLIGHT_MAX);
    intake_continue(&intake, 1000);
    assert_int_equal(asked(), 0);
    for (unsigned i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        say(MESSAGE_PARSED, tokens[MESSAGE_IN_FLIGHT_MAX - 1 - i], ERR_NONE, 2000);
    for (unsigned rest = 2 * MESSAGE_IN_FLIGHT_MAX; rest > 0; rest--) {
        uint64_t token;

        intake_continue(&intake, 2000);
        token = asked();
        assert_true(token != 0);
        say(MESSAGE_PARSED, token, ERR_NONE, 2000);
    }
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 6 * MESSAGE_IN_FLIGHT_MAX);
    intake_continue(&intake, 3000);
    assert_int_equal(asked(), 0);
}

/* A message that breaks its parser must not be lost to that. */
static void without_headers_it_is_queued_all_the_same(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "ask@example.com", NULL);
    intake_arrived(&intake, bed_id(1), 1000);
    say(MESSAGE_FAILED, asked(), ERR_PERMANENT, 2000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 1);
    assert_true(bed_number(bed, "SELECT length(no_reply) FROM message") > 0);
    assert_string_equal(bed_text(bed, "SELECT subject FROM message"), "");
}

static void temporary_trouble_is_tried_again_after_a_pause(void **state)
{
    struct bed *bed = *state;
    uint64_t token;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    scan(bed);
    intake_continue(&intake, 1000);
    say(MESSAGE_FAILED, asked(), ERR_TEMPORARY, 1000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 0);
    assert_int_equal(intake_next_ms(&intake), 1000 + INTAKE_PAUSE_MS);
    intake_continue(&intake, 1000 + INTAKE_PAUSE_MS - 1);
    assert_int_equal(asked(), 0);
    intake_continue(&intake, 1000 + INTAKE_PAUSE_MS);
    assert_true((token = asked()) != 0);
    say(MESSAGE_PARSED, token, ERR_NONE, 3000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 1);
}

static void an_index_in_trouble_is_waited_for(void **state)
{
    struct bed *bed = *state;
    uint64_t token;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    scan(bed);
    intake_continue(&intake, 1000);
    token = asked();
    (void)sqlite3_exec(bed->index.db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    say(MESSAGE_PARSED, token, ERR_NONE, 1000);
    assert_false(intake.queued);
    assert_int_equal(intake_next_ms(&intake), 1000 + INTAKE_PAUSE_MS);
    (void)sqlite3_exec(bed->index.db, "PRAGMA query_only = OFF", NULL, NULL, NULL);
    intake_continue(&intake, 9000);
    say(MESSAGE_PARSED, asked(), ERR_NONE, 9000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 1);
}

static void what_the_helper_forgot_is_asked_again(void **state)
{
    struct bed *bed = *state;
    uint64_t first;
    uint64_t second;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    scan(bed);
    intake_continue(&intake, 1000);
    first = asked();
    helper.in_flight = 0;
    intake_forget(&intake);
    intake_continue(&intake, 2000);
    second = asked();
    assert_true(second != 0 && second != first);
    helper.in_flight++;
    say(MESSAGE_PARSED, first, ERR_NONE, 2000); /* of the one that is gone: nobody's */
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 0);
    say(MESSAGE_PARSED, second, ERR_NONE, 2000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM delivery"), 1);
}

static void a_row_whose_file_is_gone_is_given_up(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    scan(bed);
    assert_int_equal(unlinkat(bed->spool.new, bed_id(1), 0), 0);
    intake_continue(&intake, 1000);
    assert_int_equal(asked(), 0);
    assert_int_equal(bed_number(bed, "SELECT ended_ms FROM message"), 1000);
    assert_non_null(strstr(bed->log, "is not in the spool"));
    intake_continue(&intake, 2000);
    assert_int_equal(intake_next_ms(&intake), INT64_MAX);
}

/* Puts and asks about the first and second message, or third and fourth, ... */
static void ask_about_two(struct bed *bed, unsigned first, uint64_t tokens[2])
{
    for (unsigned i = 0; i < 2; i++) {
        (void)bed_put_message(bed, bed_id(first + i), "a@example.com", NULL);
        intake_arrived(&intake, bed_id(first + i), 1000);
        tokens[i] = asked();
    }
}

/* Some headers take longer to be read, and of what is due for a handler the oldest is to run first. */
static void an_older_one_that_is_being_read_goes_first(void **state)
{
    struct bed *bed = *state;
    struct runner runner = {.context = {.config = &bed->config, .index = &bed->index, .spool = &bed->spool}};
    struct schedule schedule = {.next_ms = INT64_MAX};
    struct arrival arrival = {.schedule = &schedule, .runner = &runner, .is_open = true};
    uint64_t tokens[2];

    intake.arrival = &arrival;
    ask_about_two(bed, 1, tokens);
    say(MESSAGE_PARSED, tokens[1], ERR_NONE, 2000);
    assert_false(intake_has_queued(&intake, 2000));
    assert_int_equal(intake_next_ms(&intake), 2000 + INTAKE_EARLY_MS);
    say(MESSAGE_PARSED, tokens[0], ERR_NONE, 2001);
    assert_int_equal(runner.count, 0);
    assert_true(intake_has_queued(&intake, 2001));
    assert_int_equal(intake_next_ms(&intake), INT64_MAX);
    assert_false(intake_has_queued(&intake, 3000));
    /* It is not waited for much longer. */
    ask_about_two(bed, 3, tokens);
    say(MESSAGE_PARSED, tokens[1], ERR_NONE, 4000);
    assert_false(intake_has_queued(&intake, 4000 + INTAKE_EARLY_MS - 1));
    assert_true(intake_has_queued(&intake, 4000 + INTAKE_EARLY_MS));
    say(MESSAGE_PARSED, tokens[0], ERR_NONE, 4100); /* nobody is before it */
    assert_int_equal(runner.count, 1);
    runner_free(&runner);
}

static void several_at_a_time_have_no_order(void **state)
{
    struct bed *bed = *state;
    uint64_t tokens[2];

    bed->config.routes[1].handlers[0].concurrency = 2;
    ask_about_two(bed, 1, tokens);
    say(MESSAGE_PARSED, tokens[1], ERR_NONE, 2000);
    assert_true(intake_has_queued(&intake, 2000));
}

static void an_early_one_does_not_wait_for_the_clock(void **state)
{
    struct bed *bed = *state;
    uint64_t tokens[2];

    ask_about_two(bed, 1, tokens);
    say(MESSAGE_PARSED, tokens[1], ERR_NONE, 9000);
    assert_false(intake_has_queued(&intake, 2000));
    intake_hurry(&intake); /* it was set back */
    assert_true(intake_has_queued(&intake, 2000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_intake, close_intake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_asked_about_and_queued),
        TEST(what_is_kept_goes_to_cur_at_once),
        TEST(a_scan_gives_rows_to_files_without),
        TEST(what_is_no_message_is_left),
        TEST(only_so_many_are_in_work_at_once),
        TEST(without_headers_it_is_queued_all_the_same),
        TEST(temporary_trouble_is_tried_again_after_a_pause),
        TEST(an_index_in_trouble_is_waited_for),
        TEST(what_the_helper_forgot_is_asked_again),
        TEST(a_row_whose_file_is_gone_is_given_up),
        TEST(an_older_one_that_is_being_read_goes_first),
        TEST(several_at_a_time_have_no_order),
        TEST(an_early_one_does_not_wait_for_the_clock),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
