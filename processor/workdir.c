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

/* Each level holds a descriptor; a tree deeper than this is left for the system's own cleaning of temporary files. */
enum { DEPTH_MAX = 64 };

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

static bool empty_folder(int fd, unsigned depth);

/* Removes one entry; a folder is emptied first. Never through a link: the handler could have made it point anywhere.
 */
static bool remove_entry(int parent, const char *name, unsigned depth)
{
    bool emptied;
    int fd;

    if (unlinkat(parent, name, 0) == 0)
        return true;
    if ((errno != EISDIR && errno != EPERM) || depth == DEPTH_MAX)
        return false;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    emptied = empty_folder(fd, depth + 1);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 && emptied;
}

/* Takes the descriptor. */
static bool empty_folder(int fd, unsigned depth)
{
    DIR *folder = fdopendir(fd);
    struct dirent *entry;
    bool emptied = true;

    if (folder == NULL) {
        (void)close(fd);
        return false;
    }
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !remove_entry(dirfd(folder), entry->d_name, depth))
            emptied = false;
    (void)closedir(folder);
    return emptied;
}

int workdir_remove(const char *path, struct err *err)
{
    if (rmdir(path) == 0 || remove_entry(AT_FDCWD, path, 0))
        return 0;
    return err_system(err, "removing %s", path);
}
