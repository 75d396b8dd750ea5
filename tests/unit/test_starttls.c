/* The words of mailmill-tls, its key, its sandbox, and a client's bytes on their way through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/starttls.h"
#include "receiver/starttls/keypair.h"
#include "receiver/starttls/profile.h"
#include "receiver/starttls/relay.h"
#include "tests/unit/support.h"

/* ---- words ---- */

static char last_line[LOG_LINE_SIZE];

static void keep_line(void *context, int level, struct span text)
{
    (void)context;
    snprintf(last_line, sizeof last_line, "%d %.*s", level, (int)text.size, text.data);
}

struct talk {
    struct starttls_link link;
    int other;
};

static struct talk start_talk(void)
{
    struct talk talk = {.link = {.control = -1}};
    struct err err;
    int ends[2];

    assert_int_equal(frame_pair(ends, &err), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    talk.link.control = ends[0];
    talk.other = ends[1];
    last_line[0] = '\0';
    log_redirect(keep_line, NULL);
    return talk;
}

static void say(const struct talk *talk, uint8_t word, int level, const char *text)
{
    char storage[2 * ERR_TEXT_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, word);
    if (level >= 0)
        frame_put_number(&frame, (uint64_t)level);
    if (text != NULL)
        frame_put_text(&frame, span_text(text));
    assert_int_equal(frame_send(talk->other, &frame, NULL, 0, &err), 0);
}

static void end_talk(struct talk *talk)
{
    starttls_close(&talk->link);
    (void)close(talk->other);
}

static void a_link_learns_protocol_and_cipher(void **state)
{
    struct talk talk = start_talk();

    (void)state;
    starttls_hear(&talk.link, "192.0.2.1", 0);
    assert_string_equal(talk.link.tls, "");
    assert_true(talk.link.control >= 0);
    say(&talk, STARTTLS_SECURED, -1, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    starttls_hear(&talk.link, "192.0.2.1", 0);
    assert_string_equal(talk.link.tls, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    say(&talk, STARTTLS_ENDED, -1, NULL);
    starttls_hear(&talk.link, "192.0.2.1", 1000);
    assert_int_equal(talk.link.control, -1);
    assert_string_equal(talk.link.tls, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    assert_string_equal(last_line, "");
    end_talk(&talk);
}

static void a_failure_is_logged(void **state)
{
    struct talk talk = start_talk();

    (void)state;
    say(&talk, STARTTLS_FAILED, LOG_INFO, "wrong\nversion");
    starttls_hear(&talk.link, "192.0.2.1", 0);
    (void)close(talk.other);
    starttls_hear(&talk.link, "192.0.2.1", 1000);
    talk.other = -1;
    assert_int_equal(talk.link.control, -1);
    assert_string_equal(last_line, "6 no TLS client=192.0.2.1 reason=wrong\\x0aversion");
    end_talk(&talk);
}

static void say_verdict(const struct talk *talk, const char *reason)
{
    char storage[2 * ERR_TEXT_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, STARTTLS_JUDGED);
    frame_put_number(&frame, 1);
    frame_put_number(&frame, 2);
    frame_put_text(&frame, span_text(reason));
    assert_int_equal(frame_send(talk->other, &frame, NULL, 0, &err), 0);
}

/* Said later it might be a client's word, in the name of a program that it has taken over. */
static void a_verdict_is_the_first_word_or_none(void **state)
{
    char certificate[256], key[256], index[256];
    struct config config = {.certificate = certificate, .key = key, .index = index};
    struct starttls_verdict verdict;

    snprintf(certificate, sizeof certificate, "%s", support_path(*state, "one.pem"));
    snprintf(key, sizeof key, "%s", support_path(*state, "one.key"));
    snprintf(index, sizeof index, "%s", support_path(*state, "index.db"));
    for (int i = 0; i < 3; i++) {
        struct talk talk = start_talk();

        talk.link.config = &config;
        starttls_pair_name(&config, talk.link.pair);
        if (i == 0)
            say_verdict(&talk, "no match");
        else if (i == 1)
            say(&talk, STARTTLS_SECURED, -1, "TLSv1.3 X");
        else
            say(&talk, STARTTLS_FAILED, LOG_INFO, "a handshake that failed");
        starttls_hear(&talk.link, "192.0.2.1", 0);
        assert_int_equal(talk.link.judged, i == 0);
        say_verdict(&talk, "forged");
        starttls_hear(&talk.link, "192.0.2.1", 0);
        assert_int_equal(talk.link.control, -1);
        assert_true(starttls_verdict_find(&config, talk.link.pair, &verdict));
        assert_string_equal(verdict.reason, "no match");
        end_talk(&talk);
    }
}

static void a_death_is_logged(void **state)
{
    struct talk talk = start_talk();

    (void)state;
    say(&talk, STARTTLS_SECURED, -1, "TLSv1.2 X");
    (void)close(talk.other);
    starttls_hear(&talk.link, "192.0.2.1", 1000);
    assert_int_equal(talk.link.control, -1);
    assert_string_equal(last_line, "2 mailmill-tls ended without a word client=192.0.2.1");
    starttls_hear(&talk.link, "192.0.2.1", 1000);
    talk.other = -1;
    end_talk(&talk);
}

/* Its text goes into a trace block. */
static void wrong_words_end_the_link(void **state)
{
    static const char longer[] =
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456";
    static const struct {
        uint8_t word;
        int level;
        const char *text;
    } rows[] = {
        {STARTTLS_SECURED, -1, ""},         {STARTTLS_SECURED, -1, "TLSv1.3 X)\nX: y"},
        {STARTTLS_SECURED, -1, "a(b)"},     {STARTTLS_SECURED, -1, longer},
        {STARTTLS_SECURED, -1, "\xc3\xa4"}, {STARTTLS_SECURED, -1, NULL},
        {STARTTLS_SERVE, -1, "TLSv1.3 X"},  {200, -1, "TLSv1.3 X"},
        {STARTTLS_SECURED, 5, "TLSv1.3 X"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct talk talk = start_talk();

        say(&talk, rows[i].word, rows[i].level, rows[i].text);
        starttls_hear(&talk.link, "192.0.2.1", 0);
        assert_int_equal(talk.link.control, -1);
        assert_string_equal(talk.link.tls, "");
        assert_string_equal(last_line, "2 mailmill-tls sent a word that it does not have client=192.0.2.1");
        end_talk(&talk);
    }
}

/* ---- keys ---- */

static void make_pair(const char *folder, const char *name)
{
    char command[2048];

    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.com -days 2 "
        "-keyout %s/%s.key -out %s/%s.pem 2>/dev/null",
        folder, name, folder, name);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test's own words */
}

static int make_pairs(void **state)
{
    if (support_make_folder(state) != 0)
        return -1;
    make_pair(*state, "one");
    make_pair(*state, "two");
    return 0;
}

static void a_pair_is_loaded(void **state)
{
    struct err err = {0};
    struct starttls_verdict verdict;
    struct tls *server =
        keypair_load(support_path(*state, "one.pem"), support_path(*state, "one.key"), &verdict, &err);

    assert_non_null(server);
    tls_free(server);
}

static void what_is_no_pair_is_refused(void **state)
{
    static const struct {
        const char *certificate, *key, *expected;
    } rows[] = {
        {"one.pem", "two.key", "does not belong to"},
        {"one.key", "one.key", "one.key holds no certificate in PEM"},
        {"one.pem", "one.pem", "one.pem holds no private key in PEM, or one with a password"},
        {"gone.pem", "one.key", "gone.pem: No such file"},
        {"one.pem", "gone.key", "gone.key: No such file"},
        {"", "one.key", "Is a directory"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};

        struct starttls_verdict verdict;

        assert_null(keypair_load(support_path(*state, rows[i].certificate), support_path(*state, rows[i].key),
                                 &verdict, &err));
        if (err.kind == ERR_PERMANENT)
            assert_string_equal(verdict.reason, err.text);
        if (strstr(err.text, rows[i].expected) == NULL)
            fail_msg("expected \"%s\", got \"%s\"", rows[i].expected, err.text);
    }
}

/* ---- the sandbox ---- */

enum { NOT_APPLIED = 70 };

static int within(void *context)
{
    struct sandbox sandbox;
    struct err err = {0};
    long (*deed)(void) = *(long (**)(void))context;

    if (sandbox_prepare(&sandbox, &profile_sandbox, NULL, 0, &err) != 0 || sandbox_apply(&sandbox, &err) != 0) {
        dprintf(STDERR_FILENO, "%s\n", err.text);
        return NOT_APPLIED;
    }
    (void)deed();
    _exit(0);
}

static long open_a_file(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static long make_a_socket(void)
{
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long run_a_program(void)
{
    return syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static long make_a_process(void)
{
    return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long receive_a_descriptor(void)
{
    return syscall(SYS_recvmsg, STDIN_FILENO, NULL, 0);
}

static long map_code(void)
{
    return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void the_sandbox_ends_what_it_forbids(void **state)
{
    static long (*const deeds[])(void) = {open_a_file,    make_a_socket,        run_a_program,
                                          make_a_process, receive_a_descriptor, map_code};

    (void)state;
    if (support_under_valgrind())
        skip();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        long (*deed)(void) = deeds[i];

        if (deed == map_code && support_under_asan())
            continue; /* which maps what it likes */
        assert_true(support_died(support_run_child(within, (void *)&deed), SIGSYS));
    }
}

/* ---- the relay, in a child with its sandbox; the parent is client and session ---- */

struct service {
    const char *certificate, *key;
    int client, session;
    int64_t handshake_ms;
    bool free_of_sandbox;
};

static int serve(void *context)
{
    static struct relay relay;
    const struct service *service = context;
    struct err err = {0};
    struct starttls_verdict verdict;
    struct tls *server = keypair_load(service->certificate, service->key, &verdict, &err);
    struct sandbox sandbox;
    int status = 0;

    (void)signal(SIGPIPE, SIG_IGN);
    if (server == NULL || fcntl(service->client, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(service->session, F_SETFL, O_NONBLOCK) != 0)
        return NOT_APPLIED;
    if (!service->free_of_sandbox &&
        (sandbox_prepare(&sandbox, &profile_sandbox, NULL, 0, &err) != 0 || sandbox_apply(&sandbox, &err) != 0))
        return NOT_APPLIED;
    relay_init(&relay, service->client, service->client, service->session);
    if (relay_shake_hands(&relay, server, clock_monotonic_ms() + service->handshake_ms, &err) == 0)
        relay_run(&relay);
    else
        status = strstr(err.text, "too long") != NULL ? 2 : 1;
    relay_leave(&relay);
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

struct scene {
    int client, session;
    pid_t child;
};

static struct scene start_scene(const char *folder, int64_t handshake_ms)
{
    struct service service = {.handshake_ms = handshake_ms, .free_of_sandbox = support_under_valgrind()};
    struct scene scene;
    int client[2];
    int session[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session), 0);
    service.certificate = support_path(folder, "one.pem");
    service.key = support_path(folder, "one.key");
    service.client = client[1];
    service.session = session[1];
    (void)fflush(NULL);
    scene = (struct scene){client[0], session[0], fork()};
    assert_true(scene.child >= 0);
    if (scene.child == 0) {
        (void)alarm(60);
        (void)close(client[0]);
        (void)close(session[0]);
        _exit(serve(&service));
    }
    (void)close(client[1]);
    (void)close(session[1]);
    return scene;
}

static struct tls *connect_client(const struct scene *scene)
{
    struct tls_config *config = tls_config_new();
    struct tls *client = tls_client();

    assert_non_null(config);
    tls_config_insecure_noverifycert(config);
    tls_config_insecure_noverifyname(config);
    assert_int_equal(tls_configure(client, config), 0);
    tls_config_free(config);
    assert_int_equal(tls_connect_socket(client, scene->client, "mail.example.com"), 0);
    assert_int_equal(tls_handshake(client), 0);
    return client;
}

/* Reads `size` bytes. libtls says "not yet" after a record that held no bytes for us, even on a descriptor that
 * waits.
 */
static void read_secured(struct tls *client, char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = tls_read(client, bytes + done, size - done);

        assert_true(count > 0 || count == TLS_WANT_POLLIN);
        done += count > 0 ? (size_t)count : 0;
    }
}

static void bytes_go_both_ways(void **state)
{
    enum { SIZE = 300000 };
    struct scene scene = start_scene(*state, 30000);
    struct tls *client = connect_client(&scene);
    static char sent[SIZE];
    static char got[SIZE];
    unsigned seed = 1;
    size_t done;

    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)support_random(&seed, 256);
    for (size_t from = 0; from < SIZE; from += 10000) {
        assert_int_equal(tls_write(client, sent + from, 10000), 10000);
        for (done = 0; done < 10000;) {
            ssize_t count = read(scene.session, got + done, 10000 - done);

            assert_true(count > 0);
            done += (size_t)count;
        }
        assert_memory_equal(got, sent + from, 10000);
        assert_int_equal(write(scene.session, got, 10000), 10000);
        read_secured(client, got, 10000);
        assert_memory_equal(got, sent + from, 10000);
    }
    /* The session says its last and leaves: that comes whole, and then TLS's own goodbye. */
    assert_int_equal(write(scene.session, "bye", 3), 3);
    assert_int_equal(close(scene.session), 0);
    read_secured(client, got, 3);
    assert_memory_equal(got, "bye", 3);
    assert_int_equal(tls_read(client, got, 3), 0);
    (void)tls_close(client);
    assert_int_equal(close(scene.client), 0);
    assert_true(support_exited(support_wait_child(scene.child), 0));
    tls_free(client);
}

static void the_session_sees_the_client_leave(void **state)
{
    struct scene scene = start_scene(*state, 30000);
    struct tls *client = connect_client(&scene);
    char got[8];

    assert_int_equal(tls_write(client, "bye", 3), 3);
    (void)tls_close(client);
    assert_int_equal(close(scene.client), 0);
    assert_int_equal(recv(scene.session, got, 3, MSG_WAITALL), 3);
    assert_int_equal(read(scene.session, got, sizeof got), 0);
    assert_int_equal(close(scene.session), 0);
    assert_true(support_exited(support_wait_child(scene.child), 0));
    tls_free(client);
}

/* A client that reads nothing: what is on its way is bounded, and ends with the session, in time. */
static void a_client_that_reads_nothing_is_left(void **state)
{
    struct scene scene = start_scene(*state, 30000);
    struct tls *client = connect_client(&scene);
    char block[4096] = {0};
    size_t total = 0;
    struct pollfd writable = {.fd = scene.session, .events = POLLOUT};

    assert_int_equal(fcntl(scene.session, F_SETFL, O_NONBLOCK), 0);
    while (poll(&writable, 1, 500) == 1) {
        ssize_t count = write(scene.session, block, sizeof block);

        if (count > 0)
            total += (size_t)count;
    }
    assert_true(total < 2 * 1024 * 1024);
    assert_int_equal(close(scene.session), 0);
    assert_true(support_exited(support_wait_child(scene.child), 0));
    assert_int_equal(close(scene.client), 0);
    tls_free(client);
}

static void a_handshake_that_fails_is_told(void **state)
{
    static const char rubbish[] = "EHLO client.example.org\r\n";
    struct scene scene = start_scene(*state, 30000);
    char byte[1];

    assert_true(write(scene.client, rubbish, sizeof rubbish - 1) > 0);
    assert_int_equal(shutdown(scene.client, SHUT_WR), 0);
    assert_true(support_exited(support_wait_child(scene.child), 1));
    assert_int_equal(close(scene.client) | close(scene.session), 0);
    /* Nor does it last longer than its time. */
    scene = start_scene(*state, 200);
    assert_int_equal(read(scene.client, byte, sizeof byte), 0);
    assert_int_equal(close(scene.client) | close(scene.session), 0);
    assert_true(support_exited(support_wait_child(scene.child), 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_learns_protocol_and_cipher),
        cmocka_unit_test(a_failure_is_logged),
        cmocka_unit_test(a_verdict_is_the_first_word_or_none),
        cmocka_unit_test(a_death_is_logged),
        cmocka_unit_test(wrong_words_end_the_link),
        cmocka_unit_test(a_pair_is_loaded),
        cmocka_unit_test(what_is_no_pair_is_refused),
        cmocka_unit_test(the_sandbox_ends_what_it_forbids),
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(the_session_sees_the_client_leave),
        cmocka_unit_test(a_client_that_reads_nothing_is_left),
        cmocka_unit_test(a_handshake_that_fails_is_told),
    };

    return cmocka_run_group_tests_name("starttls", tests, make_pairs, support_remove_folder);
}
