#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "processor/deposit.h"
#include "tests/unit/support.h"

static struct deposit deposit;
static char storage[FILENAME_SIZE];

static int open_folder(void **state)
{
    struct err err = {0};

    return support_make_folder(state) == 0 ? deposit_open(&deposit, *state, &err) : -1;
}

static int close_folder(void **state)
{
    deposit_close(&deposit);
    return support_remove_folder(state);
}

static const char *save(const char *wanted, const char *contents, int status)
{
    struct buf name = buf_over(storage, sizeof storage);
    struct err err = {0};

    assert_int_equal(deposit_save(&deposit, span_text(wanted), span_text(contents), &name, &err), status);
    return storage;
}

static void assert_contents(const char *path, const char *contents)
{
    char text[100] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), strlen(contents));
    (void)fclose(file);
    assert_string_equal(text, contents);
}

static void files_get_names_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(save("a.txt", "one", 1), "a.txt");
    assert_string_equal(save("a.txt", "two", 1), "a-2.txt");
    assert_string_equal(save("a.txt", "three", 1), "a-3.txt");
    assert_contents(support_path(*state, "a.txt"), "one");
    assert_contents(support_path(*state, "a-2.txt"), "two");
    assert_string_equal(save("empty", "", 1), "empty");
}

static void the_same_again_is_there(void **state)
{
    (void)state;
    assert_string_equal(save("a", "one", 1), "a");
    assert_string_equal(save("a", "two", 1), "a-2");
    assert_string_equal(save("a", "one", 0), "a");
    assert_string_equal(save("a", "two", 0), "a-2");
    assert_string_equal(save("a", "on", 1), "a-3");
    assert_int_equal(access(support_path(*state, "a-4"), F_OK), -1);
}

static void a_link_is_no_file(void **state)
{
    (void)state;
    assert_string_equal(save("target", "one", 1), "target");
    assert_int_equal(symlink("target", support_path(*state, "a")), 0);
    assert_int_equal(symlink("nowhere", support_path(*state, "b")), 0);
    assert_int_equal(mkfifo(support_path(*state, "c"), 0600), 0);
    assert_string_equal(save("a", "one", 1), "a-2");
    assert_string_equal(save("b", "one", 1), "b-2");
    assert_string_equal(save("c", "one", 1), "c-2");
    assert_int_equal(access(support_path(*state, "nowhere"), F_OK), -1);
}

static void folders_must_be_there(void **state)
{
    struct deposit other;
    struct err err = {0};

    (void)state;
    assert_int_equal(deposit_open(&other, support_path(*state, "missing"), &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    deposit_close(&other);
    assert_string_equal(save("a", "one", 1), "a");
    assert_int_equal(deposit_open(&other, support_path(*state, "a"), &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_get_names_of_their_own, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(the_same_again_is_there, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_link_is_no_file, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(folders_must_be_there, open_folder, close_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
