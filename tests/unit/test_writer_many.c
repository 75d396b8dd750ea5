/*
 * One writer for many sessions: what they complete together, what one of them can do to the others, and what is left
 * when sessions or the listener go.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/index.h"
#include "common/log.h"
#include "receiver/reply.h"
#include "receiver/wire.h"
#include "receiver/writer.h"
#include "tests/unit/support.h"

enum { SESSIONS = 20, PATIENCE_MS = 20000, TEXT_SIZE = 65536, FLOOD = 20000 };

struct fixture {
    const char *folder;
    struct config config;
    int listener; /* our end: we are the listener, and all the sessions */
    pid_t writer;
};

struct answer {
    int type; /* 0: the end */
    int fd;   /* with WIRE_READY */
    uint64_t failure;
};

/* ---- a writer in a process of its own ---- */

struct service {
    const struct fixture *fixture;
    int socket;
};

static int serve(void *context)
{
    const struct service *service = context;
    struct writer writer = {.config = &service->fixture->config};

    (void)close(service->fixture->listener);
    log_open("writer", LOG_TO_STDERR, support_path(service->fixture->folder, "log"));
    return writer_run_all(&writer, service->socket) == 0 ? 0 : 1;
}

static struct fixture start(void **state, const char *more)
{
    struct fixture f = {.folder = *state};
    struct config_errors errors = {0};
    struct service service = {&f, -1};
    char text[4096];
    struct err err;
    int ends[2];

    snprintf(text, sizeof text,
             "hostname = \"mail.example.com\"\nspool = \"%s/spool\"\nindex = \"%s/lib/index.db\"\n"
             "route \"a@example.com\" {}\n%s",
             f.folder, f.folder, more);
    assert_int_equal(mkdir(support_path(f.folder, "lib"), 0700), 0);
    assert_int_equal(config_load_text(&f.config, "test.conf", text, &errors), 0);
    assert_int_equal(frame_pair(ends, &err), 0);
    f.listener = ends[0];
    service.socket = ends[1];
    f.writer = support_start_child(serve, &service);
    assert_true(f.writer > 0);
    (void)close(ends[1]);
    return f;
}

/* The listener goes, and the writer behind it. */
static void finish(struct fixture *f)
{
    if (f->listener >= 0)
        (void)close(f->listener);
    assert_true(support_exited(support_wait_child(f->writer), 0));
    config_free(&f->config);
}

static int join(const struct fixture *f, uint64_t number)
{
    char storage[WIRE_JOIN_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;
    int ends[2];

    assert_int_equal(frame_pair(ends, &err), 0);
    frame_start(&frame, WIRE_JOIN);
    frame_put_number(&frame, number);
    frame_put_text(&frame, SPAN("192.0.2.1"));
    assert_int_equal(frame_send(f->listener, &frame, &ends[1], 1, &err), 0);
    (void)close(ends[1]);
    return ends[0];
}

static int try_begin(int session, uint64_t declared)
{
    char storage[1024];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_BEGIN);
    frame_put_text(&frame, SPAN("ESMTP"));
    frame_put_text(&frame, SPAN("client.example.org"));
    frame_put_text(&frame, SPAN("asker@example.org"));
    frame_put_text(&frame, SPAN("a@example.com\0"));
    frame_put_number(&frame, declared);
    return frame_send(session, &frame, NULL, 0, &err);
}

static void send_commit(int session, uint64_t size)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_COMMIT);
    frame_put_number(&frame, size);
    assert_int_equal(frame_send(session, &frame, NULL, 0, &err), 0);
}

static struct answer hear(int session)
{
    char storage[WIRE_ANSWER_MAX];
    struct pollfd there = {.fd = session, .events = POLLIN};
    struct frame_reader frame;
    struct answer answer = {.fd = -1};
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;

    assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
    if (frame_receive(session, storage, sizeof storage, &frame, fds, &fd_count, &err) != 1)
        return answer;
    answer.type = frame.type;
    if (fd_count == 1)
        answer.fd = fds[0];
    if (frame.type == WIRE_FAILED || frame.type == WIRE_CUT)
        answer.failure = frame_number(&frame);
    return answer;
}

/* A whole message but for its commit. */
static void write_message(int session)
{
    struct answer answer;

    assert_int_equal(try_begin(session, 0), 0);
    answer = hear(session);
    assert_int_equal(answer.type, WIRE_READY);
    assert_int_equal(write(answer.fd, "x\n", 2), 2);
    (void)close(answer.fd);
}

/* ---- what is left ---- */

static size_t count_files(const struct fixture *f, const char *folder)
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

static void assert_stored(const struct fixture *f, size_t count)
{
    assert_int_equal(count_files(f, "spool/tmp"), 0);
    assert_int_equal(count_files(f, "spool/new"), count);
}

static void assert_rows(const struct fixture *f, size_t count)
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

static const char *read_log(const struct fixture *f)
{
    static char text[TEXT_SIZE];
    int fd = open(support_path(f->folder, "log"), O_RDONLY);
    ssize_t size = read(fd, text, sizeof text - 1);

    assert_true(size >= 0);
    text[size] = '\0';
    (void)close(fd);
    return text;
}

/* ---- */

static void test_together(void **state)
{
    struct fixture f = start(state, "");
    int sessions[SESSIONS];

    for (uint64_t i = 0; i < SESSIONS; i++)
        sessions[i] = join(&f, i);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SESSIONS; i++)
            write_message(sessions[i]);
        for (size_t i = 0; i < SESSIONS; i++)
            send_commit(sessions[i], 2);
        for (size_t i = 0; i < SESSIONS; i++)
            assert_int_equal(hear(sessions[i]).type, WIRE_COMMITTED);
        assert_stored(&f, SESSIONS * ((size_t)round + 1));
    }
    for (size_t i = 0; i < SESSIONS; i++)
        (void)close(sessions[i]);
    finish(&f);
    assert_rows(&f, SESSIONS * (size_t)3);
}

/* A message that is still being written holds up none that is complete. */
static void test_no_waiting(void **state)
{
    struct fixture f = start(state, "");
    int slow = join(&f, 1);
    int quick = join(&f, 2);

    write_message(slow);
    for (int i = 0; i < 5; i++) {
        write_message(quick);
        send_commit(quick, 2);
        assert_int_equal(hear(quick).type, WIRE_COMMITTED);
    }
    assert_int_equal(count_files(&f, "spool/tmp"), 1);
    assert_int_equal(count_files(&f, "spool/new"), 5);
    send_commit(slow, 2);
    assert_int_equal(hear(slow).type, WIRE_COMMITTED);
    assert_stored(&f, 6);
    (void)close(slow);
    (void)close(quick);
    finish(&f);
}

/* A session that breaks the rules is cut off, the listener told, and the others not concerned. */
static void test_cut_off(void **state)
{
    struct fixture f = start(state, "");
    int bad = join(&f, 7);
    int good = join(&f, 8);
    struct answer cut;

    write_message(bad);
    write_message(good);
    send_commit(bad, 3);
    cut = hear(f.listener);
    assert_int_equal(cut.type, WIRE_CUT);
    assert_int_equal(cut.failure, 7);
    assert_int_equal(hear(bad).type, 0);
    send_commit(good, 2);
    assert_int_equal(hear(good).type, WIRE_COMMITTED);
    assert_stored(&f, 1);
    (void)close(bad);
    (void)close(good);
    finish(&f);
    assert_non_null(strstr(read_log(&f), "session of 192.0.2.1 cut off: the session appended 2 bytes and says 3"));
}

/* One that says more while its message is on its way is cut off; the message, complete, stays. */
static void test_cut_off_while_committing(void **state)
{
    struct fixture f = start(state, "");
    int other = join(&f, 1);
    int bad = join(&f, 2);

    write_message(other); /* so that the commit is left to a thread */
    write_message(bad);
    send_commit(bad, 2);
    send_commit(bad, 2);
    while (hear(bad).type == WIRE_COMMITTED)
        continue;
    (void)close(bad);
    (void)close(other);
    finish(&f);
    assert_stored(&f, 1);
    assert_rows(&f, 1);
}

/* A session that takes no answers must not hold up the writer. */
static void test_deaf_session(void **state)
{
    struct fixture f = start(state, "");
    int deaf = join(&f, 1);
    int good = join(&f, 2);
    int sent = 0;

    while (sent < FLOOD && try_begin(deaf, 0) == 0 && send(deaf, "\x03", 1, MSG_NOSIGNAL) == 1)
        sent++;
    assert_int_equal(hear(f.listener).type, WIRE_CUT);
    write_message(good);
    send_commit(good, 2);
    assert_int_equal(hear(good).type, WIRE_COMMITTED);
    (void)close(deaf);
    (void)close(good);
    finish(&f);
    assert_stored(&f, 1);
    assert_non_null(strstr(read_log(&f), "cut off: the session takes no answers"));
}

/* Sessions that leave: with a message begun, and with one on its way. */
static void test_sessions_gone(void **state)
{
    struct fixture f = start(state, "");
    int half = join(&f, 1);
    int whole[SESSIONS];

    write_message(half);
    for (uint64_t i = 0; i < SESSIONS; i++) {
        whole[i] = join(&f, 2 + i);
        write_message(whole[i]);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        send_commit(whole[i], 2);
        (void)close(whole[i]);
    }
    (void)close(half);
    finish(&f);
    assert_stored(&f, SESSIONS);
    assert_rows(&f, SESSIONS);
}

static void test_listener_gone(void **state)
{
    struct fixture f = start(state, "");
    int session = join(&f, 1);

    write_message(session);
    (void)close(f.listener);
    f.listener = -1;
    send_commit(session, 2);
    assert_int_equal(hear(session).type, WIRE_COMMITTED);
    write_message(session);
    send_commit(session, 2);
    assert_int_equal(hear(session).type, WIRE_COMMITTED);
    (void)close(session);
    finish(&f);
    assert_stored(&f, 2);
}

/* What a listener should not send does no harm, and descriptors don't heap up. */
static void test_malformed_joins(void **state)
{
    static const struct span frames[] = {{"\x80", 1}, {"\x00", 1}, {"\x81\1\0\0\0\0\0\0\0", 9}};
    struct fixture f = start(state, "");
    int session;

    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
        assert_int_equal(send(f.listener, frames[i].data, frames[i].size, 0), (ssize_t)frames[i].size);
    session = join(&f, 1);
    write_message(session);
    send_commit(session, 2);
    assert_int_equal(hear(session).type, WIRE_COMMITTED);
    (void)close(session);
    finish(&f);
}

/* No room but that which is reserved: refused before anything is made, and the session goes on. */
static void test_reserve(void **state)
{
    struct fixture f = start(state, "reserve = \"1000G\"\n");
    int session = join(&f, 1);
    struct answer answer;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_begin(session, 1000), 0);
        answer = hear(session);
        assert_int_equal(answer.type, WIRE_FAILED);
        assert_int_equal(answer.failure, FAILURE_DISK_FULL);
    }
    (void)close(session);
    finish(&f);
    assert_stored(&f, 0);
    assert_non_null(strstr(read_log(&f), "no room in "));
}

static void test_declared_beyond_the_limit(void **state)
{
    struct fixture f = start(state, "max-message-size = \"1K\"\n");
    int session = join(&f, 1);

    assert_int_equal(try_begin(session, 1025), 0);
    assert_int_equal(hear(session).type, 0);
    (void)close(session);
    finish(&f);
    assert_non_null(strstr(read_log(&f), "malformed envelope"));
}

/* An index that is locked for good costs a moment once, and no message. */
static void test_locked_index(void **state)
{
    struct fixture f = start(state, "");
    int session = join(&f, 1);
    struct index index;
    struct err err;

    assert_int_equal(index_open(&index, support_path(f.folder, "lib/index.db"), INDEX_PROCESSOR, &err), 0);
    assert_int_equal(index_begin(&index, &err), 0);
    for (int i = 0; i < 5; i++) {
        write_message(session);
        send_commit(session, 2);
        assert_int_equal(hear(session).type, WIRE_COMMITTED);
    }
    index_rollback(&index);
    index_close(&index);
    (void)close(session);
    finish(&f);
    assert_stored(&f, 5);
    assert_non_null(strstr(read_log(&f), "has no index row yet: it failed a moment ago"));
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
    struct fixture f = start(state, "");
    int first = join(&f, 1);
    int second = join(&f, 2);
    int other = join(&f, 3);
    struct index index;
    struct err err;

    assert_int_equal(index_open(&index, support_path(f.folder, "lib/index.db"), INDEX_PROCESSOR, &err), 0);
    assert_int_equal(index_begin(&index, &err), 0);
    write_message(first);
    write_message(second);
    send_commit(first, 2);
    while (count_files(&f, "spool/new") == 0)
        (void)poll(NULL, 0, 1);
    send_commit(second, 2);
    for (int i = 0; i < ROUNDS; i++) {
        write_message(other);
        discard(other);
    }
    assert_int_equal(poll(&(struct pollfd){.fd = first, .events = POLLIN}, 1, 0), 0);
    index_rollback(&index);
    index_close(&index);
    assert_int_equal(hear(first).type, WIRE_COMMITTED);
    assert_int_equal(hear(second).type, WIRE_COMMITTED);
    (void)close(first);
    (void)close(second);
    (void)close(other);
    finish(&f);
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
