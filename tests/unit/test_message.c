/* The processor's side of mailmill-headers and mailmill-mime, with the real programs and with ends that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/program.h"
#include "processor/message.h"
#include "tests/unit/support.h"

#define PROGRAM MAILMILL_BUILD_DIR "/" MESSAGE_PROGRAM

static struct message_helper helper;
static struct message_answer answer;

static int make_file(struct span content)
{
    int fd = memfd_create("message", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.size), (ssize_t)content.size);
    return fd;
}

/* Waits for the next answer as the main loop would. */
static int receive(struct err *err)
{
    int status;

    while ((status = message_receive(&helper, &answer, err)) == 0) {
        struct pollfd readable = {.fd = helper.socket, .events = POLLIN};

        assert_int_equal(poll(&readable, 1, 30000), 1);
    }
    return status;
}

static void assert_answered(enum message_answer_kind kind)
{
    struct err err = {0};

    if (receive(&err) != 1)
        fail_msg("%s", err.text);
    if (answer.kind != kind)
        fail_msg("kind %d: %s", answer.kind, answer.err.text);
}

/* ---- with the program ---- */

static int start_helper(void **state)
{
    struct err err = {0};

    (void)state;
    return message_start(&helper, PROGRAM, &err);
}

static int stop_helper(void **state)
{
    (void)state;
    message_stop(&helper);
    return 0;
}

static void headers_are_parsed(void **state)
{
    struct err err = {0};
    int fd = make_file(SPAN("Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus_M=FCnchen=3F?=\n"
                            "From: =?EBCDIC-US?Q?x?= <a@example.org>\nPrecedence: bulk\n\nbody\n"));

    (void)state;
    assert_int_equal(message_ask_parse(&helper, 42, fd, true, &err), 0);
    assert_answered(MESSAGE_PARSED);
    assert_int_equal(strlen(answer.digest), MESSAGE_DIGEST_SIZE - 1);
    assert_int_equal(message_ask_parse(&helper, 42, fd, false, &err), 0);
    (void)close(fd);
    assert_answered(MESSAGE_PARSED);
    assert_string_equal(answer.digest, "");
    assert_int_equal(answer.token, 42);
    assert_string_equal(answer.headers.subject, "Grüße aus München?");
    assert_string_equal(answer.headers.from, "x <a@example.org>");
    assert_string_equal(answer.headers.to, "");
    assert_string_equal(answer.headers.no_reply, "Precedence is bulk");
    assert_int_equal(message_receive(&helper, &answer, &err), 0);
}

/* ---- the two programs ---- */

/* The other program, a child of the helper; it is there at the latest when it has answered. */
static pid_t mime_pid(void)
{
    char path[64];
    FILE *list;
    int child;
    pid_t found = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)helper.pid, (int)helper.pid);
    list = fopen(path, "r");
    assert_non_null(list);
    while (fscanf(list, "%d", &child) == 1) {
        char name[32] = "";
        FILE *comm;

        snprintf(path, sizeof path, "/proc/%d/comm", child);
        comm = fopen(path, "r");
        if (comm != NULL && fgets(name, sizeof name, comm) != NULL && strcmp(name, "mailmill-mime\n") == 0)
            found = child;
        if (comm != NULL)
            (void)fclose(comm);
    }
    (void)fclose(list);
    assert_true(found > 0);
    return found;
}

/* What is plain does not wait for it. */
static void what_is_not_plain_is_handed_on(void **state)
{
    struct err err = {0};
    int plain = make_file(SPAN("Subject: x\nFrom: \"A B\" <a@example.org>\nPrecedence: list\n\nGr\xc3\xbcn\n"));
    int other = make_file(SPAN("Subject: x\nTo: Gr\xc3\xbcn <b@example.org>\n\nbody\n"));
    pid_t mime;

    (void)state;
    headers_are_parsed(NULL);
    mime = mime_pid();
    assert_int_equal(kill(mime, SIGSTOP), 0);
    assert_int_equal(message_ask_parse(&helper, 1, other, false, &err), 0);
    assert_int_equal(message_ask_parse(&helper, 2, plain, false, &err), 0);
    assert_answered(MESSAGE_PARSED);
    assert_int_equal(answer.token, 2);
    assert_string_equal(answer.headers.subject, "x");
    assert_string_equal(answer.headers.from, "A B <a@example.org>");
    assert_string_equal(answer.headers.to, "");
    assert_string_equal(answer.headers.no_reply, "Precedence is list");
    assert_string_equal(answer.digest, "");
    assert_int_equal(kill(mime, SIGCONT), 0);
    assert_answered(MESSAGE_PARSED);
    assert_int_equal(answer.token, 1);
    assert_string_equal(answer.headers.to, "Gr\xc3\xbcn <b@example.org>");
    assert_string_equal(answer.headers.no_reply, "");
    (void)close(plain);
    (void)close(other);
}

/* The helper ends with it, to be started again with another. */
static void the_loss_of_the_other_program_is_seen(void **state)
{
    struct err err = {0};
    int status;

    (void)state;
    headers_are_parsed(NULL);
    assert_int_equal(kill(mime_pid(), SIGKILL), 0);
    assert_int_equal(receive(&err), -1);
    assert_int_equal(waitpid(helper.pid, &status, 0), helper.pid);
    assert_true(support_exited(status, 1));
    (void)close(helper.socket);
    assert_int_equal(message_start(&helper, PROGRAM, &err), 0);
    headers_are_parsed(NULL);
}

static void a_reply_is_composed(void **state)
{
    static const struct message_reply reply = {
        .from = "8ball@example.com",
        .to = "asker@example.org",
        .subject = "Grüße?",
        .date = "Sat, 31 Jan 2026 23:59:59 +0000",
        .message_id = "<reply.1@mail.example.com>",
    };
    struct message_reply evil = reply;
    struct err err = {0};
    int body = make_file(SPAN("Ja.\n"));
    int output = make_file(SPAN(""));
    char written[1000] = "";

    (void)state;
    assert_int_equal(message_ask_compose(&helper, 1, &reply, body, output, &err), 0);
    assert_answered(MESSAGE_COMPOSED);
    assert_true(pread(output, written, sizeof written - 1, 0) > 0);
    assert_non_null(strstr(written, "\nTo: asker@example.org\n"));
    assert_non_null(strstr(written, "\n\nJa.\n"));
    memcpy(evil.subject, "a\nBcc: b", 9);
    assert_int_equal(message_ask_compose(&helper, 2, &evil, body, output, &err), 0);
    assert_answered(MESSAGE_FAILED);
    assert_int_equal(answer.token, 2);
    assert_int_equal(answer.err.kind, ERR_PERMANENT);
    (void)close(body);
    (void)close(output);
}

/* The largest letters, for a program that does not take them now: there is room for some. The others are tried again.
 */
static void what_finds_no_room_fails_alone(void **state)
{
    static struct message_reply reply = {.from = "8ball@example.com", .to = "asker@example.org"};
    unsigned failed = 0;
    struct err err = {0};
    int body = make_file(SPAN("Ja.\n"));
    int output = make_file(SPAN(""));
    pid_t mime;

    (void)state;
    headers_are_parsed(NULL);
    mime = mime_pid();
    assert_int_equal(kill(mime, SIGSTOP), 0);
    memset(reply.subject, 's', MESSAGE_TEXT_MAX);
    memset(reply.in_reply_to, 'i', MESSAGE_TEXT_MAX);
    memset(reply.references, 'r', MESSAGE_TEXT_MAX);
    memset(reply.message_id, 'm', MESSAGE_TEXT_MAX);
    for (uint64_t token = 0; token < MESSAGE_IN_FLIGHT_MAX; token++)
        while (message_ask_compose(&helper, token, &reply, body, output, &err) != 0) {
            assert_int_equal(err.number, EAGAIN); /* mailmill-headers is about to take some */
            (void)sched_yield();
        }
    while (failed == 0 || poll(&(struct pollfd){.fd = helper.socket, .events = POLLIN}, 1, 200) > 0) {
        assert_answered(MESSAGE_FAILED);
        assert_int_equal(answer.err.kind, ERR_TEMPORARY);
        failed++;
    }
    assert_int_equal(kill(mime, SIGCONT), 0);
    for (; failed < MESSAGE_IN_FLIGHT_MAX; failed++) {
        assert_answered(MESSAGE_FAILED);
        assert_int_equal(answer.err.kind, ERR_PERMANENT);
    }
    assert_false(message_is_busy(&helper));
    headers_are_parsed(NULL);
    (void)close(body);
    (void)close(output);
}

static void many_are_in_flight(void **state)
{
    unsigned seen = 0;
    struct err err = {0};

    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        int fd = make_file(SPAN("Subject: x\n\n"));

        /* Every third goes the long way. */
        for (uint64_t token = 0; token < MESSAGE_IN_FLIGHT_MAX; token++)
            assert_int_equal(message_ask_parse(&helper, token, fd, token % 3 == 2, &err), 0);
        assert_true(message_is_busy(&helper));
        assert_int_equal(message_ask_parse(&helper, 99, fd, false, &err), -1);
        assert_int_equal(err.kind, ERR_BUG);
        (void)close(fd);
        for (unsigned i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
            assert_answered(MESSAGE_PARSED);
            seen |= 1U << answer.token;
        }
        assert_int_equal(seen, (1U << MESSAGE_IN_FLIGHT_MAX) - 1);
        assert_false(message_is_busy(&helper));
    }
}

/* A descriptor that can't be read is its own request's failure. */
static void a_bad_file_fails_alone(void **state)
{
    struct err err = {0};
    int ends[2];
    int fd = make_file(SPAN("Subject: x\n\n"));

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(message_ask_parse(&helper, 1, ends[0], false, &err), 0);
    assert_answered(MESSAGE_FAILED);
    assert_int_equal(answer.err.kind, ERR_TEMPORARY);
    assert_int_equal(message_ask_parse(&helper, 2, fd, false, &err), 0);
    assert_answered(MESSAGE_PARSED);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(fd);
}

static void the_loss_of_the_helper_is_seen(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(kill(helper.pid, SIGTERM), 0); /* is ignored: its socket decides */
    headers_are_parsed(NULL);
    assert_int_equal(kill(helper.pid, SIGKILL), 0);
    assert_int_equal(receive(&err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    message_stop(&helper);
    assert_true(message_is_busy(&helper));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(message_start(&helper, PROGRAM, &err), 0);
    headers_are_parsed(NULL);
}

/* It ends by itself when its socket does. */
static void the_helper_ends_with_its_socket(void **state)
{
    struct err err = {0};
    int status;

    (void)state;
    assert_int_equal(message_start(&helper, PROGRAM, &err), 0);
    (void)close(helper.socket);
    assert_int_equal(waitpid(helper.pid, &status, 0), helper.pid);
    assert_true(support_exited(status, 0));
    helper = (struct message_helper){.socket = -1};
}

/* It takes along what it has started: this process is where orphans come to. */
static void the_helper_may_end_by_itself(void **state)
{
    struct err err = {0};
    pid_t mime;

    (void)state;
    /* It does not know the call that this waits by. */
    if (support_under_valgrind())
        skip();
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(message_start(&helper, PROGRAM, &err), 0);
    headers_are_parsed(NULL);
    message_end(&helper, 30000);
    assert_int_equal(helper.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    /* One that does not is not waited for any longer. */
    assert_int_equal(message_start(&helper, PROGRAM, &err), 0);
    headers_are_parsed(NULL);
    mime = mime_pid();
    assert_int_equal(kill(helper.pid, SIGSTOP), 0);
    message_end(&helper, 10);
    assert_int_equal(helper.pid, 0);
    assert_int_equal(waitpid(mime, NULL, 0), mime);
    while (waitpid(-1, NULL, 0) > 0)
        continue; /* workers */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

static void a_missing_program_is_an_error(void **state)
{
    size_t before = support_open_descriptors();
    struct err err = {0};

    (void)state;
    /* There it forks in another way, which can't tell the parent. */
    if (support_under_valgrind())
        return;
    assert_int_equal(message_start(&helper, "/nonexistent/mailmill-headers", &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/mailmill-headers: No such file"));
    message_stop(&helper);
    assert_int_equal(support_open_descriptors(), before);
}

static void the_program_is_found(void **state)
{
    char path[1024];
    char small[8];
    struct err err = {0};

    (void)state;
    /* Tests have no such program beside them: it is the installed one, if there is one. */
    if (program_find(MESSAGE_PROGRAM, path, sizeof path, &err) != 0)
        assert_non_null(strstr(err.text, "/mailmill-headers: No such file"));
    else
        assert_int_equal(access(path, X_OK), 0);
    assert_int_equal(program_find(MESSAGE_PROGRAM, small, sizeof small, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
}

/* ---- with a helper that lies ---- */

static int liar; /* the helper's end of the socket */

static int start_liar(void **state)
{
    struct err err = {0};
    int ends[2];

    (void)state;
    assert_int_equal(frame_pair(ends, &err), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    /* Never signalled in these tests, and not nought. */
    helper = (struct message_helper){.socket = ends[0], .pid = getpid(), .in_flight = 1};
    liar = ends[1];
    return 0;
}

static int end_liar(void **state)
{
    (void)state;
    (void)close(helper.socket);
    (void)close(liar);
    helper = (struct message_helper){.socket = -1};
    return 0;
}

static void lie(const struct buf *frame)
{
    struct err err = {0};

    assert_int_equal(frame_send(liar, frame, NULL, 0, &err), 0);
}

static const char *liars_digest = "";

/* Headers of which one is `text`. */
static void lie_headers(struct span text, size_t texts)
{
    static char storage[2 * MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, MESSAGE_FRAME_HEADERS);
    frame_put_number(&frame, 5);
    frame_put_text(&frame, span_text(liars_digest));
    for (size_t i = 0; i < texts; i++)
        frame_put_text(&frame, i == 3 ? text : SPAN("x"));
    lie(&frame);
}

static void unclean_answers_are_failures(void **state)
{
    static char long_text[MESSAGE_TEXT_MAX + 1];
    static const struct span texts[] = {
        {"a\nb", 3}, {"a\0b", 3}, {"\x7f", 1}, {"\x1b", 1}, {"\xff", 1}, {"\xc2\x85", 2}, {"\xc2", 1},
    };

    (void)state;
    lie_headers(SPAN("fine \xc2\xa0"), 9);
    assert_answered(MESSAGE_PARSED);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        helper.in_flight = 1;
        lie_headers(texts[i], 9);
        assert_answered(MESSAGE_FAILED);
        assert_int_equal(answer.token, 5);
        assert_int_equal(answer.err.kind, ERR_PERMANENT);
        assert_string_equal(answer.headers.subject, "");
    }
    memset(long_text, 'x', sizeof long_text);
    for (size_t i = 0; i < 12; i++) {
        helper.in_flight = 1;
        lie_headers(i == 9 ? (struct span){long_text, sizeof long_text} : SPAN("x"), i);
        assert_answered(MESSAGE_FAILED);
    }
}

static void a_digest_is_one_or_none(void **state)
{
    static const char digest[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char *const wrong[] = {"x", "ba78",
                                        "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0"};

    (void)state;
    liars_digest = digest;
    lie_headers(SPAN("x"), 9);
    assert_answered(MESSAGE_PARSED);
    assert_string_equal(answer.digest, digest);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        helper.in_flight = 1;
        liars_digest = wrong[i];
        lie_headers(SPAN("x"), 9);
        assert_answered(MESSAGE_FAILED);
        assert_string_equal(answer.digest, "");
    }
    liars_digest = "";
}

static void failures_are_read_with_care(void **state)
{
    char storage[200];
    struct buf frame = buf_over(storage, sizeof storage);

    (void)state;
    frame_start(&frame, MESSAGE_FRAME_FAILED);
    frame_put_number(&frame, 5);
    frame_put_number(&frame, ERR_TEMPORARY);
    frame_put_text(&frame, SPAN("disk"));
    lie(&frame);
    assert_answered(MESSAGE_FAILED);
    assert_int_equal(answer.err.kind, ERR_TEMPORARY);
    assert_string_equal(answer.err.text, "disk");
    helper.in_flight = 1;
    frame_start(&frame, MESSAGE_FRAME_FAILED);
    frame_put_number(&frame, 5);
    frame_put_number(&frame, 77);
    frame_put_text(&frame, SPAN("a\nb"));
    lie(&frame);
    assert_answered(MESSAGE_FAILED);
    assert_int_equal(answer.err.kind, ERR_PERMANENT);
    assert_null(strchr(answer.err.text, '\n'));
}

static void what_was_not_asked_ends_the_helper(void **state)
{
    struct err err = {0};

    (void)state;
    helper.in_flight = 0;
    lie_headers(SPAN("x"), 9);
    assert_int_equal(receive(&err), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

static void a_broken_frame_ends_the_helper(void **state)
{
    char storage[8];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err = {0};

    (void)state;
    frame_start(&frame, MESSAGE_FRAME_DONE);
    lie(&frame);
    assert_int_equal(receive(&err), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_are_parsed, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(what_is_not_plain_is_handed_on, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(the_loss_of_the_other_program_is_seen, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(a_reply_is_composed, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(what_finds_no_room_fails_alone, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(many_are_in_flight, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(a_bad_file_fails_alone, start_helper, stop_helper),
        cmocka_unit_test_setup_teardown(the_loss_of_the_helper_is_seen, start_helper, stop_helper),
        cmocka_unit_test(the_helper_ends_with_its_socket),
        cmocka_unit_test(the_helper_may_end_by_itself),
        cmocka_unit_test(a_missing_program_is_an_error),
        cmocka_unit_test(the_program_is_found),
        cmocka_unit_test_setup_teardown(unclean_answers_are_failures, start_liar, end_liar),
        cmocka_unit_test_setup_teardown(a_digest_is_one_or_none, start_liar, end_liar),
        cmocka_unit_test_setup_teardown(failures_are_read_with_care, start_liar, end_liar),
        cmocka_unit_test_setup_teardown(what_was_not_asked_ends_the_helper, start_liar, end_liar),
        cmocka_unit_test_setup_teardown(a_broken_frame_ends_the_helper, start_liar, end_liar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
