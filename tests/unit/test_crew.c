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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processor/headers/crew.h"
#include "processor/headers/plain.h"
#include "processor/mime/charset.h"
#include "processor/mime/compose.h"
#include "processor/mime/headers.h"
#include "processor/mime/rights.h"
#include "tests/unit/support.h"

/* The sanitizer maps memory in its own ways, has no limit to it, and has its own word at a crash. */
#ifdef __SANITIZE_ADDRESS__
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

static struct crew crew;
static char storage[MESSAGE_FRAME_SIZE];

/* What the next worker that is made is to do: none is made ahead unless a test says so. */
static crew_job *job;

static void do_job(const void *context, const struct crew_request *request, struct buf *answer)
{
    job(context, request, answer);
}

static struct worker *start(crew_job *wanted, const struct crew_request *request)
{
    struct err err = {0};
    struct worker *worker;

    job = wanted;
    worker = crew_ask(&crew, 7, request, &err);
    if (worker == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(worker->token, 7);
    return worker;
}

static int finish(struct worker *worker, int wait_ms, struct frame_reader *answer, struct err *err)
{
    struct pollfd answered = {.fd = worker->socket, .events = POLLIN};
    int status;

    *err = (struct err){0};
    (void)poll(&answered, 1, wait_ms);
    status = crew_take(worker, storage, sizeof storage, answer, err);
    crew_release(worker);
    return status;
}

/* Runs one job to its end; no more than `wait_ms` for its answer. */
static int run(crew_job *wanted, int fd, int wait_ms, struct frame_reader *answer, struct err *err)
{
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE, .fds = {fd}, .fd_count = fd >= 0};

    return finish(start(wanted, &request), wait_ms, answer, err);
}

/* ---- what must fail: each job would answer if it survived ---- */

static void survive(struct buf *answer)
{
    frame_start(answer, MESSAGE_FRAME_DONE);
}

/* The C library tries this when it is asked for a table that it does not have: refused, but no reason to die. */
static void opens_files(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT &&
        openat(AT_FDCWD, "/tmp/mailmill-test-worker", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == ENOENT)
        survive(answer);
}

static void removes_a_file(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    (void)unlink("/nonexistent/file");
    survive(answer);
}

static void opens_a_socket(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    (void)socket(AF_INET, SOCK_STREAM, 0);
    survive(answer);
}

static void runs_a_program(const void *context, const struct crew_request *request, struct buf *answer)
{
    char *arguments[] = {NULL};

    (void)context;
    (void)request;
    (void)execve("/bin/true", arguments, arguments);
    survive(answer);
}

static void forks(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    if (fork() == 0)
        _exit(EXIT_SUCCESS);
    survive(answer);
}

static void kills_its_parent(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    (void)kill(1, 0);
    survive(answer);
}

static void maps_code(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    survive(answer);
}

static void surprises_end_the_worker(void **state)
{
    static crew_job *const jobs[] = {removes_a_file, opens_a_socket,   runs_a_program,
                                     forks,          kills_its_parent, maps_code};

    (void)state;
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct frame_reader answer;
        struct err err;

        if (is_sanitized && jobs[i] == maps_code)
            continue;
        assert_int_equal(run(jobs[i], -1, 5000, &answer, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "SIGSYS"));
    }
}

static void no_file_is_opened(void **state)
{
    struct frame_reader answer;
    struct err err;

    (void)state;
    assert_int_equal(run(opens_files, -1, 5000, &answer, &err), 0);
    assert_int_equal(access("/tmp/mailmill-test-worker", F_OK), -1);
}

/* ---- other ends ---- */

static void crashes(const void *context, const struct crew_request *request, struct buf *answer)
{
    volatile int *nowhere = NULL;

    (void)context;
    (void)request;
    *nowhere = 1;
    survive(answer);
}

static void never_ends(const void *context, const struct crew_request *request, struct buf *answer)
{
    volatile int turns = 0;

    (void)context;
    (void)request;
    while (turns >= 0)
        turns = (turns + 1) % 1000;
    survive(answer);
}

static void answers_nothing(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    (void)answer;
    _exit(3);
}

/* More than its limit. */
static void eats_memory(const void *context, const struct crew_request *request, struct buf *answer)
{
    (void)context;
    (void)request;
    if (mmap(NULL, 400 * 1024 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        survive(answer);
}

static void ends_are_explained(void **state)
{
    struct frame_reader answer;
    struct err err;

    (void)state;
    assert_int_equal(run(never_ends, -1, 50, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_non_null(strstr(err.text, "ran for more than 10 s"));
    assert_int_equal(run(answers_nothing, -1, 5000, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(err.text, "exit 3"));
    if (!is_sanitized) {
        /* cmocka has a handler of its own for this one. */
        (void)signal(SIGSEGV, SIG_DFL);
        assert_int_equal(run(crashes, -1, 5000, &answer, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "SIGSEGV"));
        assert_int_equal(run(eats_memory, -1, 5000, &answer, &err), -1);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- what a worker sees ---- */

static void counts_descriptors(const void *context, const struct crew_request *request, struct buf *answer)
{
    uint64_t open = 0;

    (void)context;
    (void)request;
    for (int fd = 0; fd < 64; fd++)
        open += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    frame_start(answer, MESSAGE_FRAME_DONE);
    frame_put_number(answer, open);
}

/* Its request's one, its socket, and /dev/null twice; no other worker's socket. */
static void a_worker_has_its_own_descriptors_alone(void **state)
{
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE};
    struct worker *other = start(never_ends, &request);
    struct frame_reader answer;
    struct err err;
    int fd = memfd_create("message", MFD_CLOEXEC);
    int stray = memfd_create("stray", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(run(counts_descriptors, fd, 5000, &answer, &err), 0);
    assert_int_equal(frame_number(&answer), 4);
    assert_int_equal(finish(other, 0, &answer, &err), -1);
    (void)close(fd);
    (void)close(stray);
}

/* ---- what must work ---- */

static void parses(const void *context, const struct crew_request *request, struct buf *answer)
{
    static struct message_headers headers;
    struct err err = {0};

    (void)context;
    if (headers_parse(request->fds[0], &headers, &err) != 0)
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
        if (run(parses, fd, 5000, &answer, &err) != 0)
            fail_msg("%s: %s", name, err.text);
        assert_int_equal(answer.type, MESSAGE_FRAME_HEADERS);
        (void)close(fd);
    }
}

static const struct message_reply largest = {
    .from = "a@b\xc3\xbc.example",
    .to = "\xc3\xbc@example.org",
    .subject = "Gr\xc3\xbc\xc3\x9f\x65 \xe4\xbd\xa0\xe5\xa5\xbd",
    .in_reply_to = "<1@example.org>",
    .date = "Sat, 31 Jan 2026 23:59:59 +0000",
    .message_id = "<reply.1@mail.example.com>",
};

static void composes(const void *context, const struct crew_request *request, struct buf *answer)
{
    struct err err = {0};

    (void)context;
    if (compose_write(&largest, request->fds[0], request->fds[1], &err) == 0)
        survive(answer);
}

static void the_largest_letter_works_inside(void **state)
{
    struct crew_request request = {.type = MESSAGE_FRAME_COMPOSE, .fd_count = 2};
    struct frame_reader answer;
    struct err err;

    (void)state;
    request.fds[0] = memfd_create("body", MFD_CLOEXEC);
    request.fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    /* NULs are the worst: each becomes three bytes. */
    assert_int_equal(ftruncate(request.fds[0], COMPOSE_BODY_MAX), 0);
    if (finish(start(composes, &request), 60000, &answer, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(answer.type, MESSAGE_FRAME_DONE);
    (void)close(request.fds[0]);
    (void)close(request.fds[1]);
}

/* ---- one made ahead ---- */

static struct worker *the_one_ahead(void)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (crew.workers[i].pid != 0 && !crew.workers[i].is_busy)
            return &crew.workers[i];
    return NULL;
}

static void the_one_made_ahead_does_the_work(void **state)
{
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE};
    struct worker *ahead;
    struct frame_reader answer;
    struct err err;
    pid_t pid;

    (void)state;
    job = counts_descriptors;
    assert_null(the_one_ahead());
    crew_prepare(&crew);
    crew_prepare(&crew);
    ahead = the_one_ahead();
    assert_non_null(ahead);
    pid = ahead->pid;
    assert_true(crew_is_idle(&crew));
    assert_ptr_equal(start(counts_descriptors, &request), ahead);
    assert_int_equal(ahead->pid, pid);
    assert_false(crew_is_idle(&crew));
    /* There was no more than one. */
    assert_null(the_one_ahead());
    assert_int_equal(finish(ahead, 5000, &answer, &err), 0);
    assert_int_equal(frame_number(&answer), 3);
}

static void one_that_died_waiting_is_replaced(void **state)
{
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE};
    struct worker *worker;
    struct frame_reader answer;
    struct err err;
    siginfo_t ended;
    pid_t pid;

    (void)state;
    crew_prepare(&crew);
    pid = the_one_ahead()->pid;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
    worker = start(counts_descriptors, &request);
    assert_int_not_equal(worker->pid, pid);
    assert_int_equal(finish(worker, 5000, &answer, &err), 0);
}

static void there_are_as_many_as_may_be_asked(void **state)
{
    const struct crew_request request = {.type = MESSAGE_FRAME_PARSE};
    struct worker *busy[MESSAGE_IN_FLIGHT_MAX];
    struct frame_reader answer;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        assert_true(crew_has_room(&crew));
        busy[i] = start(counts_descriptors, &request);
    }
    assert_false(crew_has_room(&crew));
    assert_null(crew_ask(&crew, 7, &request, &err));
    assert_int_equal(err.kind, ERR_BUG);
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        assert_int_equal(finish(busy[i], 5000, &answer, &err), 0);
    assert_true(crew_is_idle(&crew));
}

/* ---- with the rights that plain headers take ---- */

static void plainly(const void *context, const struct crew_request *request, struct buf *answer)
{
    static struct message_headers headers;
    struct err err = {0};

    (void)context;
    if (block_read(request->fds[0], plain_value, NULL, &headers, &err) != 1)
        return;
    frame_start(answer, MESSAGE_FRAME_HEADERS);
    message_put_headers(answer, &headers);
}

/* Memory is one of the things that it has no right to ask for. */
static void the_plainest_rights_suffice(void **state)
{
    static crew_job *const forbidden[] = {opens_files, removes_a_file,   opens_a_socket, runs_a_program,
                                          forks,       kills_its_parent, maps_code,      eats_memory};
    struct frame_reader answer;
    struct err err = {0};
    int fd = memfd_create("message", MFD_CLOEXEC);

    (void)state;
    crew_close(&crew);
    assert_int_equal(crew_open(&crew, &plain_profile, do_job, NULL, &err), 0);
    assert_true(dprintf(fd, "Subject: %01000d\nFrom: \"A B\" <a@example.org>, c@example.org\n", 1) > 0);
    /* Larger than what is read at a time. */
    for (int i = 0; i < 2000; i++)
        assert_true(dprintf(fd, "X-Filler: %050d\n", i) > 0);
    assert_true(dprintf(fd, "List-Id: <list.example.org>\n\nbody\n") > 0);
    if (run(plainly, fd, 5000, &answer, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(answer.type, MESSAGE_FRAME_HEADERS);
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0] && !is_sanitized; i++) {
        assert_int_equal(run(forbidden[i], -1, 5000, &answer, &err), -1);
        assert_non_null(strstr(err.text, "SIGSYS"));
    }
    (void)close(fd);
}

static int start_crew(void **state)
{
    struct err err = {0};

    (void)state;
    if (charset_open_all() == 0)
        return -1;
    return crew_open(&crew, &mime_rights, do_job, NULL, &err);
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
        cmocka_unit_test(surprises_end_the_worker),
        cmocka_unit_test(no_file_is_opened),
        cmocka_unit_test(ends_are_explained),
        cmocka_unit_test(a_worker_has_its_own_descriptors_alone),
        cmocka_unit_test(every_charset_works_inside),
        cmocka_unit_test(the_largest_letter_works_inside),
        cmocka_unit_test(the_one_made_ahead_does_the_work),
        cmocka_unit_test(one_that_died_waiting_is_replaced),
        cmocka_unit_test(there_are_as_many_as_may_be_asked),
        cmocka_unit_test(the_plainest_rights_suffice),
    };

    if (support_under_valgrind())
        return EXIT_SUCCESS;
    return cmocka_run_group_tests(tests, start_crew, end_crew);
}
