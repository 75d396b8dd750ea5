#include "tests/unit/support.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, PATHS = 8, CHILD_SECONDS = 30 };

int support_make_folder(void **state)
{
    const char *parent = getenv("TMPDIR");
    char *path = malloc(PATH_SIZE);

    if (path == NULL)
        return -1;
    snprintf(path, PATH_SIZE, "%s/mailmill-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    *state = path;
    return mkdtemp(path) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

int support_remove_folder(void **state)
{
    int status = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

    free(*state);
    *state = NULL;
    return status;
}

const char *support_path(const char *folder, const char *name)
{
    static char paths[PATHS][PATH_SIZE];
    static size_t turn;
    char *path = paths[turn++ % PATHS];

    snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    return path;
}

pid_t support_start_child(int (*body)(void *context), void *context)
{
    pid_t child = fork();

    if (child == 0) {
        (void)alarm(CHILD_SECONDS);
        _exit(body(context));
    }
    return child;
}

int support_wait_child(pid_t child)
{
    int status = -1;

    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

int support_run_child(int (*body)(void *context), void *context)
{
    return support_wait_child(support_start_child(body, context));
}

bool support_exited(int status, int code)
{
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool support_died(int status, int number)
{
    return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == number;
}

size_t support_open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    if (folder == NULL)
        return SIZE_MAX;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

bool support_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

bool support_under_asan(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#elif defined __has_feature
    return __has_feature(address_sanitizer);
#else
    return false;
#endif
}

unsigned support_random(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245U + 12345U;
    return (*seed >> 8) % below;
}
