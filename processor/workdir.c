#include "processor/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each level holds a descriptor; what lies deeper is moved up first. The passes have an end whatever goes on in
 * there. */
enum { DEPTH_MAX = 64, PASSES_MAX = 1000 };

int workdir_make(const char *parent, uid_t uid, gid_t gid, char path[static WORKDIR_SIZE], struct err *err)
{
    int length = snprintf(path, WORKDIR_SIZE, "%s/mailmill-XXXXXX", parent);

    if (length < 0 || length >= WORKDIR_SIZE)
        return err_set(err, ERR_PERMANENT, "the workdir %s is too long a path", parent);
    if (mkdtemp(path) == NULL)
        return err_system(err, "making a folder in the workdir %s", parent);
    if ((uid != geteuid() || gid != getegid()) && geteuid() == 0 && chown(path, uid, gid) != 0) {
        err_system(err, "giving %s to its user", path);
        (void)rmdir(path);
        return -1;
    }
    return 0;
}

struct removal {
    int top; /* the folder that goes */
    dev_t device;
    bool again; /* something was moved up to the top, and is still to be removed */
    unsigned moved;
};

static bool empty_folder(struct removal *removal, int fd, unsigned depth);

/* Opens a folder as it is, whatever rights its owner took from it. */
static int open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

/* A folder at the limit of depth becomes one of the top, for another pass. */
static bool move_up(struct removal *removal, int parent, const char *name)
{
    char above[32];

    snprintf(above, sizeof above, "moved-up-%u", removal->moved++);
    if (fchmodat(parent, name, 0700, 0) != 0 || renameat2(parent, name, removal->top, above, RENAME_NOREPLACE) != 0)
        return false;
    removal->again = true;
    return true;
}

/* Removes one entry; a folder is emptied first. Never through a link: the handler could have made it point anywhere.
 */
static bool remove_entry(struct removal *removal, int parent, const char *name, unsigned depth)
{
    bool emptied;
    int fd;

    if (unlinkat(parent, name, 0) == 0)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return false;
    if (depth == DEPTH_MAX)
        return move_up(removal, parent, name);
    fd = open_folder(parent, name);
    if (fd < 0)
        return false;
    emptied = empty_folder(removal, fd, depth + 1);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 && emptied;
}

/* Takes the descriptor. */
static bool empty_folder(struct removal *removal, int fd, unsigned depth)
{
    DIR *folder = fdopendir(fd);
    struct stat status;
    struct dirent *entry;
    bool emptied = true;

    if (folder == NULL || fstat(fd, &status) != 0 || status.st_dev != removal->device) {
        (void)(folder == NULL ? close(fd) : closedir(folder));
        return false;
    }
    (void)fchmod(fd, 0700); /* else nothing can be removed from it, unless by root */
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !remove_entry(removal, fd, entry->d_name, depth))
            emptied = false;
    (void)closedir(folder);
    return emptied;
}

static void empty_top(struct removal *removal)
{
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        int fd = openat(removal->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        removal->again = false;
        if (fd >= 0)
            (void)empty_folder(removal, fd, 0);
        if (!removal->again)
            return;
    }
}

int workdir_remove(const char *path, struct err *err)
{
    struct removal removal = {0};
    struct stat status;

    /* The handler may have removed it, or have put something else in its place. */
    if (rmdir(path) == 0 || errno == ENOENT || unlink(path) == 0)
        return 0;
    removal.top = open_folder(AT_FDCWD, path);
    if (removal.top >= 0 && fstat(removal.top, &status) == 0) {
        removal.device = status.st_dev;
        (void)fchmod(removal.top, 0700);
        empty_top(&removal);
    }
    if (removal.top >= 0)
        (void)close(removal.top);
    return rmdir(path) == 0 ? 0 : err_system(err, "removing %s", path);
}
