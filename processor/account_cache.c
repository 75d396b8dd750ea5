#include "processor/account_cache.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void look_at(const char *path, struct account_file *file)
{
    struct stat status;

    *file = (struct account_file){0};
    if (stat(path, &status) == 0)
        *file = (struct account_file){status.st_dev, status.st_ino, status.st_ctim};
}

static bool is_same(const struct account_file *a, const struct account_file *b)
{
    return a->device == b->device && a->inode == b->inode && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Forgets all when a file is not what it was. */
static void look_at_files(struct account_cache *cache)
{
    static const char *const paths[ACCOUNT_CACHE_FILES] = {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf"};
    struct account_file now;

    for (size_t i = 0; i < ACCOUNT_CACHE_FILES; i++) {
        look_at(paths[i], &now);
        if (is_same(&now, &cache->files[i]))
            continue;
        cache->files[i] = now;
        for (size_t j = 0; j < ACCOUNT_CACHE_SIZE; j++)
            cache->list[j].until_ms = 0;
    }
}

/* The place that has an account of this name; another's, in turn, if there is none. */
static size_t find_place(struct account_cache *cache, const char *name)
{
    size_t i;

    for (i = 0; i < ACCOUNT_CACHE_SIZE; i++)
        if (cache->list[i].until_ms != 0 && strcmp(cache->list[i].name, name) == 0)
            return i;
    i = cache->next++ % ACCOUNT_CACHE_SIZE;
    cache->list[i].until_ms = 0;
    return i;
}

const struct account *account_cache_find(struct account_cache *cache, const char *name, int64_t now_ms,
                                         struct err *err)
{
    size_t i = find_place(cache, name == NULL ? "" : name);

    look_at_files(cache);
    if (now_ms < cache->list[i].until_ms)
        return &cache->list[i].account;
    cache->list[i].until_ms = 0;
    if (name == NULL)
        account_own(&cache->list[i].account);
    else if (account_find(&cache->list[i].account, name, err) != 0)
        return NULL;
    snprintf(cache->list[i].name, sizeof cache->list[i].name, "%s", name == NULL ? "" : name);
    cache->list[i].until_ms = now_ms + ACCOUNT_CACHE_MS;
    return &cache->list[i].account;
}
