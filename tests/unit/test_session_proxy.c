/*
 * The session of a trusted proxy's connection: what it makes of the header, however that is cut, what it tells its
 * writer, and to whom what stands behind the header belongs.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/frame.h"
#include "common/sandbox.h"
#include "receiver/session.h"
#include "receiver/session_proxy.h"
#include "receiver/wire.h"
#include "tests/unit/support.h"

enum { PATIENCE_MS = 20000 };

#define GREETING "220 mail.example.com ESMTP mailmill\r\n"
#define NO_HEADER "421 4.5.0 mail.example.com expects a PROXY header from your address, closing\r\n"
#define HEADER "PROXY TCP4 203.0.113.9 198.51.100.1 40000 25\r\n"

struct talk {
    struct config config;
    bool is_proxied;
    int client[2]; /* our end, and the session's */
    int writer[2];
    pid_t session;
    char said[WIRE_LOG_MAX + 1]; /* the client or the line that the writer was told */
};

static int become_session(void *context)
{
    const struct talk *talk = context;
    struct sandbox_profile profile = session_profile(&talk->config);
    struct session session = {.config = &talk->config,
                              .in = talk->client[1],
                              .out = talk->client[1],
                              .writer = talk->writer[1],
                              .is_proxied = talk->is_proxied};
    struct sandbox sandbox;
    struct err err;
    int status = 99;

    (void)close(talk->client[0]);
    (void)close(talk->writer[0]);
    if (sandbox_prepare(&sandbox, &profile, NULL, 0, &err) == 0)
        status = session_run(&session, &sandbox);
    _exit(status);
}

static struct talk start_session(const char *keys, bool is_proxied)
{
    struct talk talk = {.is_proxied = is_proxied};
    struct config_errors errors = {0};
    struct err err;
    char text[512];

    snprintf(text, sizeof text, "hostname = mail.example.com\nroute a@example.com {}\n%s", keys);
    if (support_under_valgrind())
        skip();
    assert_int_equal(config_load_text(&talk.config, "test.conf", text, &errors), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk.client), 0);
    assert_int_equal(frame_pair(talk.writer, &err), 0);
    talk.session = support_start_child(become_session, &talk);
    (void)close(talk.client[1]);
    (void)close(talk.writer[1]);
    return talk;
}

static struct talk start(void)
{
    return start_session("", true);
}

static void say(const struct talk *talk, struct span bytes)
{
    assert_int_equal(send(talk->client[0], bytes.data, bytes.size, MSG_NOSIGNAL), (ssize_t)bytes.size);
}

/* Waits for a word to the writer: a client, or, with WIRE_LOG, a line. */
static void expect_told(struct talk *talk, uint8_t type, const char *wanted)
{
    char storage[2 * WIRE_LOG_MAX];
    struct pollfd there = {.fd = talk->writer[0], .events = POLLIN};
    struct frame_reader frame;
    struct span text;
    struct err err;

    assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
    assert_int_equal(frame_receive(talk->writer[0], storage, sizeof storage, &frame, NULL, NULL, &err), 1);
    assert_int_equal(frame.type, type);
    if (type == WIRE_LOG)
        (void)frame_number(&frame);
    text = frame_text(&frame, WIRE_LOG_MAX);
    assert_true(frame_is_whole(&frame));
    snprintf(talk->said, sizeof talk->said, "%.*s", (int)text.size, text.data);
    assert_string_equal(talk->said, wanted);
}

static void answer(const struct talk *talk, uint8_t type)
{
    char storage[16];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, type);
    assert_int_equal(frame_send(talk->writer[0], &frame, NULL, 0, &err), 0);
}

/* Exactly this is what comes next. */
static void expect_said(const struct talk *talk, const char *wanted)
{
    char text[1024] = "";
    size_t size = 0;

    while (size < strlen(wanted)) {
        struct pollfd there = {.fd = talk->client[0], .events = POLLIN};
        ssize_t count;

        assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
        count = read(talk->client[0], text + size, strlen(wanted) - size);
        if (count <= 0)
            fail_msg("\"%s\" and the end, not \"%s\"", text, wanted);
        size += (size_t)count;
    }
    assert_string_equal(text, wanted);
}

static bool has_said_nothing(const struct talk *talk)
{
    struct pollfd there = {.fd = talk->client[0], .events = POLLIN};

    return poll(&there, 1, 20) == 0;
}

static void expect_end(struct talk *talk)
{
    char byte;

    assert_int_equal(read(talk->client[0], &byte, 1), 0);
    assert_true(support_exited(support_wait_child(talk->session), 0));
    (void)close(talk->client[0]);
    (void)close(talk->writer[0]);
    config_free(&talk->config);
}

static void finish(struct talk *talk)
{
    say(talk, SPAN("QUIT\r\n"));
    expect_said(talk, "221 2.0.0 mail.example.com closing\r\n");
    expect_end(talk);
}

/* ---- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* Cut at each byte, no word before the header is whole, and none lost behind it. */
static void test_headers(void **state)
{
    static const struct {
        struct span header;
        const char *client;
    } rows[] = {
        {{HEADER, sizeof HEADER - 1}, "203.0.113.9"},
        {{"PROXY UNKNOWN\r\n", 15}, ""},
        {{SIGNATURE "\x21\x11\0\x10\xCB\0\x71\x09\xC6\x33\x64\1\x9C\x40\0\x19\4\0\1x", 32}, "203.0.113.9"},
        {{SIGNATURE "\x20\0\0\0", 16}, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t cut = 1; cut <= rows[i].header.size; cut += support_under_asan() ? 5 : 1) {
            struct talk talk = start();

            say(&talk, span_slice(rows[i].header, 0, cut));
            say(&talk, span_slice(rows[i].header, cut, rows[i].header.size));
            expect_told(&talk, WIRE_CLIENT, rows[i].client);
            answer(&talk, WIRE_WELCOME);
            expect_said(&talk, GREETING);
            finish(&talk);
        }
}

static void test_byte_by_byte(void **state)
{
    struct talk talk = start();

    (void)state;
    for (size_t i = 0; i < sizeof HEADER - 1; i++) {
        assert_true(has_said_nothing(&talk));
        say(&talk, (struct span){&HEADER[i], 1});
    }
    expect_told(&talk, WIRE_CLIENT, "203.0.113.9");
    assert_true(has_said_nothing(&talk));
    answer(&talk, WIRE_WELCOME);
    expect_said(&talk, GREETING);
    finish(&talk);
}

/* What comes along with the header is the client's, as if it had come by itself. */
static void test_behind_the_header(void **state)
{
    struct talk talk = start();

    (void)state;
    say(&talk, SPAN(HEADER "NOOP\r\nQUIT\r\n"));
    expect_told(&talk, WIRE_CLIENT, "203.0.113.9");
    answer(&talk, WIRE_WELCOME);
    expect_said(&talk, GREETING "250 2.0.0 ok\r\n221 2.0.0 mail.example.com closing\r\n");
    expect_end(&talk);
}

/* With greet-delay that is too early; and the delay begins behind the header, which is not. */
static void test_early_talker(void **state)
{
    struct talk talk = start_session("greet-delay = 1m\n", true);

    (void)state;
    say(&talk, SPAN(HEADER "NOOP\r\n"));
    expect_told(&talk, WIRE_CLIENT, "203.0.113.9");
    answer(&talk, WIRE_WELCOME);
    expect_said(&talk, "554 5.5.1 mail.example.com wait for the greeting before you speak, closing\r\n");
    expect_end(&talk);
}

static void test_greet_delay(void **state)
{
    struct talk talk = start_session("greet-delay = 1s\n", true);
    int64_t began_ms;

    (void)state;
    say(&talk, SPAN("PROXY UNKN"));
    assert_true(has_said_nothing(&talk));
    say(&talk, SPAN("OWN\r\n"));
    expect_told(&talk, WIRE_CLIENT, "");
    began_ms = clock_monotonic_ms();
    answer(&talk, WIRE_WELCOME);
    expect_said(&talk, GREETING);
    assert_true(clock_monotonic_ms() - began_ms >= 900);
    finish(&talk);
}

static void test_malformed(void **state)
{
    static const struct {
        struct span header;
        const char *why;
    } rows[] = {
        {{"EHLO x\r\n", 8}, "it begins as neither version does"},
        {{"PROXY TCP4 203.0.113.9 ::1 1 1\r\n", 32}, "its destination is not an address of its family"},
        {{SIGNATURE "\x21\x11\xFF\xFF", 16}, "it is longer than 4096 bytes behind its head"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk talk = start();
        char line[256];

        say(&talk, rows[i].header);
        snprintf(line, sizeof line, "malformed in=\"PROXY header\" why=\"%s\"", rows[i].why);
        expect_told(&talk, WIRE_LOG, line);
        expect_said(&talk, NO_HEADER);
        expect_end(&talk);
    }
}

/* Time runs from the connection's beginning, whatever trickles in. */
static void test_too_slow(void **state)
{
    struct talk talk = start();
    int64_t began_ms = clock_monotonic_ms();

    (void)state;
    say(&talk, SPAN("PROXY "));
    while (poll(&(struct pollfd){.fd = talk.client[0], .events = POLLIN}, 1, 500) == 0)
        (void)send(talk.client[0], "U", 1, MSG_NOSIGNAL);
    assert_in_range(clock_monotonic_ms() - began_ms, SESSION_PROXY_MS - 100, SESSION_PROXY_MS + PATIENCE_MS);
    expect_said(&talk, NO_HEADER);
    expect_told(&talk, WIRE_LOG, "timed out in=\"PROXY header\"");
    (void)shutdown(talk.client[0], SHUT_WR);
    assert_true(support_exited(support_wait_child(talk.session), 0));
    (void)close(talk.client[0]);
    (void)close(talk.writer[0]);
    config_free(&talk.config);
}

static void test_gone(void **state)
{
    struct talk talk = start();

    (void)state;
    say(&talk, SPAN("PROXY "));
    (void)shutdown(talk.client[0], SHUT_WR);
    expect_told(&talk, WIRE_LOG, "lost connection in=\"PROXY header\"");
    expect_end(&talk);
}

/* A proxy that only looks whether anybody listens leaves no line. */
static void test_gone_without_a_word(void **state)
{
    struct talk talk = start();
    char byte;

    (void)state;
    (void)shutdown(talk.client[0], SHUT_WR);
    assert_int_equal(read(talk.client[0], &byte, 1), 0);
    assert_int_equal(recv(talk.writer[0], &byte, 1, 0), 0);
    expect_end(&talk);
}

/* 421 when the client has too many sessions, and no word when the writer's makes no sense. */
static void test_answers(void **state)
{
    static const struct {
        uint8_t type;
        const char *said;
    } rows[] = {
        {WIRE_TOO_MANY, "421 4.7.0 mail.example.com has too many connections from you, try again later\r\n"},
        {WIRE_READY, ""},
        {1, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk talk = start();

        say(&talk, SPAN(HEADER "QUIT\r\n"));
        expect_told(&talk, WIRE_CLIENT, "203.0.113.9");
        answer(&talk, rows[i].type);
        expect_said(&talk, rows[i].said);
        expect_end(&talk);
    }
}

/* A second header, and any header from whoever is no trusted proxy, is a command that there is not. */
static void test_headers_of_others(void **state)
{
    static const bool proxied[] = {true, false};

    (void)state;
    for (size_t i = 0; i < sizeof proxied / sizeof proxied[0]; i++) {
        struct talk talk = start_session("", proxied[i]);

        if (proxied[i]) {
            say(&talk, SPAN(HEADER));
            expect_told(&talk, WIRE_CLIENT, "203.0.113.9");
            answer(&talk, WIRE_WELCOME);
        }
        say(&talk, SPAN("PROXY TCP4 192.0.2.66 198.51.100.1 40000 25\r\n"));
        expect_said(&talk, GREETING "502 5.5.1 command not implemented\r\n");
        say(&talk, SPAN(SIGNATURE "\x21\x11\0\x0C\xC0\0\2\x42\xC6\x33\x64\1\x9C\x40\0\x19\r\n"));
        expect_said(&talk, "500 5.5.2 ");
        (void)shutdown(talk.client[0], SHUT_WR);
        assert_true(support_exited(support_wait_child(talk.session), 0));
        (void)close(talk.client[0]);
        (void)close(talk.writer[0]);
        config_free(&talk.config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_early_talker),
        cmocka_unit_test(test_behind_the_header),
        cmocka_unit_test(test_greet_delay),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_slow),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_gone_without_a_word),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_headers_of_others),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
