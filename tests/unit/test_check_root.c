/* What is checked because a part of the processor stays root: what that part relies on, and what it makes for others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "processor/check.h"
#include "tests/unit/support.h"

enum { SOMEBODY = 65534 };

static void make_folder(const char *folder, const char *name, mode_t mode)
{
    assert_int_equal(mkdir(support_path(folder, name), 0700), 0);
    assert_int_equal(chmod(support_path(folder, name), mode), 0);
}

static void make_file(const char *folder, const char *name, mode_t mode)
{
    assert_int_equal(mknod(support_path(folder, name), S_IFREG | 0600, 0), 0);
    assert_int_equal(chmod(support_path(folder, name), mode), 0);
}

static int set_up(void **state)
{
    if (support_make_folder(state) != 0)
        return -1;
    assert_int_equal(chmod(*state, 0755), 0);
    make_folder(*state, "etc", 0755);
    make_file(*state, "etc/conf", 0644);
    make_folder(*state, "spool", 0755);
    make_folder(*state, "data", 0755);
    make_folder(*state, "work", 01777);
    assert_int_equal(chown(support_path(*state, "spool"), SOMEBODY, SOMEBODY), 0);
    assert_int_equal(chown(support_path(*state, "data"), SOMEBODY, SOMEBODY), 0);
    return 0;
}

/* The mistakes in a configuration that stands in the file `name` and logs to `log`, a line each. */
static const char *mistakes(const char *folder, const char *name, const char *log)
{
    static char said[4096];
    char text[2048];
    struct buf buf = buf_over(said, sizeof said);
    struct config config = {0};
    struct config_errors errors = {0};
    struct config_errors warnings = {0};

    snprintf(text, sizeof text,
             "hostname = mail.example.com user = nobody spool = %s/spool index = %s/data/index.db "
             "workdir = %s/work log-file = %s/%s\n",
             folder, folder, folder, folder, log);
    said[0] = '\0';
    assert_int_equal(config_load_text(&config, support_path(folder, name), text, &errors), 0);
    if (check_config(&config, &errors, &warnings) != 0)
        for (size_t i = 0; i < errors.count; i++)
            if (strstr(errors.list[i], "seccomp") == NULL || !support_under_valgrind()) /* whose kernel has none */
                buf_printf(&buf, "%s\n", errors.list[i]);
    config_free(&config);
    config_errors_free(&errors);
    config_errors_free(&warnings);
    return said;
}

/* There is one mistake, and it holds both texts; without texts, there is none. */
static void expect(const char *said, const char *what, const char *remedy)
{
    if (what == NULL
            ? said[0] != '\0'
            : strstr(said, what) == NULL || strstr(said, remedy) == NULL || strchr(said, '\n') != strrchr(said, '\n'))
        fail_msg("said: %s", said);
}

/* What the launcher does there as root, nobody else must redirect. */
static void the_workdir_must_be_roots_or_sticky(void **state)
{
    static const char remedy[] = "chown root it, and chmod go-w it, or chmod +t it as /tmp is";
    const char *work = support_path(*state, "work");

    expect(mistakes(*state, "etc/conf", "data/log"), NULL, NULL);
    assert_int_equal(chmod(work, 0777), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/work (owner root, mode 0777)", remedy);
    assert_int_equal(chmod(work, 0775), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/work (owner root, mode 0775)", remedy);
    assert_int_equal(chmod(work, 0755), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), NULL, NULL);
    assert_int_equal(chown(work, SOMEBODY, SOMEBODY), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/work (owner nobody, mode 0755)", remedy);
}

/* Whoever can write what root's half reads can have anything run. */
static void the_configuration_must_be_roots_alone(void **state)
{
    static const char remedy[] = "chown root it, and chmod go-w it";
    const char *etc = support_path(*state, "etc");
    char conf[512];

    snprintf(conf, sizeof conf, "%s", support_path(*state, "etc/conf"));
    assert_int_equal(chmod(conf, 0664), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/etc/conf (owner root, mode 0664)", remedy);
    assert_int_equal(chmod(conf, 0644), 0);
    assert_int_equal(chown(conf, SOMEBODY, 0), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/etc/conf (owner nobody, mode 0644)", remedy);
    assert_int_equal(chown(conf, 0, 0), 0);
    assert_int_equal(chmod(etc, 0775), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/etc (owner root, mode 0775)", remedy);
    assert_int_equal(chmod(etc, 01777), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), NULL, NULL);
    assert_int_equal(chown(etc, SOMEBODY, 0), 0);
    expect(mistakes(*state, "etc/conf", "data/log"), "/etc (owner nobody, mode 1777)", remedy);
}

static void a_link_to_the_configuration_counts_too(void **state)
{
    make_folder(*state, "links", 0755);
    assert_int_equal(symlink("../etc/conf", support_path(*state, "links/conf")), 0);
    expect(mistakes(*state, "links/conf", "data/log"), NULL, NULL);
    assert_int_equal(chmod(support_path(*state, "links"), 0777), 0);
    expect(mistakes(*state, "links/conf", "data/log"), "/links (owner root, mode 0777)", "chmod go-w it");
    assert_int_equal(chmod(support_path(*state, "links"), 0755), 0);
    assert_int_equal(chmod(support_path(*state, "etc"), 0777), 0);
    expect(mistakes(*state, "links/conf", "data/log"), "/etc (owner root, mode 0777)", "chmod go-w it");
}

/* It is opened again after a log rotation, by a process that is not root by then. */
static void the_log_file_must_be_the_processors_to_write(void **state)
{
    make_folder(*state, "logs", 0755);
    make_file(*state, "logs/log", 0640);
    expect(mistakes(*state, "etc/conf", "logs/new"), NULL, NULL); /* root makes it */
    expect(mistakes(*state, "etc/conf", "gone/log"), "log-file: ", "/gone does not exist");
    expect(mistakes(*state, "etc/conf", "logs"), "log-file: ", "/logs is not a file");
    expect(mistakes(*state, "etc/conf", "logs/log"), "log-file: user nobody may not write", "chown or chmod it");
    assert_int_equal(chown(support_path(*state, "logs/log"), SOMEBODY, SOMEBODY), 0);
    expect(mistakes(*state, "etc/conf", "logs/log"), NULL, NULL);
    assert_int_equal(chmod(support_path(*state, "logs"), 0700), 0);
    expect(mistakes(*state, "etc/conf", "logs/log"), "log-file: user nobody may not enter", "chmod a+x it");
    expect(mistakes(*state, "etc/conf", "logs/new"), "log-file: user nobody may not enter", "chmod a+x it");
}

static void nobody_is_at_home_where_the_receiver_writes(void **state)
{
    struct config config = {0};
    struct config_errors errors = {0};
    struct config_errors warnings = {0};
    char text[1024], wanted[256];

    snprintf(text, sizeof text, "hostname = mail.example.com user = nobody spool = %s/spool index = %s/index.db\n",
             (const char *)*state, getpwnam("nobody")->pw_dir);
    snprintf(wanted, sizeof wanted, "user: nobody is at home in %s, in the index's folder",
             getpwnam("nobody")->pw_dir);
    assert_int_equal(config_load_text(&config, support_path(*state, "etc/conf"), text, &errors), 0);
    assert_int_equal(check_config(&config, &errors, &warnings), -1); /* there is no such folder */
    assert_true(warnings.count > 0);
    assert_non_null(strstr(warnings.list[0], wanted));
    config_free(&config);
    config_errors_free(&errors);
    config_errors_free(&warnings);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, support_remove_folder)
    static const struct CMUnitTest tests[] = {
        TEST(the_workdir_must_be_roots_or_sticky),         TEST(the_configuration_must_be_roots_alone),
        TEST(a_link_to_the_configuration_counts_too),      TEST(the_log_file_must_be_the_processors_to_write),
        TEST(nobody_is_at_home_where_the_receiver_writes),
    };

    return geteuid() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
