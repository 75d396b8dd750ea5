/* What a worker may do, tried from inside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processor/mime/charset.h"
#include "processor/mime/compose.h"
#include "processor/mime/headers.h"
#include "processor/mime/worker.h"
#include "tests/unit/support.h"

/* The sanitizer maps memory in its own ways, has no limit to it, and has its own word at a crash. */
#ifdef __SANITIZE_ADDRESS__
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

static struct worker_crew crew;
static char storage[MESSAGE_FRAME_SIZE];

/* Runs one job to its end; no more than `wait_ms` for its answer. */
static int run(worker_job *job, void *context, int fd, int wait_ms, struct frame_reader *answer, struct err *err)
{
    struct worker_task task = {.token = 7, .job = job, .context = context, .fds = &fd, .fd_count = fd >= 0};
    struct worker *worker = crew_free_worker(&crew);
    struct pollfd answered = {.events = POLLIN};

    *err = (struct err){0};
    assert_int_equal(worker_start(&crew, worker, &task, err), 0);
    assert_int_equal(worker->token, 7);
    answered.fd = worker->socket;
    (void)poll(&answered, 1, wait_ms);
    return worker_finish(worker, storage, sizeof storage, answer, err);
}

/* ---- what must fail: each job would answer if it survived ---- */

static void survive(struct buf *answer)
{
    frame_start(answer, MESSAGE_FRAME_DONE);
}

/* The C library tries this when it is asked for a table that it does not have: refused, but no reason to die. */
static void opens_files(void *context, struct buf *answer)
{
    (void)context;
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT &&
        openat(AT_FDCWD, "/tmp/mailmill-test-worker", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == ENOENT)
        survive(answer);
}

static void removes_a_file(void *context, struct buf *answer)
{
    (void)context;
    (void)unlink("/nonexistent/file");
    survive(answer);
}

static void opens_a_socket(void *context, struct buf *answer)
{
    (void)context;
    (void)socket(AF_INET, SOCK_STREAM, 0);
    survive(answer);
}

static void runs_a_program(void *context, struct buf *answer)
{
    char *arguments[] = {NULL};

    (void)context;
    (void)execve("/bin/true", arguments, arguments);
    survive(answer);
}

static void forks(void *context, struct buf *answer)
{
    (void)context;
    if (fork() == 0)
        _exit(EXIT_SUCCESS);
    survive(answer);
}

static void kills_its_parent(void *context, struct buf *answer)
{
    (void)context;
    (void)kill(1, 0);
    survive(answer);
}

static void maps_code(void *context, struct buf *answer)
{
    (void)context;
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    survive(answer);
}

static void surprises_end_the_worker(void **state)
{
    static worker_job *const jobs[] = {removes_a_file, opens_a_socket,   runs_a_program,
                                       forks,          kills_its_parent, maps_code};

    (void)state;
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct frame_reader answer;
        struct err err;

        if (is_sanitized && jobs[i] == maps_code)
            continue;
        assert_int_equal(run(jobs[i], NULL, -1, 5000, &answer, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "SIGSYS"));
    }
}

static void no_file_is_opened(void **state)
{
    struct frame_reader answer;
    struct err err;

    (void)state;
    assert_int_equal(run(opens_files, NULL, -1, 5000, &answer, &err), 0);
    assert_int_equal(access("/tmp/mailmill-test-worker", F_OK), -1);
}

/* ---- other ends ---- */

static void crashes(void *context, struct buf *answer)
{
    volatile int *nowhere = context;

    *nowhere = 1;
    survive(answer);
}

static void never_ends(void *context, struct buf *answer)
{
    volatile int *turns = context;

    while (*turns >= 0)
        *turns = (*turns + 1) % 1000;
    survive(answer);
}

static void answers_nothing(void *context, struct buf *answer)
{
    (void)context;
    (void)answer;
    _exit(3);
}

/* More than its limit. */
static void eats_memory(void *context, struct buf *answer)
{
    (void)context;
    if (mmap(NULL, 400 * 1024 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        survive(answer);
}

static void ends_are_explained(void **state)
{
    struct frame_reader answer;
    struct err err;
    int turns = 0;

    (void)state;
    assert_int_equal(run(never_ends, &turns, -1, 50, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_non_null(strstr(err.text, "ran for more than 10 s"));
    assert_int_equal(run(answers_nothing, NULL, -1, 5000, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(err.text, "exit 3"));
    if (!is_sanitized) {
        /* cmocka has a handler of its own for this one. */
        (void)signal(SIGSEGV, SIG_DFL);
        assert_int_equal(run(crashes, NULL, -1, 5000, &answer, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "SIGSEGV"));
        assert_int_equal(run(eats_memory, NULL, -1, 5000, &answer, &err), -1);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- what a worker sees ---- */

static void counts_descriptors(void *context, struct buf *answer)
{
    uint64_t open = 0;

    (void)context;
    for (int fd = 0; fd < 64; fd++)
        open += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    frame_start(answer, MESSAGE_FRAME_DONE);
    frame_put_number(answer, open);
}

/* Its job's one, the socket for its answer, and /dev/null three times; no other worker's socket. */
static void a_worker_has_its_own_descriptors_alone(void **state)
{
    struct worker_task task = {.job = never_ends, .context = &(int){0}};
    struct worker *other = crew_free_worker(&crew);
    struct frame_reader answer;
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);
    int stray = memfd_create("stray", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(worker_start(&crew, other, &task, &err), 0);
    assert_int_equal(run(counts_descriptors, NULL, fd, 5000, &answer, &err), 0);
    assert_int_equal(frame_number(&answer), 5);
    assert_int_equal(worker_finish(other, storage, sizeof storage, &answer, &err), -1);
    (void)close(fd);
    (void)close(stray);
}

/* ---- what must work ---- */

static void parses(void *context, struct buf *answer)
{
    static struct message_headers headers;
    struct err err = {0};

    if (headers_parse(*(int *)context, &headers, &err) != 0)
        return;
    frame_start(answer, MESSAGE_FRAME_HEADERS);
    message_put_headers(answer, &headers);
}

/* Every charset, known or not, each with bytes that it may or may not have. */
static void every_charset_works_inside(void **state)
{
    static const char *const encodings[] = {"Q?a=1B$B=FC=DF=E4=81=40", "B?/////8Ojw6Q=", "B?2D3cAAAA",
                                            "Q?+-=2B=30AAA"};
    static const char *const others[] = {"EBCDIC-US",   "IBM037", "iso-ir-197", "utf-8000",
                                         "/etc/passwd", "//",     "UNICODE"};
    const char *name;
    bool is_open;

    (void)state;
    for (size_t row = 0; (name = charset_name(row, &is_open)) != NULL || row < 200; row++) {
        char text[2000];
        struct buf message = buf_over(text, sizeof text);
        struct frame_reader answer;
        struct err err;
        int fd = memfd_create("message", MFD_CLOEXEC);

        if (name == NULL)
            name = others[row % (sizeof others / sizeof others[0])];
        buf_put_text(&message, "Subject:");
        for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
            buf_printf(&message, " =?%s?%s?=", name, encodings[i]);
        buf_printf(&message,
                   "\nFrom: =?%s?%s?= <\xfc@b\xfc.example>\nTo: a@xn--bcher-kva.example, g: =?%s*en?%s?= <b@c>;",
                   name, encodings[0], name, encodings[1]);
        buf_printf(&message, "\nReply-To: =?=?%s?%s?= x@y\nList-Id: raw \xfc\x81\n\n", name, encodings[0]);
        assert_int_equal(write(fd, message.data, message.size), (ssize_t)message.size);
        if (run(parses, &fd, fd, 5000, &answer, &err) != 0)
            fail_msg("%s: %s", name, err.text);
        assert_int_equal(answer.type, MESSAGE_FRAME_HEADERS);
        (void)close(fd);
    }
}

struct letter {
    struct message_reply reply;
    int fds[2];
};

static void composes(void *context, struct buf *answer)
{
    const struct letter *letter = context;
    struct err err = {0};

    if (compose_write(&letter->reply, letter->fds[0], letter->fds[1], &err) == 0)
        survive(answer);
}

static void the_largest_letter_works_inside(void **state)
{
    static struct letter letter = {
        .reply = {.from = "a@b\xc3\xbc.example",
                  .to = "\xc3\xbc@example.org",
                  .subject = "Gr\xc3\xbc\xc3\x9f\x65 \xe4\xbd\xa0\xe5\xa5\xbd",
                  .in_reply_to = "<1@example.org>",
                  .date = "Sat, 31 Jan 2026 23:59:59 +0000",
                  .message_id = "<reply.1@mail.example.com>"},
    };
    struct worker_task task = {.job = composes, .context = &letter, .fds = letter.fds, .fd_count = 2};
    struct worker *worker = crew_free_worker(&crew);
    struct pollfd answered = {.events = POLLIN};
    struct frame_reader answer;
    struct err err = {0};

    (void)state;
    letter.fds[0] = memfd_create("body", MFD_CLOEXEC);
    letter.fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    /* NULs are the worst: each becomes three bytes. */
    assert_int_equal(ftruncate(letter.fds[0], COMPOSE_BODY_MAX), 0);
    assert_int_equal(worker_start(&crew, worker, &task, &err), 0);
    answered.fd = worker->socket;
    (void)poll(&answered, 1, 60000);
    if (worker_finish(worker, storage, sizeof storage, &answer, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(answer.type, MESSAGE_FRAME_DONE);
    (void)close(letter.fds[0]);
    (void)close(letter.fds[1]);
}

static int start_crew(void **state)
{
    struct err err = {0};

    (void)state;
    if (charset_open_all() == 0)
        return -1;
    return crew_open(&crew, &err);
}

static int end_crew(void **state)
{
    (void)state;
    crew_close(&crew);
    charset_close_all();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surprises_end_the_worker),   cmocka_unit_test(no_file_is_opened),
        cmocka_unit_test(ends_are_explained),         cmocka_unit_test(a_worker_has_its_own_descriptors_alone),
        cmocka_unit_test(every_charset_works_inside), cmocka_unit_test(the_largest_letter_works_inside),
    };

    if (support_under_valgrind())
        return EXIT_SUCCESS;
    return cmocka_run_group_tests(tests, start_crew, end_crew);
}
