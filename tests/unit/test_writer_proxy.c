/*
 * The writer and the sessions of a trusted proxy: they must name their client, once and first; nobody else may; and a
 * client has no more of them than others may have.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/frame.h"
#include "receiver/wire.h"
#include "tests/unit/bed.h"
#include "tests/unit/crowd.h"
#include "tests/unit/support.h"

/* A span for a table. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

enum { MOST = 2 };

#define PROXY "192.0.2.10"
#define STRANGER "192.0.2.1"

static struct crowd start_trusting(void **state)
{
    char text[128];

    snprintf(text, sizeof text,
             "trusted-proxies = {\"" PROXY "\", \"2001:db8::/64\"}\nmax-sessions-per-client = %d\n", (int)MOST);
    return crowd_start(state, text);
}

static int join(const struct crowd *f, const char *client)
{
    static uint64_t next_number;

    return crowd_join(f, next_number++, client);
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
    assert_int_equal(crowd_begin(session, 0), 0);
}

static int hear(int session)
{
    return crowd_hear(session).type;
}

static void store_message(int session)
{
    crowd_write(session);
    crowd_commit(session, 2);
    assert_int_equal(hear(session), WIRE_COMMITTED);
}

static void assert_logged(const struct crowd *f, const char *text)
{
    if (strstr(crowd_log(f), text) == NULL)
        fail_msg("not \"%s\" in the log: %s", text, crowd_log(f));
}

/* The session is gone, the listener told, and the log says why. */
static void assert_cut_off(const struct crowd *f, int session, const char *why)
{
    assert_int_equal(hear(session), 0);
    assert_int_equal(hear(f->listener), WIRE_CUT);
    assert_logged(f, why);
    (void)close(session);
}

/* ---- what is to be ---- */

static const char *index_says(const struct crowd *f, const char *sql)
{
    struct bed bed = {0};

    snprintf(bed.index_path, sizeof bed.index_path, "%s", support_path(f->folder, "lib/index.db"));
    return bed_text(&bed, sql);
}

static void test_client_by_proxy(void **state)
{
    struct crowd f = start_trusting(state);
    int session = join(&f, PROXY);

    name_client(session, SPAN("2001:db8:1::5"));
    assert_int_equal(hear(session), WIRE_WELCOME);
    store_message(session);
    assert_int_equal(send(session, "\x05\6\0\0\0\0\0\0\0\5\0\0\0hello", 18, 0), 18);
    (void)close(session);
    crowd_finish(&f);
    assert_logged(&f, " client=2001:db8:1::5 via=" PROXY " helo=");
    assert_logged(&f, "hello client=2001:db8:1::5 via=" PROXY "\n");
    assert_string_equal(index_says(&f, "SELECT client_address FROM message"), "2001:db8:1::5");
}

/* "": a health check, or a proxy that does not know. */
static void test_proxy_itself(void **state)
{
    struct crowd f = start_trusting(state);
    int sessions[MOST + 3];

    for (size_t i = 0; i < MOST + 3; i++) {
        sessions[i] = join(&f, "2001:db8::7");
        name_client(sessions[i], SPAN(""));
        assert_int_equal(hear(sessions[i]), WIRE_WELCOME);
    }
    store_message(sessions[0]);
    for (size_t i = 0; i < MOST + 3; i++)
        (void)close(sessions[i]);
    crowd_finish(&f);
    assert_logged(&f, " client=2001:db8::7 helo=");
    assert_null(strstr(crowd_log(&f), "via="));
    assert_string_equal(index_says(&f, "SELECT client_address FROM message"), "2001:db8::7");
}

/* Those that came directly, by whatever name of the same network, and those by proxy. */
static void test_too_many(void **state)
{
    struct crowd f = start_trusting(state);
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
    assert_null(strstr(crowd_log(&f), "count=2"));
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
    crowd_finish(&f);
}

/* ---- what must not be ---- */

static void test_untrusted(void **state)
{
    static const char *const peers[] = {STRANGER, "192.0.2.11", "2001:db8:0:1::1", "local", ""};
    struct crowd f = start_trusting(state);

    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        int session = join(&f, peers[i]);

        name_client(session, SPAN("203.0.113.9"));
        assert_cut_off(&f, session, "request 7 out of turn");
    }
    crowd_finish(&f);
    assert_null(strstr(crowd_log(&f), "203.0.113.9"));
}

static void test_nobody_is_trusted(void **state)
{
    struct crowd f = crowd_start(state, "");
    int session = join(&f, PROXY);

    name_client(session, SPAN("203.0.113.9"));
    assert_cut_off(&f, session, "request 7 out of turn");
    crowd_finish(&f);
}

static void test_twice(void **state)
{
    static const struct span first[] = {BYTES("203.0.113.9"), BYTES("")};
    struct crowd f = start_trusting(state);

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        int session = join(&f, PROXY);

        name_client(session, first[i]);
        assert_int_equal(hear(session), WIRE_WELCOME);
        name_client(session, SPAN("203.0.113.9"));
        assert_cut_off(&f, session, "request 7 out of turn");
    }
    crowd_finish(&f);
}

/* Everything but a line of the log, before the client is named and when it was turned away. */
static void test_nothing_else_first(void **state)
{
    static const struct span requests[] = {BYTES("\x02\0\0\0\0\0\0\0\0"), BYTES("\x03"),
                                           BYTES("\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), BYTES("\x06")};
    struct crowd f = start_trusting(state);
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
    crowd_finish(&f);
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
    struct crowd f = start_trusting(state);
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
    crowd_finish(&f);
}

/* A session that ends before it has named anybody has left nothing, and takes nothing along. */
static void test_gone_before(void **state)
{
    struct crowd f = start_trusting(state);
    int session = join(&f, PROXY);
    int other = join(&f, STRANGER);

    store_message(other);
    (void)close(session);
    session = join(&f, PROXY);
    store_message(other);
    (void)close(session);
    (void)close(other);
    crowd_finish(&f);
    assert_null(strstr(crowd_log(&f), "cut off"));
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
