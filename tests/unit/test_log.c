#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/unit/support.h"

/* What the log's sink got last. */
static struct {
    int count;
    int level;
    size_t size;
    char text[LOG_LINE_SIZE];
} heard;

static void hear(void *context, int level, struct span text)
{
    assert_ptr_equal(context, &heard);
    assert_true(text.size < LOG_LINE_SIZE);
    heard.count++;
    heard.level = level;
    heard.size = text.size;
    memcpy(heard.text, text.data, text.size);
    heard.text[text.size] = '\0';
}

static int redirect(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof heard);
    log_redirect(hear, &heard);
    return 0;
}

static int redirect_back(void **state)
{
    (void)state;
    log_redirect(NULL, NULL);
    return 0;
}

static const char *line_with(struct span value)
{
    struct log_line line;

    log_start(&line, LOG_INFO, "said");
    log_text(&line, "x", value);
    log_end(&line);
    return heard.text;
}

/* ---- what a line looks like ---- */

static void words_and_pairs(void **state)
{
    struct log_line line;

    (void)state;
    log_start(&line, LOG_NOTICE, "accepted");
    log_text(&line, "id", SPAN("06DK3T9Q2B7XH0VA"));
    log_number(&line, "size", INT64_MAX);
    log_number(&line, "least", INT64_MIN);
    log_end(&line);
    assert_string_equal(heard.text,
                        "accepted id=06DK3T9Q2B7XH0VA size=9223372036854775807 least=-9223372036854775808");
    assert_int_equal(heard.level, LOG_NOTICE);
    assert_int_equal(heard.count, 1);
}

static void values_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    assert_string_equal(line_with(SPAN("plain<>@[]:")), "said x=plain<>@[]:");
    assert_string_equal(line_with(SPAN("")), "said x=\"\"");
    assert_string_equal(line_with((struct span){NULL, 0}), "said x=\"\"");
    assert_string_equal(line_with(SPAN("two words")), "said x=\"two words\"");
    assert_string_equal(line_with(SPAN(" ")), "said x=\" \"");
    assert_string_equal(line_with(SPAN("a=b")), "said x=\"a=b\"");
    assert_string_equal(line_with(SPAN("\"")), "said x=\"\\x22\"");
    assert_string_equal(line_with(SPAN("\"a\"\"b\"")), "said x=\"\\x22a\\x22\\x22b\\x22\"");
    assert_string_equal(line_with(SPAN("x\" evil=\"1")), "said x=\"x\\x22 evil=\\x221\"");
}

static void no_raw_byte_gets_in(void **state)
{
    (void)state;
    assert_string_equal(line_with(SPAN("a\nb")), "said x=a\\x0ab");
    assert_string_equal(line_with(SPAN("a\0b\r\t\x1B[0m\x7F")), "said x=a\\x00b\\x0d\\x09\\x1b[0m\\x7f");
    assert_string_equal(line_with(SPAN("\xC3\xBC\xFF")), "said x=\\xc3\\xbc\\xff");
    assert_string_equal(line_with(SPAN("\\x0a")), "said x=\\x5cx0a");
    for (int byte = 0; byte < 256; byte++) {
        char value = (char)byte;

        line_with((struct span){&value, 1});
        for (size_t i = 0; i < heard.size; i++)
            assert_in_range(heard.text[i], ' ', '~');
    }
    log_say(LOG_ERR, "%s", "a\nb\x80");
    assert_string_equal(heard.text, "a\\x0ab\\x80");
}

/* ---- long lines ---- */

static char big[4 * LOG_LINE_SIZE];

static void a_long_value_ends_in_dots(void **state)
{
    size_t room = LOG_LINE_SIZE - 1 - strlen("said x=");

    (void)state;
    memset(big, 'v', sizeof big);
    line_with((struct span){big, room});
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_int_equal(heard.text[heard.size - 1], 'v');
    line_with((struct span){big, room + 1});
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_string_equal(heard.text + heard.size - 4, "v...");
    line_with((struct span){big, sizeof big});
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_string_equal(heard.text + heard.size - 4, "v...");
}

/* Whatever comes first that does not fit, nothing behind it is written as if it stood there. */
static void nothing_follows_a_gap(void **state)
{
    (void)state;
    for (size_t size = LOG_LINE_SIZE - 40; size < LOG_LINE_SIZE + 5; size++) {
        struct log_line line;

        memset(big, 'v', size);
        log_start(&line, LOG_INFO, "said");
        log_text(&line, "x", (struct span){big, size});
        log_text(&line, "key_that_is_long", SPAN("\n\nz"));
        log_number(&line, "n", 123456);
        log_text(&line, "q", SPAN("a b"));
        log_end(&line);
        assert_true(heard.size < LOG_LINE_SIZE);
        if (strcmp(heard.text + heard.size - 3, "...") != 0) {
            assert_string_equal(heard.text + heard.size - strlen(" key_that_is_long=\\x0a\\x0az n=123456 q=\"a b\""),
                                " key_that_is_long=\\x0a\\x0az n=123456 q=\"a b\"");
        } else {
            const char *behind = heard.text + strspn(heard.text, "said x=v");
            static const char whole[] = "key_that_is_long=\\x0a\\x0az n=123456 q=\"a b\"";

            assert_memory_equal(behind, whole, strlen(behind) - 3);
        }
    }
}

static void a_long_saying_ends_in_dots(void **state)
{
    (void)state;
    memset(big, 'v', sizeof big);
    log_say(LOG_INFO, "%.*s", LOG_LINE_SIZE - 1, big);
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_int_equal(heard.text[heard.size - 1], 'v');
    log_say(LOG_INFO, "%.*s", LOG_LINE_SIZE, big);
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_string_equal(heard.text + heard.size - 4, "v...");
    memset(big, '\n', sizeof big);
    log_say(LOG_INFO, "%.*s", 300, big);
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_string_equal(heard.text + heard.size - 3, "...");
}

/* ---- relaying ---- */

static void what_a_sandboxed_process_says_is_cleaned(void **state)
{
    (void)state;
    log_relay(LOG_WARNING, SPAN("refused helo=a\nmailmill: accepted\0\xC3\x7F"));
    assert_string_equal(heard.text, "refused helo=a\\x0amailmill: accepted\\x00\\xc3\\x7f");
    assert_int_equal(heard.level, LOG_WARNING);
    memset(big, 'v', sizeof big);
    log_relay(LOG_INFO, (struct span){big, sizeof big});
    assert_int_equal(heard.size, LOG_LINE_SIZE - 1);
    assert_string_equal(heard.text + heard.size - 4, "v...");
}

/* A line reads the same whether a process wrote it by itself or through another one. */
static void a_clean_line_is_relayed_as_it_is(void **state)
{
    char first[sizeof heard.text];

    (void)state;
    memcpy(first, line_with(SPAN("a\nb \"c\" \\ d")), sizeof first);
    log_relay(LOG_INFO, span_text(first));
    assert_string_equal(heard.text, first);
}

/* Only a level: no facility, and no number that syslog(3) would complain about. */
static void a_level_is_held_to_its_range(void **state)
{
    (void)state;
    log_relay(LOG_KERN | LOG_ERR, SPAN("x"));
    assert_int_equal(heard.level, LOG_ERR);
    log_relay(LOG_AUTHPRIV | LOG_INFO, SPAN("x"));
    assert_int_equal(heard.level, LOG_INFO);
    log_relay(-1, SPAN("x"));
    assert_in_range(heard.level, LOG_EMERG, LOG_DEBUG);
}

/* ---- where lines go ---- */

/* Reads a whole file; borrowed until the next call. */
static const char *contents(const char *path)
{
    static char text[8192];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    assert_true(fd >= 0);
    size = read(fd, text, sizeof text - 1);
    assert_true(size >= 0);
    text[size] = '\0';
    (void)close(fd);
    return text;
}

static int no_file(void **state)
{
    log_open("test", LOG_TO_STDERR, NULL);
    return support_remove_folder(state);
}

static void a_file_is_appended_to(void **state)
{
    const char *path = support_path(*state, "log");
    const char *text;
    char tail[64];

    log_open("first", LOG_TO_STDERR, path);
    log_say(LOG_INFO, "one");
    log_open("second", LOG_TO_STDERR, path);
    log_say(LOG_INFO, "two\nlines");
    text = contents(path);
    snprintf(tail, sizeof tail, "Z first[%d]: one\n", (int)getpid());
    assert_non_null(strstr(text, tail));
    snprintf(tail, sizeof tail, "Z second[%d]: two\\x0alines\n", (int)getpid());
    assert_string_equal(text + strlen(text) - strlen(tail), tail);
    assert_int_equal(text[4], '-'); /* a time stands first */
    assert_int_equal(text[10], 'T');
}

static void opening_again_closes_the_file_before(void **state)
{
    const char *path = support_path(*state, "log");
    size_t before = support_open_descriptors();

    for (int i = 0; i < 5; i++)
        log_open("test", LOG_TO_STDERR, path);
    assert_int_equal(support_open_descriptors(), before + 1);
    log_open("test", LOG_TO_STDERR, NULL);
    assert_int_equal(support_open_descriptors(), before);
}

static void a_late_file_is_opened_when_it_is_needed(void **state)
{
    const char *path = support_path(*state, "log");
    size_t before = support_open_descriptors();

    log_open_late("test", LOG_TO_STDERR, path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(support_open_descriptors(), before);
    log_say(LOG_INFO, "one");
    assert_non_null(strstr(contents(path), "]: one\n"));
    assert_int_equal(unlink(path), 0);
    log_ready(); /* it is open, and stays so */
    assert_int_equal(access(path, F_OK), -1);
    log_open_late("test", LOG_TO_STDERR, path);
    assert_int_equal(support_open_descriptors(), before);
    log_ready();
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(support_open_descriptors(), before + 1);
}

/* A sandboxed process, whose lines another one writes, has no log to open. */
static void a_line_for_another_process_opens_no_file(void **state)
{
    const char *path = support_path(*state, "log");

    log_open_late("test", LOG_TO_STDERR, path);
    (void)redirect(state);
    log_say(LOG_INFO, "one");
    (void)redirect_back(state);
    assert_int_equal(heard.count, 1);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_rotated_file_is_left_alone(void **state)
{
    const char *path = support_path(*state, "log");
    const char *rotated = support_path(*state, "log.1");
    size_t before = support_open_descriptors();

    log_open("test", LOG_TO_STDERR, path);
    log_say(LOG_INFO, "one");
    assert_int_equal(rename(path, rotated), 0);
    log_say(LOG_INFO, "two");
    log_reopen(path);
    log_say(LOG_INFO, "three");
    assert_non_null(strstr(contents(rotated), "]: two\n"));
    assert_null(strstr(contents(rotated), "three"));
    assert_non_null(strstr(contents(path), "]: three\n"));
    /* What cannot be opened is no reason to give up the log that there is. */
    log_reopen("/nonexistent/log");
    log_say(LOG_INFO, "four");
    assert_non_null(strstr(contents(path), "cannot open the log file /nonexistent/log"));
    assert_non_null(strstr(contents(path), "]: four\n"));
    assert_int_equal(support_open_descriptors(), before + 1);
    log_reopen(NULL);
    assert_int_equal(support_open_descriptors(), before);
}

enum { SOMEBODY = 65534 };

/* Codes of the child below: the number of the step that failed. It reopens as main does, when it is not root now. */
static int rotate_as_owner(void *context)
{
    const char *path = support_path(context, "log");
    struct stat status;

    log_owner(SOMEBODY, SOMEBODY);
    log_open("test", LOG_TO_STDERR, path);
    if (stat(path, &status) != 0 || status.st_uid != SOMEBODY || status.st_gid != SOMEBODY)
        return 1;
    if (rename(path, support_path(context, "log.1")) != 0)
        return 2;
    log_reopen(path);
    if (stat(path, &status) != 0 || status.st_uid != SOMEBODY || status.st_gid != SOMEBODY || geteuid() != 0)
        return 3;
    if (setresgid(SOMEBODY, SOMEBODY, SOMEBODY) != 0 || setresuid(SOMEBODY, SOMEBODY, SOMEBODY) != 0)
        return 4;
    log_reopen(path);
    log_say(LOG_INFO, "reopened");
    return strstr(contents(path), "cannot") == NULL && strstr(contents(path), "reopened") != NULL ? 0 : 5;
}

static void a_file_that_root_makes_is_its_owners(void **state)
{
    if (geteuid() != 0 || support_under_valgrind()) /* whose kernel has no openat2 */
        skip();
    assert_int_equal(chmod(*state, 0755), 0);
    assert_true(support_exited(support_run_child(rotate_as_owner, *state), 0));
}

/* The owner could lead root to a file that isn't its own. */
static int follow_links(void *context)
{
    const char *path = support_path(context, "owned/log");
    const char *target = support_path(context, "target");
    struct stat status;

    if (mkdir(support_path(context, "owned"), 0755) != 0 ||
        chown(support_path(context, "owned"), SOMEBODY, SOMEBODY) != 0 || symlink(target, path) != 0)
        return 1;
    log_owner(SOMEBODY, SOMEBODY);
    log_open("test", LOG_TO_STDERR, path);
    if (stat(target, &status) == 0)
        return 2;
    if (mknod(target, S_IFREG | 0600, 0) != 0)
        return 3;
    log_open("test", LOG_TO_STDERR, path);
    log_say(LOG_INFO, "x");
    return stat(target, &status) == 0 && status.st_uid == 0 && status.st_size == 0 ? 0 : 4;
}

static void a_link_leads_root_no_further_than_its_owner(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(*state, 0755), 0);
    assert_true(support_exited(support_run_child(follow_links, *state), 0));
}

/* Runs `say` with standard error in a file, and gives what was written. */
static const char *on_standard_error(const char *folder, void (*say)(void *context), void *context)
{
    const char *path = support_path(folder, "stderr");
    int saved = dup(STDERR_FILENO);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(saved >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    say(context);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    (void)close(fd);
    return contents(path);
}

static void say_hello(void *context)
{
    log_open("test", LOG_TO_STDERR, context);
    log_say(LOG_WARNING, "hello");
}

static void standard_error_gets_the_program_or_the_level(void **state)
{
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    assert_string_equal(on_standard_error(*state, say_hello, NULL), "test: hello\n");
    assert_int_equal(setenv("JOURNAL_STREAM", "8:12345", 1), 0);
    assert_string_equal(on_standard_error(*state, say_hello, NULL), "<4>hello\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void say_hello_without_file(void *context)
{
    char path[64];

    (void)context;
    snprintf(path, sizeof path, "/nonexistent/%s", "log");
    say_hello(path);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    assert_string_equal(on_standard_error(*state, say_hello_without_file, NULL),
                        "test: cannot open the log file /nonexistent/log: No such file or directory\n"
                        "test: hello\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_and_pairs, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(values_are_quoted_where_they_must_be, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(no_raw_byte_gets_in, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(a_long_value_ends_in_dots, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(nothing_follows_a_gap, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(a_long_saying_ends_in_dots, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(what_a_sandboxed_process_says_is_cleaned, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(a_clean_line_is_relayed_as_it_is, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(a_level_is_held_to_its_range, redirect, redirect_back),
        cmocka_unit_test_setup_teardown(a_file_is_appended_to, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(opening_again_closes_the_file_before, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_late_file_is_opened_when_it_is_needed, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_line_for_another_process_opens_no_file, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_rotated_file_is_left_alone, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_file_that_root_makes_is_its_owners, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_link_leads_root_no_further_than_its_owner, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(standard_error_gets_the_program_or_the_level, support_make_folder, no_file),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_is_named, support_make_folder, no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
