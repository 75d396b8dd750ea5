#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rejection.h"
#include "tests/unit/support.h"

static struct rejection example(void)
{
    return (struct rejection){.time_ms = 1769903999123,
                              .client = SPAN("192.0.2.1"),
                              .helo = SPAN("client.example.org"),
                              .sender = SPAN("asker@example.org"),
                              .recipient = SPAN("nobody@example.com"),
                              .reply = SPAN("550 5.1.1 <nobody@example.com>: no such address here")};
}

static const char line_of_example[] = "R\t1769903999123\t192.0.2.1\tclient.example.org\tasker@example.org\t"
                                      "nobody@example.com\t550 5.1.1 <nobody@example.com>: no such address here\n";

/* Without its end. */
static struct span written(const struct rejection *rejection)
{
    static char storage[REJECTION_LINE_MAX];
    struct buf line = buf_over(storage, sizeof storage);

    rejection_write(rejection, &line);
    assert_false(line.overflowed);
    assert_int_equal(storage[line.size - 1], '\n');
    return span_slice(buf_span(&line), 0, line.size - 1);
}

static void assert_same(struct span a, struct span b)
{
    assert_int_equal(a.size, b.size);
    assert_true(span_equal(a, b));
}

/* ---- lines ---- */

static void what_is_written_is_read(void **state)
{
    struct rejection rejection = example();
    struct rejection read;
    struct span line = written(&rejection);

    (void)state;
    assert_same(line, span_slice(SPAN(line_of_example), 0, sizeof line_of_example - 2));
    assert_int_equal(rejection_read(line, &read), 0);
    assert_int_equal(read.time_ms, rejection.time_ms);
    assert_same(read.client, rejection.client);
    assert_same(read.helo, rejection.helo);
    assert_same(read.sender, rejection.sender);
    assert_same(read.recipient, rejection.recipient);
    assert_same(read.reply, rejection.reply);
}

static void nothing_but_the_reply_need_be_there(void **state)
{
    struct rejection rejection = {.time_ms = -5, .reply = SPAN("554 5.5.1 no")};
    struct rejection read;

    (void)state;
    assert_same(written(&rejection), SPAN("R\t0\t\t\t\t\t554 5.5.1 no"));
    assert_int_equal(rejection_read(written(&rejection), &read), 0);
    assert_int_equal(read.sender.size, 0);
}

static void foreign_bytes_are_tamed(void **state)
{
    const struct {
        struct span raw, tame;
    } cases[] = {
        {SPAN("a\tb\nc\0d\x1b[31m\x7f"), SPAN("a?b?c?d?[31m?")},
        {SPAN("gr\xC3\xBCn@example.com"), SPAN("gr\xC3\xBCn@example.com")},
        {SPAN("gr\xFCn@example.com"), SPAN("gr?n@example.com")},
        {SPAN("\xC3\xBC\xFC"), SPAN("???")},
        {SPAN("x\xC2\x9B"
              "31m\xC2\xA0"),
         SPAN("x?31m\xC2\xA0")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rejection rejection = example();
        struct rejection read;

        rejection.recipient = cases[i].raw;
        assert_int_equal(rejection_read(written(&rejection), &read), 0);
        assert_same(read.recipient, cases[i].tame);
        assert_same(read.reply, rejection.reply);
    }
}

static void what_is_too_long_is_cut(void **state)
{
    static char text[5000];
    struct rejection rejection = {.time_ms = INT64_MAX};
    struct rejection read;

    (void)state;
    memset(text, 'x', sizeof text);
    rejection.client = rejection.helo = rejection.sender = rejection.recipient = rejection.reply =
        (struct span){text, sizeof text};
    /* So far no year can be that SQLite could write; its line is none. */
    assert_int_equal(rejection_read(written(&rejection), &read), -1);
    rejection.time_ms = 1;
    assert_int_equal(rejection_read(written(&rejection), &read), 0);
    assert_int_equal(read.client.size, ENVELOPE_CLIENT_SIZE - 1);
    assert_int_equal(read.recipient.size, ADDRESS_SIZE - 1);
    assert_int_equal(read.reply.size, REJECTION_REPLY_MAX);
}

/* Wherever a line is cut off, alone or with the next one behind it, it is none. */
static void a_torn_line_is_none(void **state)
{
    struct rejection rejection = example();
    struct span line = SPAN(line_of_example);
    char storage[2 * REJECTION_LINE_MAX];

    (void)state;
    for (size_t size = 1; size + 1 < line.size; size++) {
        struct buf torn = buf_over(storage, sizeof storage);

        buf_put(&torn, span_slice(line, 0, size));
        buf_put(&torn, span_slice(line, 0, line.size - 1));
        assert_int_equal(rejection_read(buf_span(&torn), &rejection), -1);
    }
}

static void what_is_no_line_is_not_read(void **state)
{
    const struct span bad[] = {
        SPAN(""),
        SPAN("R"),
        SPAN("R\t1\t\t\t\t"),
        SPAN("R\t1\t\t\t\t\t\t"),
        SPAN("R\t\t\t\t\t\t"),
        SPAN("R\t-1\t\t\t\t\t"),
        SPAN("R\t 1\t\t\t\t\t"),
        SPAN("R\t253402300800000\t\t\t\t\t"),
        SPAN("R\t99999999999999999999999\t\t\t\t\t"),
        SPAN("r\t1\t\t\t\t\t"),
        SPAN("RR\t1\t\t\t\t\t"),
        SPAN("N\t0000000000000000001"),
        SPAN("R\t1\t\t\t\t\tx\0y"),
        SPAN("R\t1\t\t\t\t\tx\x1b"),
        SPAN("R\t1\t\t\t\t\t\xFF"),
        SPAN("R\t1\t\t\t\t\t\xC2\x9B"),
        SPAN("\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
    struct rejection rejection;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rejection_read(bad[i], &rejection), -1);
    assert_int_equal(rejection_read(SPAN("R\t253402300799999\t\t\t\t\t"), &rejection), 0);
}

/* ---- the journal ---- */

static struct rejection_paths paths_in(const char *folder)
{
    struct rejection_paths paths;
    struct err err;

    assert_int_equal(rejection_paths(&paths, support_path(folder, "index.db"), &err), 0);
    return paths;
}

static int append(const struct rejection_paths *paths, struct err *err)
{
    struct rejection rejection = example();

    return rejection_append(paths, &rejection, err);
}

static off_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : -1;
}

static void lines_are_appended_taken_and_dropped(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    off_t size = sizeof line_of_example - 1;
    struct err err = {0};
    int fd;

    assert_int_equal(rejection_take(&paths, &err), -1);
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(append(&paths, &err), 0);
    assert_int_equal(append(&paths, &err), 0);
    assert_int_equal(size_of(paths.journal), 2 * size);
    fd = rejection_take(&paths, &err);
    assert_true(fd >= 0);
    assert_int_equal(size_of(paths.journal), -1);
    assert_int_equal(append(&paths, &err), 0);
    assert_int_equal(size_of(paths.journal), size);
    assert_int_equal(size_of(paths.taken), 2 * size);
    assert_int_equal(rejection_drop(&paths, fd, &err), 0);
    assert_int_equal(size_of(paths.taken), -1);
    assert_int_equal(size_of(paths.journal), size);
}

/* What a crash left in hand comes first. */
static void what_was_taken_is_taken_again(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    struct err err = {0};
    int fd;

    assert_int_equal(append(&paths, &err), 0);
    fd = rejection_take(&paths, &err);
    (void)close(fd);
    assert_int_equal(append(&paths, &err), 0);
    assert_int_equal(append(&paths, &err), 0);
    fd = rejection_take(&paths, &err);
    assert_int_equal(size_of(paths.taken), (off_t)sizeof line_of_example - 1);
    assert_int_equal(rejection_drop(&paths, fd, &err), 0);
    fd = rejection_take(&paths, &err);
    assert_int_equal(size_of(paths.taken), 2 * ((off_t)sizeof line_of_example - 1));
    assert_int_equal(rejection_drop(&paths, fd, &err), 0);
}

static void nothing_is_taken_while_somebody_writes(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    struct err err = {0};
    int writer, fd;

    assert_int_equal(append(&paths, &err), 0);
    writer = open(paths.journal, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(flock(writer, LOCK_SH), 0);
    assert_int_equal(rejection_take(&paths, &err), -1);
    assert_int_equal(err.number, EAGAIN);
    (void)close(writer);
    fd = rejection_take(&paths, &err);
    assert_true(fd >= 0);
    assert_int_equal(rejection_drop(&paths, fd, &err), 0);
}

/* A process that was taken over and keeps the lock keeps nobody waiting. */
static void a_lock_is_not_waited_for(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    struct err err = {0};
    int other;

    assert_int_equal(append(&paths, &err), 0);
    other = open(paths.journal, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(append(&paths, &err), -1);
    assert_int_equal(err.number, EAGAIN);
    (void)close(other);
    assert_int_equal(append(&paths, &err), 0);
}

enum { WRITERS = 3, LINES_OF_EACH = 2000 };

static int append_many(void *context)
{
    const struct rejection_paths *paths = context;
    struct rejection rejection = example();
    struct err err;

    for (int i = 0; i < LINES_OF_EACH;)
        if (rejection_append(paths, &rejection, &err) == 0)
            i++;
        else if (err.number != EAGAIN)
            return 1;
    return 0;
}

/* Gives the bytes of lines that were in it; 0 for none. */
static off_t take_and_drop(const struct rejection_paths *paths)
{
    struct err err = {0};
    int fd = rejection_take(paths, &err);
    off_t size = fd < 0 ? 0 : size_of(paths->taken);

    assert_true(fd >= 0 || err.kind == ERR_NONE || err.number == EAGAIN);
    if (fd >= 0)
        assert_int_equal(rejection_drop(paths, fd, &err), 0);
    return size;
}

/* However writing, renaming and reading fall together. */
static void no_line_is_lost_on_the_way(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    pid_t writers[WRITERS];
    off_t bytes = 0;

    for (int i = 0; i < WRITERS; i++)
        writers[i] = support_start_child(append_many, &paths);
    for (int running = WRITERS; running > 0; bytes += take_and_drop(&paths)) {
        int status;

        for (int i = 0; i < WRITERS; i++)
            if (writers[i] > 0 && waitpid(writers[i], &status, WNOHANG) == writers[i]) {
                assert_true(support_exited(status, 0));
                writers[i] = 0;
                running--;
            }
    }
    bytes += take_and_drop(&paths);
    assert_int_equal(bytes, (off_t)WRITERS * LINES_OF_EACH * ((off_t)sizeof line_of_example - 1));
}

static void a_full_journal_says_so_once(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    struct err err = {0};
    int fd = open(paths.journal, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(ftruncate(fd, REJECTION_JOURNAL_MAX - 1), 0);
    assert_int_equal(append(&paths, &err), -1);
    assert_int_equal(err.number, EFBIG);
    assert_non_null(strstr(err.text, "index.db-rejections is full"));
    assert_int_equal(size_of(paths.journal), REJECTION_JOURNAL_MAX - 1 + (off_t)sizeof line_of_example - 1);
    assert_int_equal(append(&paths, &err), 0);
    assert_int_equal(size_of(paths.journal), REJECTION_JOURNAL_MAX - 1 + (off_t)sizeof line_of_example - 1);
    (void)close(fd);
}

static void what_is_no_file_is_let_be(void **state)
{
    struct rejection_paths paths = paths_in(*state);
    struct err err = {0};

    assert_int_equal(mkfifo(paths.journal, 0600), 0);
    assert_int_equal(append(&paths, &err), -1);
    assert_int_equal(unlink(paths.journal), 0);
    assert_int_equal(symlink("elsewhere", paths.journal), 0);
    assert_int_equal(append(&paths, &err), -1);
    assert_int_equal(err.number, ELOOP);
    assert_int_equal(size_of(support_path(*state, "elsewhere")), -1);
    assert_int_equal(unlink(paths.journal), 0);
    assert_int_equal(mkfifo(paths.taken, 0600), 0);
    assert_int_equal(rejection_take(&paths, &err), -1);
    assert_non_null(strstr(err.text, "is no file"));
    assert_int_equal(unlink(paths.taken), 0);
}

static void a_missing_folder_is_an_error(void **state)
{
    struct rejection_paths paths = paths_in(support_path(*state, "none"));
    struct err err = {0};

    assert_int_equal(append(&paths, &err), -1);
    assert_int_equal(err.number, ENOENT);
    assert_int_equal(rejection_take(&paths, &err), -1);
    assert_int_equal(err.kind, ERR_NONE);
}

static void a_path_too_long_is_an_error(void **state)
{
    static char index[REJECTION_PATH_SIZE];
    struct rejection_paths paths;
    struct err err;

    (void)state;
    memset(index, 'x', sizeof index - 12);
    index[0] = '/';
    assert_int_equal(rejection_paths(&paths, index, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
}

#define TEST_IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_but_the_reply_need_be_there),
        cmocka_unit_test(foreign_bytes_are_tamed),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(a_torn_line_is_none),
        cmocka_unit_test(what_is_no_line_is_not_read),
        TEST_IN_FOLDER(lines_are_appended_taken_and_dropped),
        TEST_IN_FOLDER(what_was_taken_is_taken_again),
        TEST_IN_FOLDER(nothing_is_taken_while_somebody_writes),
        TEST_IN_FOLDER(a_lock_is_not_waited_for),
        TEST_IN_FOLDER(no_line_is_lost_on_the_way),
        TEST_IN_FOLDER(a_full_journal_says_so_once),
        TEST_IN_FOLDER(what_is_no_file_is_let_be),
        TEST_IN_FOLDER(a_missing_folder_is_an_error),
        cmocka_unit_test(a_path_too_long_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
