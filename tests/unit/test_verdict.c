/* What is kept of a certificate and its key, and whether STARTTLS is offered by it. */
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

#include "common/clock.h"
#include "common/log.h"
#include "receiver/starttls_offer.h"
#include "tests/unit/support.h"

struct fixture {
    char paths[3][256]; /* certificate, key, index */
    struct config config;
    char log[4096];
};

static void keep_line(void *context, int level, struct span text)
{
    struct fixture *f = context;
    size_t used = strlen(f->log);

    (void)level;
    snprintf(f->log + used, sizeof f->log - used, "%.*s\n", (int)text.size, text.data);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void set_up(struct fixture *f, void **state)
{
    static const char *const names[] = {"site.pem", "site.key", "index.db"};

    *f = (struct fixture){.log = ""};
    for (size_t i = 0; i < 3; i++)
        snprintf(f->paths[i], sizeof f->paths[i], "%s", support_path(*state, names[i]));
    f->config.certificate = f->paths[0];
    f->config.key = f->paths[1];
    f->config.index = f->paths[2];
    put(f->paths[0], "certificate");
    put(f->paths[1], "key");
    log_redirect(keep_line, f);
}

static void keep(const struct fixture *f, int64_t from_s, int64_t until_s, const char *reason)
{
    struct starttls_verdict verdict = {.from_s = from_s, .until_s = until_s};
    char pair[STARTTLS_PAIR_SIZE];
    struct err err;

    snprintf(verdict.reason, sizeof verdict.reason, "%s", reason);
    starttls_pair_name(&f->config, pair);
    assert_int_equal(starttls_verdict_keep(&f->config, pair, &verdict, &err), 0);
}

static void a_verdict_is_found_again(void **state)
{
    struct fixture f;
    struct starttls_verdict verdict;
    char pair[STARTTLS_PAIR_SIZE];

    set_up(&f, state);
    starttls_pair_name(&f.config, pair);
    assert_false(starttls_verdict_find(&f.config, pair, &verdict));
    keep(&f, 5, INT64_MAX, "two\nlines");
    assert_true(starttls_verdict_find(&f.config, pair, &verdict));
    assert_int_equal(verdict.from_s, 5);
    assert_true(verdict.until_s == INT64_MAX);
    assert_string_equal(verdict.reason, "two?lines");
    assert_false(starttls_verdict_find(&f.config, "", &verdict));
    keep(&f, 0, 7, "");
    assert_true(starttls_verdict_find(&f.config, pair, &verdict));
    assert_string_equal(verdict.reason, "");
    assert_int_equal(verdict.until_s, 7);
}

/* Written over in place, replaced, or touched: each is another pair. */
static void another_pair_has_no_verdict(void **state)
{
    for (int file = 0; file < 2; file++)
        for (int how = 0; how < 3; how++) {
            struct fixture f;
            struct starttls_verdict verdict;
            char pair[STARTTLS_PAIR_SIZE];
            const char *path;

            set_up(&f, state);
            path = f.paths[file];
            keep(&f, 0, 1, "");
            if (how == 0)
                put(path, "something else");
            else if (how == 1)
                put(support_path(*state, "new"), "the same size? no matter");
            else
                assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
            if (how == 1)
                assert_int_equal(rename(support_path(*state, "new"), path), 0);
            starttls_pair_name(&f.config, pair);
            assert_true(pair[0] != '\0');
            assert_false(starttls_verdict_find(&f.config, pair, &verdict));
        }
}

static void what_is_no_verdict_says_nothing(void **state)
{
    const struct span bad[] = {
        SPAN(""),
        SPAN("pair"),
        SPAN("pair "),
        SPAN("pair 1 2 x"),
        SPAN("pair 1 2\n"),
        SPAN("pair 1 2 x\ny"),
        SPAN("pair 1 2 x\n\n"),
        SPAN("pair 1 2 x\0\n"),
        SPAN("pair -1 2 x\n"),
        SPAN("pair 1  2 x\n"),
        SPAN("pair 1 9223372036854775808 x\n"),
        SPAN("pairs 1 2 x\n"),
        SPAN("pai 1 2 x\n"),
    };
    struct starttls_verdict verdict;

    (void)state;
    assert_true(starttls_verdict_read(SPAN("pair 1 2 \n"), "pair", &verdict));
    assert_true(starttls_verdict_read(SPAN("pair 1 9223372036854775807 a reason\n"), "pair", &verdict));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(starttls_verdict_read(bad[i], "pair", &verdict));
}

static void it_is_judged_by_the_day(void **state)
{
    struct starttls_verdict verdict = {.from_s = 10, .until_s = 20};
    struct err err;

    (void)state;
    assert_int_equal(starttls_verdict_judge(&verdict, "/c.pem", 9, &err), -1);
    assert_string_equal(err.text, "the certificate /c.pem is not valid yet; is the clock right?");
    assert_int_equal(starttls_verdict_judge(&verdict, "/c.pem", 10, &err), 0);
    assert_int_equal(starttls_verdict_judge(&verdict, "/c.pem", 19, &err), 0);
    assert_int_equal(starttls_verdict_judge(&verdict, "/c.pem", 20, &err), -1);
    assert_string_equal(err.text, "the certificate /c.pem has expired; renew it");
    snprintf(verdict.reason, sizeof verdict.reason, "no match");
    assert_int_equal(starttls_verdict_judge(&verdict, "/c.pem", 15, &err), -1);
    assert_string_equal(err.text, "no match");
    assert_int_equal(err.kind, ERR_PERMANENT);
}

/* The same reason is said once; another one, or the same after a good time, again. */
static void why_it_is_not_offered_is_said_once(void **state)
{
    struct fixture f;
    struct starttls_offer offer = {.config = &f.config};
    int64_t now_s = clock_now_ms() / 1000;

    set_up(&f, state);
    assert_true(starttls_is_offered(&offer));
    keep(&f, 0, now_s - 5, "");
    assert_false(starttls_is_offered(&offer));
    assert_false(starttls_is_offered(&offer));
    keep(&f, 0, INT64_MAX, "no match");
    assert_false(starttls_is_offered(&offer));
    keep(&f, 0, now_s + 1000, "");
    assert_true(starttls_is_offered(&offer));
    keep(&f, 0, INT64_MAX, "no match");
    assert_false(starttls_is_offered(&offer));
    assert_int_equal(unlink(f.paths[1]), 0);
    assert_false(starttls_is_offered(&offer));
    f.config.certificate = NULL;
    assert_false(starttls_is_offered(&offer));
    for (char *path; (path = strstr(f.log, *state)) != NULL;)
        memmove(path, path + strlen(*state), strlen(path + strlen(*state)) + 1);
    assert_string_equal(f.log, "STARTTLS is not offered: the certificate /site.pem has expired; renew it\n"
                               "STARTTLS is not offered: no match\n"
                               "STARTTLS is not offered: no match\n"
                               "STARTTLS is not offered: /site.key: No such file or directory\n");
}

static void a_verdict_that_is_there_is_not_written_again(void **state)
{
    struct fixture f;
    struct stat before, after;

    set_up(&f, state);
    keep(&f, 1, 2, "x");
    assert_int_equal(stat(support_path(*state, "index.db-starttls"), &before), 0);
    keep(&f, 1, 2, "x");
    assert_int_equal(stat(support_path(*state, "index.db-starttls"), &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_link_is_not_followed(void **state)
{
    const struct starttls_verdict verdict = {.until_s = 1};
    struct fixture f;
    struct err err;

    set_up(&f, state);
    assert_int_equal(symlink("site.key", support_path(*state, "index.db-starttls")), 0);
    assert_int_equal(starttls_verdict_keep(&f.config, "pair", &verdict, &err), -1);
    assert_non_null(strstr(err.text, "index.db-starttls: "));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_verdict_is_found_again),
        TEST(another_pair_has_no_verdict),
        cmocka_unit_test(what_is_no_verdict_says_nothing),
        cmocka_unit_test(it_is_judged_by_the_day),
        TEST(why_it_is_not_offered_is_said_once),
        TEST(a_verdict_that_is_there_is_not_written_again),
        TEST(a_link_is_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
