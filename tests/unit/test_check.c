#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "processor/check.h"
#include "processor/check_rights.h"
#include "tests/unit/support.h"

/*
 * Each test has a folder in which all is as it should be: spool/, data/ for the index, work/, handlers/ok. It then
 * breaks one thing. `F` in a configuration and in an expected message stands for the folder.
 */

enum { SOMEBODY = 65534 };

static const char plain[] = "hostname = mail.example.com spool = F/spool index = F/data/index.db workdir = F/work\n"
                            "handlers = F/handlers user = root sendmail = F/sendmail\n";

static void make_file(const char *folder, const char *name, mode_t mode)
{
    FILE *file = fopen(support_path(folder, name), "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(support_path(folder, name), mode), 0);
}

static void make_folder(const char *folder, const char *name, mode_t mode)
{
    assert_int_equal(mkdir(support_path(folder, name), 0700), 0);
    assert_int_equal(chmod(support_path(folder, name), mode), 0);
}

static int set_up(void **state)
{
    if (support_make_folder(state) != 0)
        return -1;
    assert_int_equal(chmod(*state, 0755), 0);
    make_folder(*state, "spool", 0755);
    make_folder(*state, "data", 0755);
    make_folder(*state, "work", 01777);
    make_folder(*state, "handlers", 0755);
    make_file(*state, "handlers/ok", 0755);
    return 0;
}

/* Puts the folder wherever F stands, as a word of its own or before a slash. */
static void fill_in(const char *folder, const char *text, struct buf *filled)
{
    for (; *text != '\0'; text++)
        if (*text == 'F' && (text[1] == '/' || text[1] == ' ' || text[1] == ';'))
            buf_put_text(filled, folder);
        else
            buf_put_byte(filled, *text);
    assert_false(filled->overflowed);
}

struct run {
    const char *text;
    const char *expected; /* all mistakes and then all warnings, a line each, without the file's name */
    uid_t uid;
    bool is_start; /* as the processor asks */
};

static int run_check(void *context)
{
    const struct run *run = context;
    struct config config = {0};
    struct config_errors errors = {0};
    struct config_errors warnings = {0};
    char storage[8192];
    struct buf said = buf_over(storage, sizeof storage);
    int result;

    if (run->uid != 0 && (setgroups(0, NULL) != 0 || setresgid(run->uid, run->uid, run->uid) != 0 ||
                          setresuid(run->uid, run->uid, run->uid) != 0))
        return 2;
    if (config_load_text(&config, "t", run->text, &errors) != 0) {
        fprintf(stderr, "%s\n", errors.list[0]);
        return 3;
    }
    result = (run->is_start ? check_start : check_config)(&config, &errors, &warnings);
    if (run->is_start && result != 0 && !support_under_valgrind()) /* whose kernel has no seccomp */
        return 5;
    for (size_t i = 0; i < errors.count + warnings.count; i++) {
        const char *line = i < errors.count ? errors.list[i] : warnings.list[i - errors.count];

        /* What depends on what the test runs on: no Landlock, and valgrind's kernel knows no seccomp. */
        if (strstr(line, "has no Landlock") == NULL && (strstr(line, "seccomp") == NULL || !support_under_valgrind()))
            buf_printf(&said, "%s%s", said.size == 0 ? "" : "\n", line + 2);
    }
    if ((result == 0) != (errors.count == 0))
        return 4;
    if (strcmp(storage, run->expected) != 0)
        fprintf(stderr, "--- expected\n%s\n--- said\n%s\n", run->expected, storage);
    config_free(&config);
    config_errors_free(&errors);
    config_errors_free(&warnings);
    return strcmp(storage, run->expected) == 0 ? 0 : 1;
}

/* `more` follows two lines that are right. */
static void expect_all(uid_t uid, bool is_start, const char *folder, const char *more, const char *expected)
{
    char text[4096];
    char messages[8192];
    struct buf text_buf = buf_over(text, sizeof text);
    struct buf messages_buf = buf_over(messages, sizeof messages);
    struct run run = {text, messages, uid, is_start};

    fill_in(folder, plain, &text_buf);
    fill_in(folder, more, &text_buf);
    fill_in(folder, expected, &messages_buf);
    assert_true(support_exited(support_run_child(run_check, &run), 0));
}

static void expect_as(uid_t uid, const char *folder, const char *more, const char *expected)
{
    expect_all(uid, false, folder, more, expected);
}

static void expect(const char *folder, const char *more, const char *expected)
{
    expect_as(0, folder, more, expected);
}

#define ROUTE "route a@example.com { handler h {\n"
#define END " } }\n"

static void what_is_right_passes(void **state)
{
    expect(*state, ROUTE "run = ok" END, "");
    expect(*state, ROUTE "run = ok user = nobody" END, "");
    expect(*state, ROUTE "run = {F/handlers/ok, x}" END, "");
    assert_int_equal(rmdir(support_path(*state, "spool")), 0);
    expect(*state, "", "");
}

static void programs_must_be_there(void **state)
{
    make_folder(*state, "handlers/folder", 0755);
    expect(*state, ROUTE "run = gone" END, "4: run: F/handlers/gone does not exist; install it, or mend its name");
    expect(*state, ROUTE "\nfilter = {F/x/gone}" END, "5: filter: F/x does not exist");
    expect(*state, ROUTE "run = folder" END, "4: run: F/handlers/folder is not a regular file; name a program");
    expect(*state, ROUTE "run = {F/handlers/ok/x}" END, "4: run: F/handlers/ok is not a folder");
}

/* Its messages wait for it; the other handlers go on. */
static void a_start_lives_with_a_missing_program(void **state)
{
    expect_all(0, true, *state, ROUTE "run = gone" END,
               "4: run: F/handlers/gone does not exist; install it, or mend its name");
}

static void programs_must_be_executable_by_their_user(void **state)
{
    make_file(*state, "handlers/data", 0644);
    make_file(*state, "handlers/private", 0700);
    make_file(*state, "handlers/group", 0710);
    expect(*state, ROUTE "run = data" END,
           "4: run: user root may not execute F/handlers/data (owner root, group root, mode 0644); chmod a+rx it");
    expect(*state, ROUTE "run = private" END, "");
    expect(
        *state, ROUTE "run = private user = nobody" END,
        "4: run: user nobody may not execute F/handlers/private (owner root, group root, mode 0700); chmod a+rx it");
    expect(*state, ROUTE "run = group user = nobody" END,
           "4: run: user nobody may not execute F/handlers/group (owner root, group root, mode 0710); chmod a+rx it");
    assert_int_equal(chown(support_path(*state, "handlers/group"), 0, getpwnam("nobody")->pw_gid), 0);
    expect(*state, ROUTE "run = group user = nobody" END, "");
    /* The owner is held to the owner's bits, whatever others may do. */
    assert_int_equal(chown(support_path(*state, "handlers/group"), getpwnam("nobody")->pw_uid, 0), 0);
    assert_int_equal(chmod(support_path(*state, "handlers/group"), 0077), 0);
    expect(*state, ROUTE "run = group user = nobody" END,
           "4: run: user nobody may not execute F/handlers/group (owner nobody, group root, mode 0077); "
           "chmod a+rx it");
}

static void the_way_to_a_program_must_be_open(void **state)
{
    char folder[256];

    make_folder(*state, "closed", 0700);
    make_file(*state, "closed/ok", 0755);
    snprintf(folder, sizeof folder, "%s", support_path(*state, "closed/ok"));
    assert_int_equal(symlink(folder, support_path(*state, "handlers/link")), 0);
    assert_int_equal(symlink("nowhere", support_path(*state, "handlers/dangling")), 0);
    expect(*state, ROUTE "run = link" END, "");
    expect(*state, ROUTE "run = F/closed/ok user = nobody" END,
           "4: run: user nobody may not enter F/closed (owner root, group root, mode 0700); chmod a+x it");
    expect(*state, ROUTE "run = link user = nobody" END,
           "4: run: user nobody may not enter F/closed (owner root, group root, mode 0700); chmod a+x it");
    expect(*state, ROUTE "run = dangling" END,
           "4: run: F/handlers/dangling does not exist; install it, or mend its name");
}

static void users_must_exist(void **state)
{
    expect(*state, ROUTE "run = ok\nuser = no-such-user" END,
           "5: user: user no-such-user does not exist; create it, or name another");
}

static void the_processors_own_user_must_exist(void **state)
{
    struct run run = {0};
    char text[2048];
    struct buf filled = buf_over(text, sizeof text);

    run.text = text;
    run.expected = "2: user: user no-such-user does not exist; create it (adduser --system --group no-such-user), "
                   "or name another";
    fill_in(*state,
            "hostname = mail.example.com spool = F/spool index = F/data/index.db workdir = F/work\n"
            "user = no-such-user handlers = F/handlers " ROUTE "run = ok" END,
            &filled);
    assert_true(support_exited(support_run_child(run_check, &run), 0));
}

static void only_root_runs_programs_as_others(void **state)
{
    static const char *const own[] = {"spool", "data"};

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(chown(support_path(*state, own[i]), SOMEBODY, SOMEBODY), 0);
    expect_as(SOMEBODY, *state, ROUTE "run = ok" END, "");
    expect_as(SOMEBODY, *state, ROUTE "run = ok user = nobody" END, "");
    expect_as(SOMEBODY, *state, ROUTE "run = ok\nuser = daemon" END,
              "5: user: only root can run a program as daemon, and this is nobody; start as root, or remove the key");
}

static void folders_must_be_writable(void **state)
{
    expect_as(
        SOMEBODY, *state, "",
        "1: spool: user nobody may not write in F/spool (owner root, group root, mode 0755); chown or chmod it\n"
        "1: index: user nobody may not write in F/data (owner root, group root, mode 0755); chown or chmod it");
    assert_int_equal(chmod(support_path(*state, "spool"), 0777), 0);
    assert_int_equal(chmod(support_path(*state, "data"), 0777), 0);
    make_folder(*state, "spool/new", 0755);
    make_file(*state, "data/index.db", 0644);
    assert_int_equal(chmod(support_path(*state, "work"), 0755), 0);
    expect_as(
        SOMEBODY, *state, "",
        "1: spool: user nobody may not write in F/spool/new (owner root, group root, mode 0755); "
        "chown or chmod it\n"
        "1: index: user nobody may not read and write F/data/index.db (owner root, group root, mode 0644); "
        "chown or chmod it\n"
        "1: workdir: user nobody may not write in F/work (owner root, group root, mode 0755); chown or chmod it");
}

static void folders_must_exist(void **state)
{
    assert_int_equal(rmdir(support_path(*state, "work")), 0);
    assert_int_equal(rmdir(support_path(*state, "data")), 0);
    assert_int_equal(rmdir(support_path(*state, "spool")), 0);
    make_file(*state, "spool", 0644);
    expect(*state, "",
           "1: spool: F/spool is not a folder\n1: index: F/data does not exist; make it\n"
           "1: workdir: F/work does not exist; make it");
    assert_int_equal(unlink(support_path(*state, "spool")), 0);
    expect_as(SOMEBODY, *state, "",
              "1: spool: F/spool does not exist, and can't be made: user nobody may not write in F "
              "(owner root, group root, mode 0755); chown or chmod it\n"
              "1: index: F/data does not exist; make it\n1: workdir: F/work does not exist; make it");
}

static void a_handlers_user_must_reach_the_workdir(void **state)
{
    assert_int_equal(chmod(support_path(*state, "work"), 0700), 0);
    expect(*state, ROUTE "run = ok" END, "");
    expect(*state, ROUTE "run = ok user = nobody" END,
           "1: workdir: for handler \"h\": user nobody may not enter F/work (owner root, group root, mode 0700); "
           "chmod a+x it");
}

static void sendmail_counts_when_there_are_replies(void **state)
{
    expect(*state, ROUTE "reply = ok" END, "2: sendmail: F/sendmail does not exist; install it, or mend its name");
    make_file(*state, "sendmail", 0755);
    expect(*state, ROUTE "reply = ok" END, "");
}

/* Another first line than that of the other tests. */
static void expect_apart(const char *folder, const char *spool, const char *index, const char *expected)
{
    char text[2048];
    char messages[2048];
    char line[512];
    struct buf text_buf = buf_over(text, sizeof text);
    struct buf messages_buf = buf_over(messages, sizeof messages);
    struct run run = {text, messages, 0, false};

    snprintf(line, sizeof line, "hostname = a.example user = root workdir = F/work spool = %s\nindex = %s", spool,
             index);
    fill_in(folder, line, &text_buf);
    fill_in(folder, expected, &messages_buf);
    assert_true(support_exited(support_run_child(run_check, &run), 0));
}

static void spool_and_index_stand_apart(void **state)
{
    make_folder(*state, "spool/deep", 0755);
    assert_int_equal(symlink("spool", support_path(*state, "data/link")), 0);
    assert_int_equal(symlink("../spool", support_path(*state, "data/other")), 0);
    expect_apart(*state, "F/spool", "F/index.db",
                 "2: index: the spool F/spool lies in the index's folder F; the receiver may remove files there, as "
                 "Landlock gives rights for a folder and all below it, and so could remove accepted mail; give the "
                 "index a folder of its own");
    expect_apart(
        *state, "F/spool", "F/spool/deep/index.db",
        "2: index: its folder F/spool/deep lies in the spool F/spool; Landlock gives rights for a folder and "
        "all below it, so those for the one would open the other; give the index a folder of its own");
    expect_apart(*state, "F/data/new", "F/data/index.db",
                 "2: index: the spool F/data/new lies in the index's folder F/data; the receiver may remove files "
                 "there, as Landlock gives rights for a folder and all below it, and so could remove accepted mail; "
                 "give the index a folder of its own");
    /* Links are followed, and a name that begins alike is another folder. */
    expect_apart(*state, "F/data/other", "F/data/index.db", "");
    make_folder(*state, "spool-index", 0755);
    expect_apart(*state, "F/spool", "F/spool-index/index.db", "");
}

static void a_hostname_without_a_dot_is_a_warning(void **state)
{
    struct config config = {0};
    struct config_errors errors = {0};
    struct config_errors warnings = {0};

    (void)state;
    assert_int_equal(config_load_text(&config, "t", "\nhostname = mail workdir = /nonexistent", &errors), 0);
    assert_int_equal(check_config(&config, &errors, &warnings), -1);
    assert_true(warnings.count > 0);
    assert_string_equal(warnings.list[warnings.count - 1],
                        "t:2: hostname: \"mail\" has no dot, and other servers expect a whole name; "
                        "write hostname = \"mail.example.com\" with your domain");
    config_free(&config);
    config_errors_free(&errors);
    config_errors_free(&warnings);
}

/* What is in them is mailmill-tls's to say. */
static void certificates_must_be_readable(void **state)
{
    make_file(*state, "pem", 0644);
    make_file(*state, "closed", 0600);
    expect(*state, "certificate = F/gone key = F/closed\n", "3: certificate: F/gone does not exist");
    expect(*state, "certificate = F/pem\nkey = F/gone\n", "4: key: F/gone does not exist");
    expect(*state, "certificate = F/pem\nkey = F/work\n", "4: key: F/work is not a regular file");
    if (!support_under_valgrind()) /* whose kernel has no seccomp, and lets nothing start */
        expect_all(0, true, *state, "certificate = F/gone key = F/gone\n", "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, support_remove_folder)
    static const struct CMUnitTest anybody[] = {
        cmocka_unit_test(a_hostname_without_a_dot_is_a_warning),
    };
    /* What other users may do is tested by becoming them. */
    static const struct CMUnitTest root[] = {
        TEST(what_is_right_passes),
        TEST(programs_must_be_there),
        TEST(certificates_must_be_readable),
        TEST(a_start_lives_with_a_missing_program),
        TEST(programs_must_be_executable_by_their_user),
        TEST(the_way_to_a_program_must_be_open),
        TEST(users_must_exist),
        TEST(the_processors_own_user_must_exist),
        TEST(only_root_runs_programs_as_others),
        TEST(folders_must_be_writable),
        TEST(folders_must_exist),
        TEST(a_handlers_user_must_reach_the_workdir),
        TEST(sendmail_counts_when_there_are_replies),
        TEST(spool_and_index_stand_apart),
    };
    int failed = cmocka_run_group_tests(anybody, NULL, NULL);

    return geteuid() == 0 ? failed + cmocka_run_group_tests(root, NULL, NULL) : failed;
}
