/*
 * The writer and the sessions of a trusted proxy: they must name their client, once and first; nobody else may; and a
 * client has no more of them than others may have.
 */
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
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/wire.h"
#include "receiver/writer.h"
#include "tests/unit/bed.h"
#include "tests/unit/support.h"

/* A span for a table. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

enum { PATIENCE_MS = 20000, TEXT_SIZE = 65536, MOST = 2 };

#define PROXY "192.0.2.10"
#define STRANGER "192.0.2.1"

struct fixture {
    const char *folder;
    struct config config;
    int listener; /* our end: we are the listener, and all the sessions */
    int writer_end;
    pid_t writer;
    uint64_t next_number;
};

static int serve(void *context)
{
    const struct fixture *f = context;
    struct writer writer = {.config = &f->config};

    (void)close(f->listener);
    log_open("writer", LOG_TO_STDERR, support_path(f->folder, "log"));
    return writer_run_all(&writer, f->writer_end) == 0 ? 0 : 1;
}

static struct fixture start(void **state, const char *proxies)
{
    struct fixture f = {.folder = *state};
    struct config_errors errors = {0};
    char text[4096];
    struct err err;
    int ends[2];

    snprintf(text, sizeof text,
             "hostname = \"mail.example.com\"\nspool = \"%s/spool\"\nindex = \"%s/lib/index.db\"\n"
             "route \"a@example.com\" {}\nmax-sessions-per-client = %d\n%s",
             f.folder, f.folder, (int)MOST, proxies);
    (void)mkdir(support_path(f.folder, "lib"), 0700);
    assert_int_equal(config_load_text(&f.config, "test.conf", text, &errors), 0);
    assert_int_equal(frame_pair(ends, &err), 0);
    f.listener = ends[0];
    f.writer_end = ends[1];
    f.writer = support_start_child(serve, &f);
    assert_true(f.writer > 0);
    (void)close(ends[1]);
    return f;
}

static struct fixture start_trusting(void **state)
{
    return start(state, "trusted-proxies = {\"" PROXY "\", \"2001:db8::/64\"}\n");
}

static void finish(struct fixture *f)
{
    (void)close(f->listener);
    assert_true(support_exited(support_wait_child(f->writer), 0));
    config_free(&f->config);
}

static int join(struct fixture *f, const char *client)
{
    char storage[WIRE_JOIN_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;
    int ends[2];

    assert_int_equal(frame_pair(ends, &err), 0);
    frame_start(&frame, WIRE_JOIN);
    frame_put_number(&frame, f->next_number++);
    frame_put_text(&frame, span_text(client));
    assert_int_equal(frame_send(f->listener, &frame, &ends[1], 1, &err), 0);
    (void)close(ends[1]);
    return ends[0];
}

static void name_client(int session, struct span client)
{
    char storage[256];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_CLIENT);
    frame_put_text(&frame, client);
    assert_int_equal(frame_send(session, &frame, NULL, 0, &err), 0);
}

static void begin_message(int session)
{
    char storage[1024];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_BEGIN);
    frame_put_text(&frame, SPAN("ESMTP"));
    frame_put_text(&frame, SPAN("client.example.org"));
    frame_put_text(&frame, SPAN("asker@example.org"));
    frame_put_text(&frame, SPAN("a@example.com\0"));
    frame_put_number(&frame, 0);
    assert_int_equal(frame_send(session, &frame, NULL, 0, &err), 0);
}

/* The type of the next answer, 0 at the end, and the descriptor that came with it. */
static int hear_fd(int session, int *fd)
{
    char storage[WIRE_ANSWER_MAX];
    struct pollfd there = {.fd = session, .events = POLLIN};
    struct frame_reader frame;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;

    assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
    if (frame_receive(session, storage, sizeof storage, &frame, fds, &fd_count, &err) != 1)
        return 0;
    if (fd_count == 1)
        *fd = fds[0];
    return frame.type;
}

static int hear(int session)
{
    int fd;

    return hear_fd(session, &fd);
}

static void store_message(int session)
{
    static const char commit[] = "\x02\2\0\0\0\0\0\0\0";
    int fd = -1;

    begin_message(session);
    assert_int_equal(hear_fd(session, &fd), WIRE_READY);
    assert_int_equal(write(fd, "x\n", 2), 2);
    (void)close(fd);
    assert_int_equal(send(session, commit, sizeof commit - 1, 0), sizeof commit - 1);
    assert_int_equal(hear(session), WIRE_COMMITTED);
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

static void assert_logged(const struct fixture *f, const char *text)
{
    if (strstr(read_log(f), text) == NULL)
        fail_msg("not \"%s\" in the log: %s", text, read_log(f));
}

/* The session is gone, the listener told, and the log says why. */
static void assert_cut_off(const struct fixture *f, int session, const char *why)
{
    assert_int_equal(hear(session), 0);
    assert_int_equal(hear(f->listener), WIRE_CUT);
    assert_logged(f, why);
    (void)close(session);
}

/* ---- what is to be ---- */

static const char *index_says(const struct fixture *f, const char *sql)
{
    struct bed bed = {0};

    snprintf(bed.index_path, sizeof bed.index_path, "%s", support_path(f->folder, "lib/index.db"));
    return bed_text(&bed, sql);
}

static void test_client_by_proxy(void **state)
{
    struct fixture f = start_trusting(state);
    int session = join(&f, PROXY);

    name_client(session, SPAN("2001:db8:1::5"));
    assert_int_equal(hear(session), WIRE_WELCOME);
    store_message(session);
    assert_int_equal(send(session, "\x05\6\0\0\0\0\0\0\0\5\0\0\0hello", 18, 0), 18);
    (void)close(session);
    finish(&f);
    assert_logged(&f, " client=2001:db8:1::5 via=" PROXY " helo=");
    assert_logged(&f, "hello client=2001:db8:1::5 via=" PROXY "\n");
    assert_string_equal(index_says(&f, "SELECT client_address FROM message"), "2001:db8:1::5");
}

/* "": a health check, or a proxy that does not know. */
static void test_proxy_itself(void **state)
{
    struct fixture f = start_trusting(state);
    int sessions[MOST + 3];

    for (size_t i = 0; i < MOST + 3; i++) {
        sessions[i] = join(&f, "2001:db8::7");
        name_client(sessions[i], SPAN(""));
        assert_int_equal(hear(sessions[i]), WIRE_WELCOME);
    }
    store_message(sessions[0]);
    for (size_t i = 0; i < MOST + 3; i++)
        (void)close(sessions[i]);
    finish(&f);
    assert_logged(&f, " client=2001:db8::7 helo=");
    assert_null(strstr(read_log(&f), "via="));
    assert_string_equal(index_says(&f, "SELECT client_address FROM message"), "2001:db8::7");
}

/* Those that came directly, by whatever name of the same network, and those by proxy. */
static void test_too_many(void **state)
{
    struct fixture f = start_trusting(state);
    int direct = join(&f, "2001:db8:1::1");
    int first = join(&f, PROXY);
    int second = join(&f, PROXY);
    int other = join(&f, PROXY);
    int waiting = join(&f, PROXY);

    name_client(first, SPAN("2001:db8:1::2"));
    assert_int_equal(hear(first), WIRE_WELCOME);
    for (int i = 0; i < 3; i++) {
        name_client(second, SPAN("2001:db8:1::3"));
        assert_int_equal(hear(second), WIRE_TOO_MANY);
        (void)close(second);
        second = join(&f, PROXY);
    }
    name_client(other, SPAN("2001:db8:1:1::3"));
    assert_int_equal(hear(other), WIRE_WELCOME);
    assert_logged(&f, "turned away client=2001:db8:1::3 via=" PROXY " why=max-sessions-per-client count=1\n");
    assert_null(strstr(read_log(&f), "count=2"));
    (void)close(direct);
    /* It is gone when the writer has heard of it; what it hears behind that, it answers behind that. */
    for (int answered = WIRE_TOO_MANY; answered == WIRE_TOO_MANY; second = join(&f, PROXY)) {
        name_client(second, SPAN("2001:db8:1::3"));
        answered = hear(second);
        assert_true(answered == WIRE_WELCOME || answered == WIRE_TOO_MANY);
        (void)close(second);
    }
    (void)close(first);
    (void)close(second);
    (void)close(other);
    (void)close(waiting);
    finish(&f);
}

/* ---- what must not be ---- */

static void test_untrusted(void **state)
{
    static const char *const peers[] = {STRANGER, "192.0.2.11", "2001:db8:0:1::1", "local", ""};
    struct fixture f = start_trusting(state);

    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        int session = join(&f, peers[i]);

        name_client(session, SPAN("203.0.113.9"));
        assert_cut_off(&f, session, "request 7 out of turn");
    }
    finish(&f);
    assert_null(strstr(read_log(&f), "203.0.113.9"));
}

static void test_nobody_is_trusted(void **state)
{
    struct fixture f = start(state, "");
    int session = join(&f, PROXY);

    name_client(session, SPAN("203.0.113.9"));
    assert_cut_off(&f, session, "request 7 out of turn");
    finish(&f);
}

static void test_twice(void **state)
{
    static const struct span first[] = {BYTES("203.0.113.9"), BYTES("")};
    struct fixture f = start_trusting(state);

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        int session = join(&f, PROXY);

        name_client(session, first[i]);
        assert_int_equal(hear(session), WIRE_WELCOME);
        name_client(session, SPAN("203.0.113.9"));
        assert_cut_off(&f, session, "request 7 out of turn");
    }
    finish(&f);
}

/* Everything but a line of the log, before the client is named and when it was turned away. */
static void test_nothing_else_first(void **state)
{
    static const struct span requests[] = {BYTES("\x02\0\0\0\0\0\0\0\0"), BYTES("\x03"),
                                           BYTES("\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), BYTES("\x06")};
    struct fixture f = start_trusting(state);
    int kept[MOST];
    int session = join(&f, PROXY);

    begin_message(session);
    assert_cut_off(&f, session, "request 1 out of turn");
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        session = join(&f, PROXY);
        assert_int_equal(send(session, "\x05\6\0\0\0\0\0\0\0\5\0\0\0first", 18, 0), 18);
        assert_int_equal(send(session, requests[i].data, requests[i].size, 0), (ssize_t)requests[i].size);
        assert_cut_off(&f, session, "out of turn");
    }
    assert_logged(&f, "first client=" PROXY "\n");
    for (size_t i = 0; i < MOST; i++) {
        kept[i] = join(&f, PROXY);
        name_client(kept[i], SPAN("203.0.113.9"));
        assert_int_equal(hear(kept[i]), WIRE_WELCOME);
    }
    session = join(&f, PROXY);
    name_client(session, SPAN("203.0.113.9"));
    assert_int_equal(hear(session), WIRE_TOO_MANY);
    begin_message(session);
    assert_cut_off(&f, session, "session of 203.0.113.9 cut off: the session sent request 1 out of turn");
    for (size_t i = 0; i < MOST; i++)
        (void)close(kept[i]);
    finish(&f);
}

static void test_names_that_are_none(void **state)
{
    static const struct span names[] = {
        BYTES("local"),
        BYTES("x"),
        BYTES("203.0.113.9\n"),
        BYTES("203.0.113.9\0"),
        BYTES(" 203.0.113.9"),
        BYTES("203.0.113"),
        BYTES("203.0.113.09"),
        BYTES("2001:DB8::1"),
        BYTES("2001:db8:0:0::1"),
        BYTES("[::1]"),
        BYTES("::ffff:192.0.2.1"),
        BYTES("::ffff:c000:201"),
        BYTES("fe80::1%lo"),
        BYTES("\xFF"),
        BYTES("203.0.113.0/24"),
        BYTES("\0"),
        BYTES("mail.example.org"),
        BYTES("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21:22:23:24:25:26:27"),
    };
    struct fixture f = start_trusting(state);
    int session;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        session = join(&f, PROXY);
        name_client(session, names[i]);
        assert_cut_off(&f, session, "session of " PROXY " cut off: the session ");
    }
    session = join(&f, PROXY);
    assert_int_equal(send(session, "\x07", 1, 0), 1);
    assert_cut_off(&f, session, "malformed client");
    session = join(&f, PROXY);
    assert_int_equal(send(session, "\x07\1\0\0\0xx", 7, 0), 7);
    assert_cut_off(&f, session, "malformed client");
    finish(&f);
}

/* A session that ends before it has named anybody has left nothing, and takes nothing along. */
static void test_gone_before(void **state)
{
    struct fixture f = start_trusting(state);
    int session = join(&f, PROXY);
    int other = join(&f, STRANGER);

    store_message(other);
    (void)close(session);
    session = join(&f, PROXY);
    store_message(other);
    (void)close(session);
    (void)close(other);
    finish(&f);
    assert_null(strstr(read_log(&f), "cut off"));
    assert_string_equal(index_says(&f, "SELECT group_concat(client_address) FROM message"), STRANGER "," STRANGER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_by_proxy),    TEST(test_proxy_itself),        TEST(test_too_many),
        TEST(test_untrusted),          TEST(test_nobody_is_trusted),   TEST(test_twice),
        TEST(test_nothing_else_first), TEST(test_names_that_are_none), TEST(test_gone_before),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
