/*
 * Accounts as they were a moment ago: to look one up reads the machine's files of users and groups, or asks a server,
 * for each run anew.
 *
 *     static struct account_cache cache;
 *     account = account_cache_find(&cache, "www-data", clock_monotonic_ms(), &err);
 *
 * One is looked up again when it is older than ACCOUNT_CACHE_MS, and as soon as the files are not what they were, so
 * that a change by useradd(8) or usermod(8) is seen by the next run.
 */
#ifndef PROCESSOR_ACCOUNT_CACHE_H
#define PROCESSOR_ACCOUNT_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "processor/account.h"

enum {
    ACCOUNT_CACHE_SIZE = 8,  /* users at a time */
    ACCOUNT_CACHE_MS = 1000, /* what is not in those files, in LDAP, say, is no older than that */
    ACCOUNT_CACHE_FILES = 3,
};

/* Which file it is, and in which state; all zero: there is none. */
struct account_file {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct account_cache {
    struct account_file files[ACCOUNT_CACHE_FILES]; /* as they were before any of the accounts was looked up */
    struct {
        char name[sizeof((struct account *)NULL)->name]; /* asked for; empty: our own */
        struct account account;
        int64_t until_ms; /* 0: nothing is kept here */
    } list[ACCOUNT_CACHE_SIZE];
    size_t next; /* the place of the next that has none yet */
};

/*
 * The account of this name; NULL: this process's own. As account_find() and account_own() would give it. It is the
 * cache's, until it is asked again. NULL: account_find()'s error.
 */
const struct account *account_cache_find(struct account_cache *cache, const char *name, int64_t now_ms,
                                         struct err *err);

#endif
