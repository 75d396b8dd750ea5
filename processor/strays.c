#include "processor/strays.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* An environment is at most a quarter of the stack limit, 2 MiB; ours come first in it and are far smaller. */
enum { ENVIRON_READ_MAX = 128 * 1024 };

/* All brands are above this, and below RLIM_INFINITY: what other limits there may be is none of ours. */
#define BRANDS (UINT64_C(1) << 62)

static const char mark_name[] = "MAILMILL_RUN=";

int strays_list(pid_t *children, int max)
{
    char path[64];
    FILE *list;
    int count = 0;
    int child;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)gettid());
    list = fopen(path, "re");
    if (list == NULL)
        return -1;
    while (count < max && fscanf(list, "%d", &child) == 1)
        children[count++] = child;
    (void)fclose(list);
    return count;
}

/* Compares one entry of an environment; `end` is behind its last byte. */
static enum stray_owner judge(const char *entry, const char *end, const char *mark)
{
    size_t size = (size_t)(end - entry);

    if (size < sizeof mark_name - 1 || memcmp(entry, mark_name, sizeof mark_name - 1) != 0)
        return STRAY_UNMARKED;
    return size == strlen(mark) && memcmp(entry, mark, size) == 0 ? STRAY_MARKED : STRAY_OTHERS;
}

static enum stray_owner owner_by_mark(pid_t child, const char *mark)
{
    static char environment[ENVIRON_READ_MAX];
    enum stray_owner owner = STRAY_UNMARKED;
    char path[64];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/environ", (int)child);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STRAY_UNMARKED;
    size = read(fd, environment, sizeof environment);
    (void)close(fd);
    for (ssize_t at = 0; at < size && owner == STRAY_UNMARKED;) {
        const char *end = memchr(environment + at, '\0', (size_t)(size - at));

        if (end == NULL)
            end = environment + size;
        owner = judge(environment + at, end, mark);
        at = end - environment + 1;
    }
    return owner;
}

uint64_t strays_brand(uint64_t run)
{
    return BRANDS | (uint64_t)getpid() << 32 | (run & UINT32_MAX);
}

void strays_put_brand(uint64_t brand)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)brand, .rlim_max = (rlim_t)brand};

    (void)setrlimit(RLIMIT_LOCKS, &limit);
}

/* The child's brand, or 0. */
static uint64_t read_brand(pid_t child)
{
    static const char name[] = "Max file locks";
    unsigned long long brand = 0;
    char line[256];
    char path[64];
    FILE *limits;

    snprintf(path, sizeof path, "/proc/%d/limits", (int)child);
    limits = fopen(path, "re");
    if (limits == NULL)
        return 0;
    /* The soft limit stands before the hard one; "unlimited" is no number. */
    while (fgets(line, sizeof line, limits) != NULL)
        if (strncmp(line, name, sizeof name - 1) == 0 && sscanf(line + sizeof name - 1, "%*s %llu", &brand) != 1)
            brand = 0;
    (void)fclose(limits);
    return brand;
}

enum stray_owner strays_owner(pid_t child, uint64_t brand, const char *mark)
{
    uint64_t has = read_brand(child);
    enum stray_owner owner;

    if (has == brand)
        return STRAY_MARKED;
    owner = owner_by_mark(child, mark);
    return owner == STRAY_UNMARKED && has >= BRANDS ? STRAY_OTHERS : owner;
}
