/* Accounts that are not looked up again for a moment, unless what they were found in has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "processor/account_cache.h"

enum { STALE_UID = 54321 }; /* nobody has it: where it is given, nothing was looked up */

static struct account_cache cache;

static int start_empty(void **state)
{
    (void)state;
    cache = (struct account_cache){0};
    return 0;
}

static const struct account *find(const char *name, int64_t now_ms)
{
    struct err err = {0};
    const struct account *account = account_cache_find(&cache, name, now_ms, &err);

    if (account == NULL)
        assert_int_equal(err.kind, ERR_PERMANENT);
    return account;
}

/* Looks one up, and makes what is kept of it another, by which it is known again. */
static void keep(const char *name, int64_t now_ms)
{
    const struct account *account = find(name, now_ms);

    assert_non_null(account);
    for (size_t i = 0; i < ACCOUNT_CACHE_SIZE; i++)
        if (&cache.list[i].account == account)
            cache.list[i].account.uid = STALE_UID;
    assert_int_equal(account->uid, STALE_UID);
}

static void one_is_kept_for_a_moment(void **state)
{
    (void)state;
    keep("root", 1000);
    assert_int_equal(find("root", 1000)->uid, STALE_UID);
    assert_int_equal(find("root", 1000 + ACCOUNT_CACHE_MS - 1)->uid, STALE_UID);
    assert_int_equal(find("root", 1000 + ACCOUNT_CACHE_MS)->uid, 0);
    assert_string_equal(find("root", 1000 + ACCOUNT_CACHE_MS)->name, "root");
}

static void each_name_has_its_own(void **state)
{
    (void)state;
    keep("root", 1000);
    keep(NULL, 1000);
    assert_string_not_equal(find("nobody", 1000)->name, "root");
    assert_int_not_equal(find("nobody", 1000)->uid, STALE_UID);
    assert_int_equal(find("root", 1001)->uid, STALE_UID);
    assert_int_equal(find(NULL, 1001)->uid, STALE_UID);
    assert_int_equal(find(NULL, 1000 + ACCOUNT_CACHE_MS)->uid, geteuid());
}

/* Whichever of the files it is; the others need not be looked up for that to be seen. */
static void a_file_that_changes_ends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ACCOUNT_CACHE_FILES; i++) {
        keep("root", 1000);
        keep("nobody", 1000);
        cache.files[i].changed.tv_nsec ^= 1;
        assert_int_equal(find("root", 1000)->uid, 0);
        assert_int_not_equal(find("nobody", 1000)->uid, STALE_UID);
    }
    keep("root", 1000);
    cache.files[0].inode++;
    assert_int_equal(find("root", 1000)->uid, 0);
}

static void more_than_there_is_room_for_are_found(void **state)
{
    static const char *const names[] = {"root", "daemon", "bin",  "sys",    "sync", "games",
                                        "man",  "lp",     "mail", "nobody", "news"};

    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            assert_string_equal(find(names[i], 1000)->name, names[i]);
}

static void one_that_is_missing_is_not_kept(void **state)
{
    (void)state;
    assert_null(find("no-such-user-of-ours", 1000));
    assert_null(find("no-such-user-of-ours", 1000));
    assert_int_equal(find("root", 1000)->uid, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, start_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_is_kept_for_a_moment),        TEST(each_name_has_its_own),
        TEST(a_file_that_changes_ends_it),     TEST(more_than_there_is_room_for_are_found),
        TEST(one_that_is_missing_is_not_kept),
    };

    return cmocka_run_group_tests_name("account_cache", tests, NULL, NULL);
}
