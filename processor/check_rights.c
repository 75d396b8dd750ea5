#include "processor/check_rights.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { READ = 4, WRITE = 2, EXECUTE = 1, OWNER_SHIFT = 6, GROUP_SHIFT = 3 };

/* What each need comes to. */
struct need {
    mode_t type; /* 0: anything but a folder */
    unsigned bits;
    unsigned long forbidden; /* flags of the file system */
    const char *type_text;
    const char *verb;
    const char *remedy;
};

static const struct need needs[] = {
    [CHECK_EXECUTE] = {S_IFREG, EXECUTE, ST_NOEXEC, "a regular file; name a program", "execute", "chmod a+rx"},
    [CHECK_READ] = {S_IFREG, READ, 0, "a regular file", "read", "chgrp or chmod"},
    [CHECK_MODIFY] = {S_IFREG, READ | WRITE, ST_RDONLY, "a regular file", "read and write", "chown or chmod"},
    [CHECK_APPEND] = {0, WRITE, ST_RDONLY, "a file", "write", "chown or chmod"},
    [CHECK_FILL] = {S_IFDIR, WRITE | EXECUTE, ST_RDONLY, "a folder", "write in", "chown or chmod"},
    [CHECK_ENTER] = {S_IFDIR, EXECUTE, 0, "a folder", "enter", "chmod a+x"},
};

static_assert(sizeof needs / sizeof needs[0] == CHECK_ENTER + 1, "one row for each need");

static bool is_member(const struct account *account, gid_t gid)
{
    if (account->gid == gid)
        return true;
    for (int i = 0; i < account->group_count; i++)
        if (account->groups[i] == gid)
            return true;
    return false;
}

/* The one class of permission bits that counts; root is held to nothing but that some execute bit is set. */
static unsigned rights_of(const struct account *account, const struct stat *status)
{
    unsigned mode = status->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);

    if (account->uid == 0)
        return READ | WRITE | (S_ISDIR(status->st_mode) || (mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0 ? EXECUTE : 0);
    if (account->uid == status->st_uid)
        return mode >> OWNER_SHIFT;
    if (is_member(account, status->st_gid))
        return mode >> GROUP_SHIFT & (READ | WRITE | EXECUTE);
    return mode & (READ | WRITE | EXECUTE);
}

static int refuse(const struct account *account, const char *path, const struct stat *status, const struct need *need,
                  struct err *err)
{
    const struct passwd *owner = getpwuid(status->st_uid);
    const struct group *group = getgrgid(status->st_gid);

    return err_set(err, ERR_PERMANENT, "user %s may not %s %.160s (owner %s, group %s, mode %04o); %s it",
                   account->name, need->verb, path, owner == NULL ? "unknown" : owner->pw_name,
                   group == NULL ? "unknown" : group->gr_name, (unsigned)(status->st_mode & 07777), need->remedy);
}

/* The object itself, whoever may get there. */
static int check_object(const struct account *account, const char *path, const struct need *need, struct err *err)
{
    struct stat status;
    struct statvfs system;

    if (stat(path, &status) != 0) {
        int number = errno;

        if (number == ENOENT)
            err_set(err, ERR_PERMANENT, "%.160s does not exist", path);
        else
            err_system(err, "%.160s", path);
        err->number = number;
        return -1;
    }
    if (need->type == 0 ? S_ISDIR(status.st_mode) : (status.st_mode & S_IFMT) != need->type)
        return err_set(err, ERR_PERMANENT, "%.160s is not %s", path, need->type_text);
    if ((rights_of(account, &status) & need->bits) != need->bits)
        return refuse(account, path, &status, need, err);
    if (need->forbidden != 0 && statvfs(path, &system) == 0 && (system.f_flag & need->forbidden) != 0)
        return err_set(err, ERR_PERMANENT, "%.160s lies on a file system that is mounted %s; put it elsewhere", path,
                       need->forbidden == ST_NOEXEC ? "noexec" : "read-only");
    return 0;
}

/* Every folder on the way, from the root down. */
static int check_way(const struct account *account, const char *path, struct err *err)
{
    char *folder = strdup(path);
    int result = 0;

    if (folder == NULL)
        return err_system(err, "memory");
    for (char *slash = strchr(folder + 1, '/'); slash != NULL && result == 0; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        result = check_object(account, folder, &needs[CHECK_ENTER], err);
        *slash = '/';
    }
    if (result != 0 && err->number == ENOENT)
        err->number = ENOTDIR;
    free(folder);
    return result;
}

int check_rights(const struct account *account, const char *path, enum check_need need, struct err *err)
{
    char *real;
    int result;

    if (check_way(account, path, err) != 0 || check_object(account, path, &needs[need], err) != 0)
        return -1;
    /* The folders that a symbolic link leads through count as well. */
    real = realpath(path, NULL);
    if (real == NULL)
        return err_system(err, "%.160s", path);
    result = strcmp(real, path) == 0 ? 0 : check_way(account, real, err);
    free(real);
    return result;
}

int check_trust(const char *path, struct err *err)
{
    struct stat status;
    const struct passwd *owner;

    if (stat(path, &status) != 0)
        return 0;
    if (status.st_uid == 0 &&
        ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0)))
        return 0;
    owner = getpwuid(status.st_uid);
    return err_set(err, ERR_PERMANENT, "others than root may change %.160s (owner %s, mode %04o)", path,
                   owner == NULL ? "unknown" : owner->pw_name, (unsigned)(status.st_mode & 07777));
}

char *check_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

char *check_real_path(const char *path)
{
    char *real = realpath(path, NULL);
    char *folder;
    char *joined = NULL;

    if (real != NULL || strcmp(path, "/") == 0)
        return real;
    folder = check_folder_of(path);
    if (folder == NULL)
        return NULL;
    real = check_real_path(folder);
    free(folder);
    if (real != NULL && asprintf(&joined, "%s%s", strcmp(real, "/") == 0 ? "" : real, strrchr(path, '/')) < 0)
        joined = NULL;
    free(real);
    return joined;
}
