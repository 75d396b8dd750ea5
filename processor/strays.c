#include "processor/strays.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An environment is at most a quarter of the stack limit, 2 MiB; ours come first in it and are far smaller. */
enum { ENVIRON_READ_MAX = 128 * 1024 };

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

enum stray_owner strays_owner(pid_t child, const char *mark)
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
