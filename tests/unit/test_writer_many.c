/*
 * One writer for many sessions: what they complete together, what one of them can do to the others, and what is left
 * when sessions or the listener go.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/index.h"
#include "receiver/reply.h"
#include "receiver/wire.h"
#include "tests/unit/crowd.h"
#include "tests/unit/support.h"

enum { SESSIONS = 20, FLOOD = 20000 };

static int join(const struct crowd *f, uint64_t number)
{
    return crowd_join(f, number, "192.0.2.1");
}

/* ---- what is left ---- */

static size_t count_files(const struct crowd *f, const char *folder)
{
    DIR *stream = opendir(support_path(f->folder, folder));
    struct dirent *entry;
    size_t count = 0;

    while (stream != NULL && (entry = readdir(stream)) != NULL)
        count += entry->d_name[0] != '.';
    if (stream != NULL)
        (void)closedir(stream);
    return count;
}

static void assert_stored(const struct crowd *f, size_t count)
{
    assert_int_equal(count_files(f, "spool/tmp"), 0);
    assert_int_equal(count_files(f, "spool/new"), count);
}

static void assert_rows(const struct crowd *f, size_t count)
{
    struct index index;
    struct query query;
    struct err err;
    size_t rows = 0;

    assert_int_equal(index_open(&index, support_path(f->folder, "lib/index.db"), INDEX_READER, &err), 0);
    assert_int_equal(query_start(&query, &index, STATEMENT_MESSAGE_UNQUEUED, &err), 0);
    query_number(&query, ":limit", 1000);
    while (query_next(&query, &err) == 1)
        rows++;
    index_close(&index);
    assert_int_equal(rows, count);
}

/* ---- */

static void test_together(void **state)
{
    struct crowd f = crowd_start(state, "");
    int sessions[SESSIONS];

    for (uint64_t i = 0; i < SESSIONS; i++)
        sessions[i] = join(&f, i);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SESSIONS; i++)
            crowd_write(sessions[i]);
        for (size_t i = 0; i < SESSIONS; i++)
            crowd_commit(sessions[i], 2);
        for (size_t i = 0; i < SESSIONS; i++)
            assert_int_equal(crowd_hear(sessions[i]).type, WIRE_COMMITTED);
        assert_stored(&f, SESSIONS * ((size_t)round + 1));
    }
    for (size_t i = 0; i < SESSIONS; i++)
        (void)close(sessions[i]);
    crowd_finish(&f);
    assert_rows(&f, SESSIONS * (size_t)3);
}

/* A message that is still being written holds up none that is complete. */
static void test_no_waiting(void **state)
{
    struct crowd f = crowd_start(state, "");
    int slow = join(&f, 1);
    int quick = join(&f, 2);

    crowd_write(slow);
    for (int i = 0; i < 5; i++) {
        crowd_write(quick);
        crowd_commit(quick, 2);
        assert_int_equal(crowd_hear(quick).type, WIRE_COMMITTED);
    }
    assert_int_equal(count_files(&f, "spool/tmp"), 1);
    assert_int_equal(count_files(&f, "spool/new"), 5);
    crowd_commit(slow, 2);
    assert_int_equal(crowd_hear(slow).type, WIRE_COMMITTED);
    assert_stored(&f, 6);
    (void)close(slow);
    (void)close(quick);
    crowd_finish(&f);
}

/* A session that breaks the rules is cut off, the listener told, and the others not concerned. */
static void test_cut_off(void **state)
{
    struct crowd f = crowd_start(state, "");
    int bad = join(&f, 7);
    int good = join(&f, 8);
    struct crowd_answer cut;

    crowd_write(bad);
    crowd_write(good);
    crowd_commit(bad, 3);
    cut = crowd_hear(f.listener);
    assert_int_equal(cut.type, WIRE_CUT);
    assert_int_equal(cut.failure, 7);
    assert_int_equal(crowd_hear(bad).type, 0);
    crowd_commit(good, 2);
    assert_int_equal(crowd_hear(good).type, WIRE_COMMITTED);
    assert_stored(&f, 1);
    (void)close(bad);
    (void)close(good);
    crowd_finish(&f);
    assert_non_null(strstr(crowd_log(&f), "session of 192.0.2.1 cut off: the session appended 2 bytes and says 3"));
}

/* One that says more while its message is on its way is cut off; the message, complete, stays. */
static void test_cut_off_while_committing(void **state)
{
    struct crowd f = crowd_start(state, "");
    int other = join(&f, 1);
    int bad = join(&f, 2);

    crowd_write(other); /* so that the commit is left to a thread */
    crowd_write(bad);
    crowd_commit(bad, 2);
    crowd_commit(bad, 2);
    while (crowd_hear(bad).type == WIRE_COMMITTED)
        continue;
    (void)close(bad);
    (void)close(other);
    crowd_finish(&f);
    assert_stored(&f, 1);
    assert_rows(&f, 1);
}

/* A session that takes no answers must not hold up the writer. */
static void test_deaf_session(void **state)
{
    struct crowd f = crowd_start(state, "");
    int deaf = join(&f, 1);
    int good = join(&f, 2);
    int sent = 0;

    while (sent < FLOOD && crowd_begin(deaf, 0) == 0 && send(deaf, "\x03", 1, MSG_NOSIGNAL) == 1)
        sent++;
    assert_int_equal(crowd_hear(f.listener).type, WIRE_CUT);
    crowd_write(good);
    crowd_commit(good, 2);
    assert_int_equal(crowd_hear(good).type, WIRE_COMMITTED);
    (void)close(deaf);
    (void)close(good);
    crowd_finish(&f);
    assert_stored(&f, 1);
    assert_non_null(strstr(crowd_log(&f), "cut off: the session takes no answers"));
}

/* Sessions that leave: with a message begun, and with one on its way. */
static void test_sessions_gone(void **state)
{
    struct crowd f = crowd_start(state, "");
    int half = join(&f, 1);
    int whole[SESSIONS];

    crowd_write(half);
    for (uint64_t i = 0; i < SESSIONS; i++) {
        whole[i] = join(&f, 2 + i);
        crowd_write(whole[i]);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        crowd_commit(whole[i], 2);
        (void)close(whole[i]);
    }
    (void)close(half);
    crowd_finish(&f);
    assert_stored(&f, SESSIONS);
    assert_rows(&f, SESSIONS);
}

static void test_listener_gone(void **state)
{
    struct crowd f = crowd_start(state, "");
    int session = join(&f, 1);

    crowd_write(session);
    (void)close(f.listener);
    f.listener = -1;
    crowd_commit(session, 2);
    assert_int_equal(crowd_hear(session).type, WIRE_COMMITTED);
    crowd_write(session);
    crowd_commit(session, 2);
    assert_int_equal(crowd_hear(session).type, WIRE_COMMITTED);
    (void)close(session);
    crowd_finish(&f);
    assert_stored(&f, 2);
}

/* What a listener should not send does no harm, and descriptors don't heap up. */
static void test_malformed_joins(void **state)
{
    static const struct span frames[] = {{"\x80", 1}, {"\x00", 1}, {"\x81\1\0\0\0\0\0\0\0", 9}};
    struct crowd f = crowd_start(state, "");
    int session;

    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
        assert_int_equal(send(f.listener, frames[i].data, frames[i].size, 0), (ssize_t)frames[i].size);
    session = join(&f, 1);
    crowd_write(session);
    crowd_commit(session, 2);
    assert_int_equal(crowd_hear(session).type, WIRE_COMMITTED);
    (void)close(session);
    crowd_finish(&f);
}

/* No room but that which is reserved: refused before anything is made, and the session goes on. */
static void test_reserve(void **state)
{
    struct crowd f = crowd_start(state, "reserve = \"1000G\"\n");
    int session = join(&f, 1);
    struct crowd_answer answer;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(crowd_begin(session, 1000), 0);
        answer = crowd_hear(session);
        assert_int_equal(answer.type, WIRE_FAILED);
        assert_int_equal(answer.failure, FAILURE_DISK_FULL);
    }
    (void)close(session);
    crowd_finish(&f);
    assert_stored(&f, 0);
    assert_non_null(strstr(crowd_log(&f), "no room in "));
}

static void test_declared_beyond_the_limit(void **state)
{
    struct crowd f = crowd_start(state, "max-message-size = \"1K\"\n");
    int session = join(&f, 1);

    assert_int_equal(crowd_begin(session, 1025), 0);
    assert_int_equal(crowd_hear(session).type, 0);
    (void)close(session);
    crowd_finish(&f);
    assert_non_null(strstr(crowd_log(&f), "malformed envelope"));
}

/* An index that is locked for good costs a moment once, and no message. */
static void test_locked_index(void **state)
{
    struct crowd f = crowd_start(state, "");
    int session = join(&f, 1);
    struct index index;
    struct err err;

    assert_int_equal(index_open(&index, support_path(f.folder, "lib/index.db"), INDEX_PROCESSOR, &err), 0);
    assert_int_equal(index_begin(&index, &err), 0);
    for (int i = 0; i < 5; i++) {
        crowd_write(session);
        crowd_commit(session, 2);
        assert_int_equal(crowd_hear(session).type, WIRE_COMMITTED);
    }
    index_rollback(&index);
    index_close(&index);
    (void)close(session);
    crowd_finish(&f);
    assert_stored(&f, 5);
    assert_non_null(strstr(crowd_log(&f), "has no index row yet: it failed a moment ago"));
}

static void discard(int session)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_DISCARD);
    assert_int_equal(frame_send(session, &frame, NULL, 0, &err), 0);
}

/* While what is complete waits for the index, others begin their messages, and what completes meanwhile joins it. */
static void test_no_waiting_for_the_index(void **state)
{
    enum { ROUNDS = 50 };
    struct crowd f = crowd_start(state, "");
    int first = join(&f, 1);
    int second = join(&f, 2);
    int other = join(&f, 3);
    struct index index;
    struct err err;

    assert_int_equal(index_open(&index, support_path(f.folder, "lib/index.db"), INDEX_PROCESSOR, &err), 0);
    assert_int_equal(index_begin(&index, &err), 0);
    crowd_write(first);
    crowd_write(second);
    crowd_commit(first, 2);
    while (count_files(&f, "spool/new") == 0)
        (void)poll(NULL, 0, 1);
    crowd_commit(second, 2);
    for (int i = 0; i < ROUNDS; i++) {
        crowd_write(other);
        discard(other);
    }
    assert_int_equal(poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 0), 0);
    index_rollback(&index);
    index_close(&index);
    assert_int_equal(crowd_hear(first).type, WIRE_COMMITTED);
    assert_int_equal(crowd_hear(second).type, WIRE_COMMITTED);
    (void)close(first);
    (void)close(second);
    (void)close(other);
    crowd_finish(&f);
    assert_stored(&f, 2);
    assert_rows(&f, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_together),      TEST(test_no_waiting),
        TEST(test_cut_off),       TEST(test_cut_off_while_committing),
        TEST(test_deaf_session),  TEST(test_sessions_gone),
        TEST(test_listener_gone), TEST(test_malformed_joins),
        TEST(test_reserve),       TEST(test_declared_beyond_the_limit),
        TEST(test_locked_index),  TEST(test_no_waiting_for_the_index),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
