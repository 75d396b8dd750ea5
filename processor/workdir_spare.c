/* Folders of runs that are over, for runs to come. */
#include <dirent.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/log.h"
#include "processor/workdir.h"

enum { EMPTY_COUNT = 2 }; /* entries of an empty folder: itself and the one above */

/* Of a folder that was just opened. */
static bool is_empty(int fd)
{
    alignas(struct dirent64) char entries[1024];
    ssize_t size = 0;
    int count = 0;

    while (count <= EMPTY_COUNT && (size = getdents64(fd, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < size; count++)
            at += ((const struct dirent64 *)(const void *)(entries + at))->d_reclen;
    return size == 0 && count == EMPTY_COUNT;
}

/* A folder with the owner and the rights that it was made with, nothing in it, and no further attributes. */
static bool is_as_new(const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool is_new;

    if (fd < 0)
        return false;
    is_new =
        fstat(fd, status) == 0 && (status->st_mode & 07777) == 0700 && flistxattr(fd, NULL, 0) <= 0 && is_empty(fd);
    (void)close(fd);
    return is_new;
}

bool workdir_spare(struct workdir_spares *spares, const char *path)
{
    const char *name = strrchr(path, '/');
    struct workdir_spare *spare = &spares->list[spares->count % WORKDIR_SPARES_MAX];
    struct stat status;
    int length;

    if (spares->count == WORKDIR_SPARES_MAX || name == NULL || !is_as_new(path, &status))
        return false;
    spare->uid = status.st_uid;
    length = snprintf(spare->path, WORKDIR_SIZE, "%.*s/.mailmill-spare-%d.%llu", (int)(name - path), path,
                      (int)getpid(), (unsigned long long)++spares->number);
    if (length < 0 || length >= WORKDIR_SIZE ||
        renameat2(AT_FDCWD, path, AT_FDCWD, spare->path, RENAME_NOREPLACE) != 0)
        return false;
    spares->count++;
    return true;
}

/* Names are as hard to guess as mkdtemp's. */
static bool rename_anew(const char *spare, const char *parent, char path[static WORKDIR_SIZE])
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
    unsigned char random[12];
    char name[sizeof random + 1] = "";
    int length;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        name[i] = letters[random[i] % (sizeof letters - 1)];
    length = snprintf(path, WORKDIR_SIZE, "%s/mailmill-%s", parent, name);
    return length > 0 && length < WORKDIR_SIZE && renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
}

static bool is_in(const char *path, const char *parent)
{
    size_t size = strlen(parent);

    return strncmp(path, parent, size) == 0 && path[size] == '/' && strchr(path + size + 1, '/') == NULL;
}

/* The last one takes the place of the one that goes. */
static void take_out(struct workdir_spares *spares, size_t i, char spare[static WORKDIR_SIZE])
{
    memcpy(spare, spares->list[i].path, WORKDIR_SIZE);
    spares->list[i] = spares->list[--spares->count];
}

static void remove_all(const char *path)
{
    struct err err;

    if (workdir_remove(path, &err) != 0)
        log_say(LOG_WARNING, "%s", err.text);
}

bool workdir_reuse(struct workdir_spares *spares, const char *parent, uid_t uid, gid_t gid,
                   char path[static WORKDIR_SIZE])
{
    char spare[WORKDIR_SIZE];
    struct stat status;

    for (size_t i = spares->count; i > 0; i--) {
        if (!is_in(spares->list[i - 1].path, parent) || spares->list[i - 1].uid != uid)
            continue;
        take_out(spares, i - 1, spare);
        if (!rename_anew(spare, parent, path)) {
            remove_all(spare);
            continue;
        }
        if (is_as_new(path, &status) && status.st_uid == uid && status.st_gid == gid)
            return true;
        remove_all(path);
    }
    return false;
}

void workdir_drop_spares(struct workdir_spares *spares)
{
    for (size_t i = 0; i < spares->count; i++)
        remove_all(spares->list[i].path);
    spares->count = 0;
}
