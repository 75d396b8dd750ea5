/*
 * The writer against sessions that were taken over: each request out of its turn, each frame malformed in some way,
 * lies about sizes, recipients that are not ours. It must cut them off, with nothing left in tmp/ or new/.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "receiver/reply.h"
#include "receiver/wire.h"
#include "receiver/writer.h"
#include "tests/unit/support.h"

/* A span for a table. */
#define BYTES(literal)                                                                                               \
    {                                                                                                                \
        (literal), sizeof(literal) - 1                                                                               \
    }

enum { CHILD_SECONDS = 30, TEXT_SIZE = 65536, RECIPIENTS_MAX = 100 };

/* ---- a writer in a process of its own, this process being its session ---- */

struct fixture {
    const char *folder;
    struct config config;
    int socket;
    pid_t writer;
    const char *message; /* the ID of one that was stored */
};

static void write_config(struct fixture *f, const char *spool, const char *index)
{
    struct config_errors errors = {0};
    char text[4096];

    snprintf(text, sizeof text,
             "hostname = \"mail.example.com\"\nspool = \"%s/%s\"\nindex = \"%s/%s\"\nmax-recipients = %d\n"
             "route \"a@example.com\" {}\nroute \"*@all.example.com\" {}\n",
             f->folder, spool, f->folder, index, (int)RECIPIENTS_MAX);
    assert_int_equal(config_load_text(&f->config, "test.conf", text, &errors), 0);
}

static int serve(const struct fixture *f, int socket)
{
    struct writer writer = {.config = &f->config};

    log_open("writer", LOG_TO_STDERR, support_path(f->folder, "log"));
    return writer_run(&writer, socket, "192.0.2.1") == 0 ? 0 : 1;
}

static void start(struct fixture *f)
{
    struct err err;
    int ends[2];

    assert_int_equal(frame_pair(ends, &err), 0);
    f->writer = fork();
    assert_true(f->writer >= 0);
    if (f->writer == 0) {
        (void)alarm(CHILD_SECONDS);
        (void)close(ends[0]);
        _exit(serve(f, ends[1]));
    }
    (void)close(ends[1]);
    f->socket = ends[0];
}

static struct fixture open_fixture(void **state)
{
    struct fixture f = {.folder = *state};

    assert_int_equal(mkdir(support_path(f.folder, "lib"), 0700), 0);
    write_config(&f, "spool", "lib/index.db");
    start(&f);
    return f;
}

/* Waits for the writer's end. Gives its exit code: 0 the session's end, 1 cut off. */
static int finish(struct fixture *f)
{
    int status;

    (void)close(f->socket);
    assert_int_equal(waitpid(f->writer, &status, 0), f->writer);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void send_frame(const struct fixture *f, const struct buf *frame)
{
    struct err err;

    assert_int_equal(frame_send(f->socket, frame, NULL, 0, &err), 0);
}

static void send_bytes(const struct fixture *f, struct span bytes)
{
    assert_int_equal(send(f->socket, bytes.data, bytes.size, MSG_NOSIGNAL), (ssize_t)bytes.size);
}

static void put_begin(struct buf *frame, struct span protocol, struct span helo, struct span sender,
                      struct span recipients)
{
    frame_start(frame, WIRE_BEGIN);
    frame_put_text(frame, protocol);
    frame_put_text(frame, helo);
    frame_put_text(frame, sender);
    frame_put_text(frame, recipients);
    frame_put_number(frame, 0);
}

static void send_begin(const struct fixture *f, struct span recipients)
{
    static char storage[FRAME_SIZE_MAX];
    struct buf frame = buf_over(storage, sizeof storage);

    put_begin(&frame, SPAN("ESMTP"), SPAN("client.example.org"), SPAN("asker@example.org"), recipients);
    send_frame(f, &frame);
}

static void send_commit(const struct fixture *f, uint64_t size)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, WIRE_COMMIT);
    frame_put_number(&frame, size);
    send_frame(f, &frame);
}

/* Gives the type of the writer's next answer, and what came with it where asked; 0 at the end. */
static int receive(const struct fixture *f, int *fd, char id[static ID_SIZE], uint64_t *failure)
{
    char storage[WIRE_ANSWER_MAX];
    struct frame_reader answer;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;
    int status = frame_receive(f->socket, storage, sizeof storage, &answer, fds, &fd_count, &err);

    /* It left with something of ours unread. */
    if (status < 0 && err.number == ECONNRESET)
        return 0;
    assert_true(status >= 0);
    if (status == 0)
        return 0;
    assert_int_equal(fd_count, answer.type == WIRE_READY ? 1 : 0);
    if (answer.type == WIRE_READY)
        *fd = fds[0];
    if (answer.type == WIRE_COMMITTED)
        snprintf(id, ID_SIZE, "%.*s", ID_LENGTH, frame_text(&answer, ID_LENGTH).data);
    if (answer.type == WIRE_FAILED)
        *failure = frame_number(&answer);
    assert_int_equal(answer.bad, false);
    return answer.type;
}

/* Begins a message to a@example.com and gives its file. */
static int begin(const struct fixture *f)
{
    char id[ID_SIZE];
    uint64_t failure;
    int fd = -1;

    send_begin(f, SPAN("a@example.com\0"));
    assert_int_equal(receive(f, &fd, id, &failure), WIRE_READY);
    return fd;
}

static void commit(const struct fixture *f, uint64_t size, char id[static ID_SIZE])
{
    uint64_t failure;
    int fd;

    send_commit(f, size);
    assert_int_equal(receive(f, &fd, id, &failure), WIRE_COMMITTED);
    assert_true(id_is_valid(span_text(id)));
}

static void append(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
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

static void assert_spool(const struct fixture *f, size_t stored)
{
    assert_int_equal(count_files(f, "spool/tmp"), 0);
    assert_int_equal(count_files(f, "spool/new"), stored);
    assert_int_equal(count_files(f, "spool/cur"), 0);
}

static const char *read_file(const char *path)
{
    static char text[TEXT_SIZE];
    FILE *file = fopen(path, "r");
    size_t size;

    assert_non_null(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

static const char *read_log(const struct fixture *f)
{
    return read_file(support_path(f->folder, "log"));
}

/* The session was cut off for the reason given, and nothing is left of what it did. */
static void assert_cut_off(struct fixture *f, const char *reason)
{
    uint64_t failure;
    char id[ID_SIZE];
    int fd;

    assert_int_equal(receive(f, &fd, id, &failure), 0);
    assert_int_equal(finish(f), 1);
    assert_spool(f, 0);
    if (strstr(read_log(f), "session of 192.0.2.1 cut off: ") == NULL || strstr(read_log(f), reason) == NULL)
        fail_msg("not \"%s\" in the log: %s", reason, read_log(f));
    config_free(&f->config);
}

static void close_fixture(struct fixture *f, size_t stored)
{
    assert_int_equal(finish(f), 0);
    assert_spool(f, stored);
    config_free(&f->config);
}

/* ---- what a session may do ---- */

static void test_messages(void **state)
{
    struct fixture f = open_fixture(state);
    char id[ID_SIZE];
    char wanted[1024];
    char path[64];
    const char *stored;
    struct stat status;

    append(begin(&f), "Subject: one\n\nbody\n");
    commit(&f, 19, id);
    snprintf(path, sizeof path, "spool/new/%s", id);
    assert_int_equal(stat(support_path(f.folder, path), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    stored = read_file(support_path(f.folder, path));
    snprintf(wanted, sizeof wanted,
             "Return-Path: <asker@example.org>\nX-Original-To: a@example.com\n"
             "Received: from client.example.org ([192.0.2.1])\n\tby mail.example.com with ESMTP id %s;\n\t",
             id);
    assert_memory_equal(stored, wanted, strlen(wanted));
    assert_string_equal(strstr(stored, " +0000\n"), " +0000\nSubject: one\n\nbody\n");
    append(begin(&f), "");
    commit(&f, 0, id);
    close_fixture(&f, 2);
}

static void test_discard(void **state)
{
    struct fixture f = open_fixture(state);
    char id[ID_SIZE];

    append(begin(&f), "never mind");
    send_bytes(&f, SPAN("\x03"));
    append(begin(&f), "x");
    commit(&f, 1, id);
    close_fixture(&f, 1);
}

static void test_session_gone_in_a_message(void **state)
{
    struct fixture f = open_fixture(state);

    append(begin(&f), "half of");
    close_fixture(&f, 0);
}

static void test_recipients(void **state)
{
    struct fixture f = open_fixture(state);
    static char storage[WIRE_RECIPIENTS_MAX];
    struct buf list = buf_over(storage, sizeof storage);
    char id[ID_SIZE];
    uint64_t failure;
    int fd = -1;

    for (int i = 0; i < RECIPIENTS_MAX; i++) {
        buf_printf(&list, "user%d@all.example.com", i);
        buf_put_byte(&list, '\0');
        buf_printf(&list, "USER%d@all.example.com", i); /* the same once more */
        buf_put_byte(&list, '\0');
    }
    send_begin(&f, buf_span(&list));
    assert_int_equal(receive(&f, &fd, id, &failure), WIRE_READY);
    append(fd, "x");
    commit(&f, 1, id);
    close_fixture(&f, 1);
    assert_non_null(strstr(read_log(&f), "recipients=100 "));
}

/* Nothing can be stored: the session is told, and may go on. */
static void test_no_spool(void **state)
{
    struct fixture f = {.folder = *state};
    char id[ID_SIZE];
    uint64_t failure = 0;
    int fd;

    write_config(&f, "none/spool", "index.db");
    start(&f);
    for (int i = 0; i < 2; i++) {
        send_begin(&f, SPAN("a@example.com\0"));
        assert_int_equal(receive(&f, &fd, id, &failure), WIRE_FAILED);
        assert_int_equal(failure, FAILURE_TEMPORARY);
    }
    assert_int_equal(finish(&f), 0);
    assert_non_null(strstr(read_log(&f), "none/spool"));
    config_free(&f.config);
}

static void test_no_index(void **state)
{
    struct fixture f = {.folder = *state};
    char id[ID_SIZE];

    write_config(&f, "spool", "none/index.db");
    start(&f);
    append(begin(&f), "x");
    commit(&f, 1, id);
    close_fixture(&f, 1);
    assert_non_null(strstr(read_log(&f), "has no index row yet: index "));
}

static void put_log(struct buf *frame, uint64_t level, struct span text)
{
    frame_start(frame, WIRE_LOG);
    frame_put_number(frame, level);
    frame_put_text(frame, text);
}

static void test_log(void **state)
{
    struct fixture f = open_fixture(state);
    char storage[2048];
    struct buf frame = buf_over(storage, sizeof storage);

    put_log(&frame, LOG_INFO, SPAN("a line\nforged line\x1b[31m\0 end"));
    send_frame(&f, &frame);
    frame_start(&frame, WIRE_REJECTED);
    frame_put_number(&frame, 1);
    frame_put_text(&frame, SPAN("x@example.com\n"));
    frame_put_text(&frame, SPAN("550 no"));
    frame_put_text(&frame, SPAN("h"));
    frame_put_text(&frame, SPAN(""));
    send_frame(&f, &frame);
    close_fixture(&f, 0);
    assert_non_null(strstr(read_log(&f), "a line\\x0aforged line\\x1b[31m\\x00 end client=192.0.2.1\n"));
    assert_non_null(
        strstr(read_log(&f), "rejected client=192.0.2.1 helo=h from=\"\" to=x@example.com\\x0a reply=\"550 no\"\n"));
}

/* ---- what it may not do ---- */

static void test_unknown_requests(void **state)
{
    static const unsigned char types[] = {0, WIRE_REQUEST_END, WIRE_READY, WIRE_COMMITTED, WIRE_FAILED, 255};

    for (size_t i = 0; i < sizeof types; i++) {
        struct fixture f = {.folder = *state};

        write_config(&f, "spool", "index.db");
        start(&f);
        send_bytes(&f, (struct span){(const char *)&types[i], 1});
        assert_cut_off(&f, "unknown request");
    }
}

static void test_commit_without_message(void **state)
{
    struct fixture f = open_fixture(state);

    send_commit(&f, 0);
    assert_cut_off(&f, "request 2 out of turn");
}

static void test_commit_twice(void **state)
{
    struct fixture f = open_fixture(state);
    char id[ID_SIZE];

    append(begin(&f), "x");
    commit(&f, 1, id);
    send_commit(&f, 1);
    assert_int_equal(finish(&f), 1);
    assert_spool(&f, 1);
    config_free(&f.config);
}

static void test_discard_without_message(void **state)
{
    struct fixture f = open_fixture(state);

    send_bytes(&f, SPAN("\x03"));
    assert_cut_off(&f, "request 3 out of turn");
}

static void test_begin_within_message(void **state)
{
    struct fixture f = open_fixture(state);

    append(begin(&f), "x");
    send_begin(&f, SPAN("a@example.com\0"));
    assert_cut_off(&f, "request 1 out of turn");
}

static void test_discarded_message_committed(void **state)
{
    struct fixture f = open_fixture(state);

    append(begin(&f), "x");
    send_bytes(&f, SPAN("\x03"));
    send_commit(&f, 1);
    assert_cut_off(&f, "request 2 out of turn");
}

static void test_lies_about_the_size(void **state)
{
    static const uint64_t sizes[] = {0, 4, 6, UINT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 150};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct fixture f = {.folder = *state};

        write_config(&f, "spool", "index.db");
        start(&f);
        append(begin(&f), "12345");
        send_commit(&f, sizes[i]);
        assert_cut_off(&f, "the session appended 5 bytes and says ");
    }
}

/* Frames that say too little, too much, or nothing that makes sense; `within`: sent while a message is written. */
static const struct {
    struct span bytes;
    bool within;
} malformed[] = {
    {BYTES("\x02"), true},                                                            /* commit without a number */
    {BYTES("\x02\0\0\0\0\0\0\0"), true},                                              /* with half of one */
    {BYTES("\x02\0\0\0\0\0\0\0\0\0"), true},                                          /* with more than one */
    {BYTES("\x03\0"), true},                                                          /* discard with something */
    {BYTES("\x04"), false},                                                           /* rejected without texts */
    {BYTES("\x04\xff\xff\xff\xff"), false},                                           /* a length beyond the frame */
    {BYTES("\x04\x01\0\0\0x\x01\0\0\0x\x01\0\0\0x"), false},                          /* one text too few */
    {BYTES("\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), true},                          /* and something behind them */
    {BYTES("\x05"), false},                                                           /* log without anything */
    {BYTES("\x05\x08\0\0\0\0\0\0\0\0\0\0\0"), false},                                 /* a level that there is not */
    {BYTES("\x05\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), true},                    /* or a negative one */
    {BYTES("\x05\0\0\0\0\0\0\0\0\x02\0\0\0x"), true},                                 /* a text cut short */
    {BYTES("\x01"), false},                                                           /* begin without anything */
    {BYTES("\x01\x01\0\0\0S\x01\0\0\0h\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false},     /* without a recipient */
    {BYTES("\x01\x01\0\0\0S\x01\0\0\0h\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0"), false}, /* with an empty one */
    {BYTES("\x01\0\0\0\0\x01\0\0\0h\0\0\0\0\x0d\0\0\0a@example.com\0\0\0\0\0\0\0\0"), false}, /* without a protocol */
};

static void test_malformed_frames(void **state)
{
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        struct fixture f = {.folder = *state};

        write_config(&f, "spool", "index.db");
        start(&f);
        if (malformed[i].within)
            append(begin(&f), "x");
        send_bytes(&f, malformed[i].bytes);
        assert_cut_off(&f, "cut off");
    }
}

/* Every beginning of a good frame, and the frame with a byte more. */
static void test_begin_cut_short(void **state)
{
    char storage[256];
    struct buf frame = buf_over(storage, sizeof storage);

    put_begin(&frame, SPAN("ESMTP"), SPAN("h"), SPAN("s@example.org"), SPAN("a@example.com\0"));
    for (size_t size = 1; size <= frame.size + 1; size += support_under_valgrind() ? 7 : 1) {
        struct fixture f = {.folder = *state};

        if (size == frame.size)
            continue;
        write_config(&f, "spool", "index.db");
        start(&f);
        send_bytes(&f, (struct span){storage, size});
        assert_cut_off(&f, "malformed");
    }
}

/* What the session should have refused, text by text. */
static const struct {
    struct span protocol, helo, sender, recipients;
} envelopes[] = {
    {BYTES("ESMTP\n"), BYTES("h"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTPSESMTPSESMTPS"), BYTES("h"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES(""), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h\n\tby"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h\0"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h h"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("\xff"), BYTES(""), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES("s"), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES("s@example.org>\nX-Original-To: b"), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES("\0"), BYTES("a@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("b@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("a@example.net\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("a@example.com\0b@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("a@example.com\0\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("a@example.com\n\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("x%example.net@all.example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("\"x@example.net\"@all.example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("example.net!x@example.com\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("@example.com:x@example.net\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("a@example.com,b@example.net\0")},
    {BYTES("ESMTP"), BYTES("h"), BYTES(""), BYTES("<a@example.com>\0")},
};

static void test_bad_envelopes(void **state)
{
    for (size_t i = 0; i < sizeof envelopes / sizeof envelopes[0]; i++) {
        struct fixture f = {.folder = *state};
        char storage[512];
        struct buf frame = buf_over(storage, sizeof storage);

        write_config(&f, "spool", "index.db");
        start(&f);
        put_begin(&frame, envelopes[i].protocol, envelopes[i].helo, envelopes[i].sender, envelopes[i].recipients);
        send_frame(&f, &frame);
        assert_cut_off(&f, "cut off");
    }
}

static void test_too_many_recipients(void **state)
{
    struct fixture f = open_fixture(state);
    static char storage[WIRE_RECIPIENTS_MAX];
    struct buf list = buf_over(storage, sizeof storage);

    for (int i = 0; i <= RECIPIENTS_MAX; i++) {
        buf_printf(&list, "user%d@all.example.com", i);
        buf_put_byte(&list, '\0');
    }
    send_begin(&f, buf_span(&list));
    assert_cut_off(&f, "the session sent 101 recipients");
}

static void test_oversize_frame(void **state)
{
    struct fixture f = open_fixture(state);
    static const char zeros[WIRE_FRAME_MAX + 1];

    send_bytes(&f, (struct span){zeros, sizeof zeros});
    assert_cut_off(&f, "a frame larger than");
}

static void test_oversize_log(void **state)
{
    struct fixture f = open_fixture(state);
    static const char zeros[WIRE_LOG_MAX + 1];
    char storage[2048];
    struct buf frame = buf_over(storage, sizeof storage);

    put_log(&frame, LOG_INFO, (struct span){zeros, sizeof zeros});
    send_frame(&f, &frame);
    assert_cut_off(&f, "malformed log line");
}

/* Descriptors that a session sends are closed, and do not heap up. */
static void test_descriptors_sent(void **state)
{
    struct fixture f = open_fixture(state);
    char storage[64];
    char path[64];
    char id[ID_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    const int fds[FRAME_FDS_MAX] = {0, 0, 0, 0};
    struct err err;
    size_t before;

    append(begin(&f), "x");
    snprintf(path, sizeof path, "/proc/%d/fd", (int)f.writer);
    before = count_files(&(struct fixture){.folder = ""}, path + 1);
    assert_true(before > 0);
    put_log(&frame, LOG_INFO, SPAN("x"));
    for (int i = 0; i < 10; i++)
        assert_int_equal(frame_send(f.socket, &frame, fds, FRAME_FDS_MAX, &err), 0);
    commit(&f, 1, id); /* by now it has seen them all */
    assert_int_equal(begin(&f) >= 0, true);
    assert_true(count_files(&(struct fixture){.folder = ""}, path + 1) <= before + 4); /* the index's files */
    assert_int_equal(finish(&f), 0);
    config_free(&f.config);
}

/* ---- what the writer itself may do once it writes ---- */

static int attempts; /* made by the child that tries */

/* An attempt that must fail for lack of rights (EXDEV: those of the folder it would go to). Gives 0 when it did. */
static int forbidden(int result)
{
    attempts++;
    return result == -1 && (errno == EACCES || errno == EXDEV) ? 0 : attempts;
}

static int try_network(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static int try_exec(void)
{
    char name[] = "/bin/true";
    char *arguments[] = {name, NULL};

    return execv(name, arguments);
}

/* Everything that the table of trust denies to the writer. Gives the number of the first that it was let do, or 0. */
static int try_all(const struct fixture *f, const char *message)
{
    char tmp[4096];
    int wrong = 0;

    snprintf(tmp, sizeof tmp, "%s/spool/tmp/x", f->folder);
    wrong += forbidden(unlink(message));
    wrong += forbidden(open(message, O_RDONLY));
    wrong += forbidden(open(message, O_WRONLY | O_APPEND));
    wrong += forbidden(truncate(message, 0));
    wrong += forbidden(rename(message, tmp));
    wrong += forbidden(link(message, tmp));
    wrong += forbidden(open("/etc/passwd", O_RDONLY));
    wrong += forbidden(open(support_path(f->folder, "x"), O_WRONLY | O_CREAT, 0600));
    wrong += forbidden(mkdir(support_path(f->folder, "spool/x"), 0700));
    wrong += forbidden(symlink("/etc/passwd", tmp));
    wrong += forbidden(mknod(tmp, S_IFIFO | 0600, 0));
    wrong += forbidden(rmdir(support_path(f->folder, "spool/cur")));
    wrong += forbidden(try_exec());
    if (sandbox_landlock_version() >= 4)
        wrong += forbidden(try_network());
    return wrong;
}

static int serve_and_try(void *context)
{
    const struct fixture *f = context;
    char message[4096];

    if (serve(f, f->socket) != 0)
        return 100;
    if (forbidden(open(support_path(f->folder, "spool/new"), O_RDONLY | O_DIRECTORY)) != 0)
        return 101;
    /* This it may, or the test shows nothing. */
    if (open(support_path(f->folder, "lib/index.db"), O_RDWR) < 0)
        return 102;
    snprintf(message, sizeof message, "%s/spool/new/%s", f->folder, f->message);
    return try_all(f, message);
}

/* The sandbox is for good, so it can be tried out when the writer has done its work. */
static void test_sandbox(void **state)
{
    struct fixture f;
    char id[ID_SIZE];
    char storage[256];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;
    int ends[2];

    if (sandbox_landlock_version() < 2 || support_under_valgrind())
        skip();
    f = open_fixture(state);
    append(begin(&f), "x");
    commit(&f, 1, id);
    assert_int_equal(finish(&f), 0);
    f.message = id;

    /* One more, whose session has said all that it has to say when the writer begins to listen. */
    assert_int_equal(frame_pair(ends, &err), 0);
    f.socket = ends[0];
    send_begin(&f, SPAN("a@example.com\0"));
    frame_start(&frame, WIRE_COMMIT);
    frame_put_number(&frame, 0);
    send_frame(&f, &frame);
    assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
    f.socket = ends[1];
    assert_int_equal(support_run_child(serve_and_try, &f), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_spool(&f, 2);
    config_free(&f.config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages),
        TEST(test_discard),
        TEST(test_session_gone_in_a_message),
        TEST(test_recipients),
        TEST(test_no_spool),
        TEST(test_no_index),
        TEST(test_log),
        TEST(test_unknown_requests),
        TEST(test_commit_without_message),
        TEST(test_commit_twice),
        TEST(test_discard_without_message),
        TEST(test_begin_within_message),
        TEST(test_discarded_message_committed),
        TEST(test_lies_about_the_size),
        TEST(test_malformed_frames),
        TEST(test_begin_cut_short),
        TEST(test_bad_envelopes),
        TEST(test_too_many_recipients),
        TEST(test_oversize_frame),
        TEST(test_oversize_log),
        TEST(test_descriptors_sent),
        TEST(test_sandbox),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
