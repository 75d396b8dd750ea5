/*
 * The clerk at the desk, beside receivers: some ask as theirs do, from a process of their own; others by hand, to see
 * when it is that they hear something.
 */
#include "tests/unit/bed.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/desk.h"
#include "processor/clerk.h"

static struct intake intake;
static struct clerk clerk;

static int open_clerk(void **state)
{
    struct bed *bed;

    if (bed_make(state) != 0)
        return -1;
    bed = *state;
    intake = (struct intake){.config = &bed->config, .index = &bed->index, .spool = &bed->spool};
    clerk = (struct clerk){.intake = &intake, .events = -1, .listener = -1};
    if (index_gather(&bed->index, &bed->err) != 0)
        return -1;
    clerk_open(&clerk, bed->index_path);
    return clerk.listener < 0 ? -1 : 0;
}

static int close_clerk(void **state)
{
    clerk_close(&clerk);
    return bed_remove(state);
}

static int come(const struct bed *bed)
{
    struct sockaddr_un address;
    int guest = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(desk_address(&address, bed->index_path));
    assert_int_equal(connect(guest, (const struct sockaddr *)&address, sizeof address), 0);
    return guest;
}

static void say(int guest, const char *text)
{
    assert_int_equal(send(guest, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int ask(const struct bed *bed, const char *text)
{
    int guest = come(bed);

    say(guest, text);
    return guest;
}

/* Until there is nothing more to hear. */
static void hear(void)
{
    struct pollfd events = {.fd = clerk.events, .events = POLLIN};

    for (int i = 0; i < 1000 && poll(&events, 1, 0) == 1; i++)
        clerk_hear(&clerk, 1000);
    assert_int_equal(poll(&events, 1, 0), 0);
}

enum { NOTHING = -1, SENT_AWAY = 0 };

/* What a guest has heard. */
static int heard(int guest)
{
    char byte;
    ssize_t size = recv(guest, &byte, 1, 0);

    if (size < 0) {
        assert_int_equal(errno, EAGAIN);
        return NOTHING;
    }
    return size == 0 ? SENT_AWAY : byte;
}

static int64_t rows(const struct bed *bed)
{
    return bed_number(bed, "SELECT count(*) FROM message");
}

static void the_answer_comes_behind_the_commit(void **state)
{
    struct bed *bed = *state;
    uint64_t size = bed_put_message(bed, bed_id(1), "chain@example.com", "a@example.com");
    int guest = ask(bed, bed_id(1));

    hear();
    assert_int_equal(heard(guest), NOTHING);
    assert_int_equal(rows(bed), 0);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(heard(guest), NOTHING);
    clerk_answer(&clerk);
    assert_int_equal(heard(guest), DESK_DONE);
    assert_int_equal(heard(guest), SENT_AWAY);
    assert_int_equal(bed_number(bed, "SELECT size_bytes FROM message"), (int64_t)size);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM recipient"), 2);
    (void)close(guest);
}

static void what_could_not_be_committed_is_not_answered(void **state)
{
    struct bed *bed = *state;
    int guest;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    guest = ask(bed, bed_id(1));
    hear();
    index_rollback(&bed->index);
    clerk_lost(&clerk);
    assert_int_equal(heard(guest), SENT_AWAY);
    clerk_answer(&clerk);
    (void)close(guest);
}

static void a_row_that_is_there_is_enough(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = bed_envelope(bed_id(1), "a@example.com", NULL);
    int guest;

    bed_ok(bed, index_add_message(&bed->index, &envelope, 55, &bed->err));
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    envelope_free(&envelope);
    guest = ask(bed, bed_id(1));
    hear();
    assert_false(index_has_gathered(&bed->index));
    clerk_answer(&clerk);
    assert_int_equal(heard(guest), DESK_DONE);
    (void)close(guest);
}

static void several_share_a_turn(void **state)
{
    struct bed *bed = *state;
    int guests[10];

    for (unsigned i = 0; i < 10; i++) {
        (void)bed_put_message(bed, bed_id(i), "a@example.com", NULL);
        guests[i] = ask(bed, bed_id(i));
    }
    hear();
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(heard(guests[i]), DESK_DONE);
        (void)close(guests[i]);
    }
    assert_int_equal(rows(bed), 10);
    assert_int_equal(clerk.count, 0);
}

/* Nobody but a receiver can come; but a receiver may be in strange hands. */
static void who_asks_for_anything_else_is_sent_away(void **state)
{
    static const char *const texts[] = {"1KADPTED0000000",  "1KADPTED000000010", "1kadpted00000001",
                                        "../1KADPTED00000", "1KADPTED0000\n001", "x"};
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int guest = ask(bed, texts[i]);

        hear();
        assert_int_equal(heard(guest), SENT_AWAY);
        (void)close(guest);
    }
    assert_string_equal(bed->log, ""); /* not one byte of theirs gets there */
    assert_false(index_has_gathered(&bed->index));
}

static void a_message_that_is_not_there_gets_no_row(void **state)
{
    struct bed *bed = *state;
    int guest = ask(bed, bed_id(9));

    hear();
    assert_int_equal(heard(guest), SENT_AWAY);
    assert_non_null(strstr(bed->log, "is not in the spool"));
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    assert_int_equal(rows(bed), 0);
    (void)close(guest);
}

static void a_file_that_is_no_message_gets_no_row(void **state)
{
    struct bed *bed = *state;
    int fd = openat(bed->spool.new, bed_id(3), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int guest = ask(bed, bed_id(3));

    assert_int_equal(write(fd, "nothing\n", 8), 8);
    (void)close(fd);
    hear();
    assert_int_equal(heard(guest), SENT_AWAY);
    assert_non_null(strstr(bed->log, "is left where it is"));
    (void)close(guest);
}

static void a_second_word_is_one_too_many(void **state)
{
    struct bed *bed = *state;
    int guest;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    guest = ask(bed, bed_id(1));
    say(guest, bed_id(1));
    hear();
    assert_int_equal(heard(guest), SENT_AWAY);
    (void)close(guest);
}

static void who_leaves_is_forgotten(void **state)
{
    struct bed *bed = *state;
    int silent = come(bed);
    int guest;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    guest = ask(bed, bed_id(1));
    hear();
    assert_int_equal(clerk.count, 2);
    (void)close(silent);
    (void)close(guest);
    hear();
    assert_int_equal(clerk.count, 0);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    assert_int_equal(rows(bed), 1);
}

static void who_says_nothing_gives_way(void **state)
{
    struct bed *bed = *state;
    int silent[CLERK_GUESTS_MAX];
    int guest;

    for (size_t i = 0; i < CLERK_GUESTS_MAX; i++) {
        silent[i] = come(bed);
        hear();
    }
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    guest = ask(bed, bed_id(1));
    hear();
    assert_int_equal(clerk.count, CLERK_GUESTS_MAX);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    assert_int_equal(heard(guest), DESK_DONE);
    assert_int_equal(heard(silent[0]), SENT_AWAY);
    assert_int_equal(heard(silent[1]), NOTHING);
    for (size_t i = 0; i < CLERK_GUESTS_MAX; i++)
        (void)close(silent[i]);
    (void)close(guest);
}

static void more_than_have_room_wait_for_the_next_turn(void **state)
{
    struct bed *bed = *state;
    int guests[CLERK_GUESTS_MAX + 1];

    for (unsigned i = 0; i <= CLERK_GUESTS_MAX; i++) {
        (void)bed_put_message(bed, bed_id(i), "a@example.com", NULL);
        guests[i] = ask(bed, bed_id(i));
    }
    for (unsigned i = 0; i < 5; i++)
        clerk_hear(&clerk, 1000);
    assert_int_equal(clerk.count, CLERK_GUESTS_MAX);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    hear();
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    for (unsigned i = 0; i <= CLERK_GUESTS_MAX; i++) {
        assert_int_equal(heard(guests[i]), DESK_DONE);
        (void)close(guests[i]);
    }
}

static void without_descriptors_it_pauses(void **state)
{
    struct bed *bed = *state;
    struct rlimit before, none;
    int guest;

    if (support_under_valgrind()) /* which takes the guest from the kernel all the same, and loses it */
        return;
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    guest = ask(bed, bed_id(1));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)guest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    clerk_hear(&clerk, 1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(clerk.resume_ms, 1000 + CLERK_PAUSE_MS);
    assert_non_null(strstr(bed->log, "for a moment: Too many open files"));
    assert_int_equal(heard(guest), NOTHING);
    hear();
    assert_int_equal(clerk.resume_ms, 0);
    bed_ok(bed, index_settle(&bed->index, &bed->err));
    clerk_answer(&clerk);
    assert_int_equal(heard(guest), DESK_DONE);
    (void)close(guest);
}

/* Gives what desk_ask says in a process of its own, while the processor's loop turns; or does not. */
static bool asks(struct bed *bed, const char *id, bool turns)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(desk_ask(bed->index_path, id) ? 1 : 0);
    while (turns && waitpid(child, &status, WNOHANG) == 0) {
        struct pollfd events = {.fd = clerk.events, .events = POLLIN};

        if (poll(&events, 1, 10) == 1)
            clerk_hear(&clerk, 1000);
        bed_ok(bed, index_settle(&bed->index, &bed->err));
        clerk_answer(&clerk);
    }
    if (!turns)
        assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

static void a_receiver_asks(void **state)
{
    struct bed *bed = *state;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    assert_true(asks(bed, bed_id(1), true));
    assert_int_equal(rows(bed), 1);
    assert_false(asks(bed, bed_id(2), true));
}

static void a_receiver_waits_for_nobody_for_long(void **state)
{
    struct bed *bed = *state;
    int64_t began_ms = clock_monotonic_ms();
    int64_t took_ms;

    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    assert_false(asks(bed, bed_id(1), false));
    took_ms = clock_monotonic_ms() - began_ms;
    assert_true(took_ms >= DESK_WAIT_MS && took_ms < 5 * DESK_WAIT_MS);
}

static void nobody_is_there(void **state)
{
    char path[200] = "/";
    struct bed *bed = *state;
    int64_t began_ms = clock_monotonic_ms();

    clerk_close(&clerk);
    assert_int_equal(access(support_path(bed->folder, "index.db-desk"), F_OK), 0); /* as after its death */
    assert_false(desk_ask(bed->index_path, bed_id(1)));
    assert_false(desk_ask(support_path(bed->folder, "other.db"), bed_id(1)));
    memset(path + 1, 'x', sizeof path - 2);
    assert_false(desk_ask(path, bed_id(1)));
    assert_true(clock_monotonic_ms() - began_ms < DESK_WAIT_MS);
}

static void the_next_takes_the_place(void **state)
{
    struct bed *bed = *state;

    clerk_close(&clerk);
    clerk_open(&clerk, bed->index_path);
    assert_true(clerk.listener >= 0);
    (void)bed_put_message(bed, bed_id(1), "a@example.com", NULL);
    assert_true(asks(bed, bed_id(1), true));
    assert_string_equal(bed->log, "");
}

/* The signal to stop and a guest are heard of at once, the signal first. */
static void one_that_was_closed_hears_nothing(void **state)
{
    struct bed *bed = *state;
    int guest = ask(bed, bed_id(1));

    clerk_close(&clerk);
    clerk_hear(&clerk, 1000);
    assert_int_equal(clerk.resume_ms, 0);
    assert_int_equal(clerk.count, 0);
    assert_string_equal(bed->log, "");
    (void)close(guest);
}

static void the_group_may_ask_and_nobody_else(void **state)
{
    struct bed *bed = *state;
    struct stat status;
    mode_t before = umask(0007);

    clerk_close(&clerk);
    clerk_open(&clerk, bed->index_path);
    (void)umask(before);
    assert_int_equal(stat(support_path(bed->folder, "index.db-desk"), &status), 0);
    assert_int_equal(status.st_mode & 0077, 0070);
}

static void without_a_place_all_goes_on(void **state)
{
    struct bed *bed = *state;
    char path[200] = "/";

    clerk_close(&clerk);
    memset(path + 1, 'x', sizeof path - 2);
    clerk_open(&clerk, path);
    assert_int_equal(clerk.events, -1);
    assert_non_null(strstr(bed->log, "is too long for a socket"));
    assert_int_equal(unlink(support_path(bed->folder, "index.db-desk")), 0);
    assert_int_equal(mkdir(support_path(bed->folder, "index.db-desk"), 0700), 0);
    clerk_open(&clerk, bed->index_path);
    assert_int_equal(clerk.events, -1);
    assert_int_equal(clerk.listener, -1);
    assert_non_null(strstr(bed->log, "receivers open the index themselves"));
    clerk_answer(&clerk);
    assert_int_equal(rmdir(support_path(bed->folder, "index.db-desk")), 0);
}

static void what_is_no_desk_is_not_removed(void **state)
{
    struct bed *bed = *state;
    const char *path = support_path(bed->folder, "index.db-desk");
    struct stat status;
    int fd;

    clerk_close(&clerk);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    clerk_open(&clerk, bed->index_path);
    assert_int_equal(clerk.events, -1);
    assert_non_null(strstr(bed->log, "is in the way"));
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
}

int main(void)
{
#define WITH_CLERK(test) cmocka_unit_test_setup_teardown(test, open_clerk, close_clerk)
    const struct CMUnitTest tests[] = {
        WITH_CLERK(the_answer_comes_behind_the_commit),
        WITH_CLERK(what_could_not_be_committed_is_not_answered),
        WITH_CLERK(a_row_that_is_there_is_enough),
        WITH_CLERK(several_share_a_turn),
        WITH_CLERK(who_asks_for_anything_else_is_sent_away),
        WITH_CLERK(a_message_that_is_not_there_gets_no_row),
        WITH_CLERK(a_file_that_is_no_message_gets_no_row),
        WITH_CLERK(a_second_word_is_one_too_many),
        WITH_CLERK(who_leaves_is_forgotten),
        WITH_CLERK(who_says_nothing_gives_way),
        WITH_CLERK(more_than_have_room_wait_for_the_next_turn),
        WITH_CLERK(without_descriptors_it_pauses),
        WITH_CLERK(a_receiver_asks),
        WITH_CLERK(a_receiver_waits_for_nobody_for_long),
        WITH_CLERK(nobody_is_there),
        WITH_CLERK(the_next_takes_the_place),
        WITH_CLERK(one_that_was_closed_hears_nothing),
        WITH_CLERK(the_group_may_ask_and_nobody_else),
        WITH_CLERK(without_a_place_all_goes_on),
        WITH_CLERK(what_is_no_desk_is_not_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
