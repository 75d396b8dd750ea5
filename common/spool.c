#include "common/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/fault.h"

static int make_folder(int parent, const char *name, const char *path, struct err *err)
{
    if (mkdirat(parent, name, 0770) != 0 && errno != EEXIST)
        return err_system(err, "making the folder %s in %s", name, path);
    return 0;
}

/* Gives an open folder, making it first where that is asked for. */
static int open_folder(int parent, const char *name, bool create, const char *path, struct err *err)
{
    int fd;

    if (create && make_folder(parent, name, path, err) != 0)
        return -1;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_system(err, "opening the folder %s in %s", name, path);
    return fd;
}

/* The receiver may not be allowed to look into it; a Maildir has one all the same. */
static int open_cur(struct spool *spool, enum spool_access access, struct err *err)
{
    if (access == SPOOL_RECEIVER)
        return make_folder(spool->root, "cur", spool->path, err);
    spool->cur = open_folder(spool->root, "cur", access == SPOOL_PROCESSOR, spool->path, err);
    return spool->cur < 0 ? -1 : 0;
}

int spool_open(struct spool *spool, const char *path, enum spool_access access, struct err *err)
{
    bool create = access != SPOOL_READER;

    *spool = (struct spool){.path = path, .root = -1, .tmp = -1, .new = -1, .cur = -1, .is_open = true};
    spool->root = open_folder(AT_FDCWD, path, create, "the spool", err);
    if (spool->root >= 0)
        spool->tmp = open_folder(spool->root, "tmp", create, path, err);
    if (spool->tmp >= 0)
        spool->new = open_folder(spool->root, "new", create, path, err);
    if (spool->new >= 0 && open_cur(spool, access, err) == 0)
        return 0;
    spool_close(spool);
    return -1;
}

void spool_close(struct spool *spool)
{
    int fds[] = {spool->root, spool->tmp, spool->new, spool->cur};

    for (size_t i = 0; spool->is_open && i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    *spool = (struct spool){0};
}

int spool_create(const struct spool *spool, const char *id, struct err *err)
{
    int fd = -1;

    if (!FAULT_ERRNO("spool-create"))
        fd = openat(spool->tmp, id, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_system(err, "making %s/tmp/%s", spool->path, id);
    FAULT_POINT("spool-created");
    return fd;
}

int spool_settle(const struct spool *spool, const char *id, int fd, struct err *err)
{
    FAULT_POINT("spool-before-fsync");
    if (FAULT_ERRNO("spool-fsync") || fsync(fd) != 0)
        return err_system(err, "flushing %s/tmp/%s", spool->path, id);
    FAULT_POINT("spool-before-rename");
    /* NOREPLACE: should two messages ever draw the same ID, the second is refused and not the first one lost. */
    if (FAULT_ERRNO("spool-rename") || renameat2(spool->tmp, id, spool->new, id, RENAME_NOREPLACE) != 0)
        return err_system(err, "moving %s to new/ in %s", id, spool->path);
    FAULT_POINT("spool-after-rename");
    return 0;
}

int spool_flush_new(const struct spool *spool, struct err *err)
{
    /* Without this the file's contents would survive a power cut, but perhaps not its name. */
    if (FAULT_ERRNO("spool-fsync-folder") || fsync(spool->new) != 0)
        return err_system(err, "flushing the folder %s/new", spool->path);
    FAULT_POINT("spool-committed");
    return 0;
}

int spool_commit(const struct spool *spool, const char *id, int fd, struct err *err)
{
    return spool_settle(spool, id, fd, err) == 0 ? spool_flush_new(spool, err) : -1;
}

int spool_free_bytes(const struct spool *spool, uint64_t *bytes, struct err *err)
{
    struct statvfs status;

    if (fstatvfs(spool->tmp, &status) != 0)
        return err_system(err, "looking for free space in %s", spool->path);
    *bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

void spool_discard(const struct spool *spool, const char *id)
{
    /* What is left behind in tmp/ is no message; it only takes room until it is cleared away by age. */
    (void)unlinkat(spool->tmp, id, 0);
}

/* 1: removed; 0: to be kept, or not there any more. */
static int clear_file(const struct spool *spool, const char *name, int64_t now_ms, struct err *err)
{
    struct stat status;

    if (fstatat(spool->tmp, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
        now_ms - (int64_t)status.st_mtim.tv_sec * 1000 <= SPOOL_TMP_MS)
        return 0;
    if (unlinkat(spool->tmp, name, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : err_system(err, "removing %s/tmp/%s", spool->path, name);
}

int spool_clear_tmp(const struct spool *spool, int64_t now_ms, struct err *err)
{
    int fd = openat(spool->tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool failed = false;
    int count = 0;

    if (folder == NULL) {
        err_system(err, "reading %s/tmp", spool->path);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    while ((errno = 0, entry = readdir(folder)) != NULL) {
        int removed = clear_file(spool, entry->d_name, now_ms, err);

        failed |= removed < 0;
        count += removed > 0;
    }
    if (errno != 0)
        failed = err_system(err, "reading %s/tmp", spool->path) != 0;
    (void)closedir(folder);
    return failed ? -1 : count;
}

/* Is this the name of a file in cur/ that belongs to the message? ID alone, or with flags behind ":2,". */
static bool belongs_to(const char *name, const char *id)
{
    return strncmp(name, id, ID_LENGTH) == 0 && (name[ID_LENGTH] == '\0' || name[ID_LENGTH] == ':') &&
           strlen(name) < SPOOL_NAME_SIZE;
}

static bool place_at(struct spool_place *place, int folder, const char *name)
{
    place->folder = folder;
    snprintf(place->name, sizeof place->name, "%s", name);
    return faccessat(folder, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Where we put it ourselves. */
static bool find_usual(const struct spool *spool, const char *id, struct spool_place *place)
{
    static const char *const usual[] = {":2,S", ":2,F", ":2,"};
    char name[SPOOL_NAME_SIZE];

    if (place_at(place, spool->new, id))
        return true;
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        snprintf(name, sizeof name, "%.*s%s", ID_LENGTH, id, usual[i]);
        if (place_at(place, spool->cur, name))
            return true;
    }
    place->name[0] = '\0';
    return false;
}

/* A file in cur/ goes to the place of its message, where that is still looked for. 1: it did, 0: it did not. */
static size_t settle_place(const struct spool *spool, const char *name, char (*ids)[ID_SIZE], size_t count,
                           struct spool_place *places)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].name[0] == '\0' && belongs_to(name, ids[i]) && place_at(&places[i], spool->cur, name))
            return 1;
    return 0;
}

/* A mail reader may have changed the flags: look through the whole folder, until `missing` places are found. */
static int search_cur(const struct spool *spool, char (*ids)[ID_SIZE], size_t count, struct spool_place *places,
                      size_t missing, struct err *err)
{
    int fd = openat(spool->cur, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int status = 0;

    if (folder == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return err_system(err, "reading %s/cur", spool->path);
    }
    while (missing > 0 && (errno = 0, entry = readdir(folder)) != NULL)
        missing -= settle_place(spool, entry->d_name, ids, count, places);
    /* A folder that could not be read to its end says nothing about what is not there. */
    if (missing > 0 && errno != 0)
        status = err_system(err, "reading %s/cur", spool->path);
    (void)closedir(folder);
    return status;
}

int spool_find_all(const struct spool *spool, char (*ids)[ID_SIZE], size_t count, struct spool_place *places,
                   struct err *err)
{
    size_t missing = 0;

    for (size_t i = 0; i < count; i++)
        missing += !find_usual(spool, ids[i], &places[i]);
    return missing == 0 ? 0 : search_cur(spool, ids, count, places, missing, err);
}

int spool_find(const struct spool *spool, const char *id, struct spool_place *place, struct err *err)
{
    char ids[1][ID_SIZE];

    snprintf(ids[0], sizeof ids[0], "%s", id);
    if (spool_find_all(spool, ids, 1, place, err) != 0)
        return -1;
    return place->name[0] != '\0';
}

int spool_remove(const struct spool *spool, const struct spool_place *place, struct err *err)
{
    if (!FAULT_ERRNO("spool-remove") && unlinkat(place->folder, place->name, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : err_system(err, "removing %s in %s", place->name, spool->path);
}

int spool_flush_removed(const struct spool *spool, struct err *err)
{
    return fsync(spool->cur) == 0 ? 0 : err_system(err, "flushing the folder %s/cur", spool->path);
}

int spool_open_message(const struct spool *spool, const char *id, struct err *err)
{
    struct spool_place place;
    int found = spool_find(spool, id, &place, err);
    struct stat status;
    int fd;

    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_PERMANENT, "the file of message %s is not in the spool %s", id, spool->path);
    /* Not to wait for the other end of a pipe that someone put here; on a file the flag means nothing, and goes. */
    fd = openat(place.folder, place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno != ELOOP && errno != ENXIO) /* a link, a socket */
        return err_system(err, "opening %s in %s", place.name, spool->path);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fcntl(fd, F_SETFL, 0) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return err_set(err, ERR_PERMANENT, "%s in %s is not a regular file", place.name, spool->path);
}

int spool_put_away(const struct spool *spool, const char *id, char flag, struct err *err)
{
    struct spool_place place;
    char name[SPOOL_NAME_SIZE];
    char flags[] = {flag, '\0'};
    int found = spool_find(spool, id, &place, err);

    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_PERMANENT, "the file of message %s is not in the spool %s", id, spool->path);
    snprintf(name, sizeof name, "%.*s:2,%s", ID_LENGTH, id, flags);
    if (place.folder == spool->cur && strcmp(place.name, name) == 0)
        return 0;
    FAULT_POINT("spool-before-finish");
    if (renameat(place.folder, place.name, spool->cur, name) != 0)
        return err_system(err, "moving %s to cur/%s in %s", place.name, name, spool->path);
    FAULT_POINT("spool-finished");
    return 0;
}

int spool_flush_cur(const struct spool *spool, struct err *err)
{
    return fsync(spool->cur) == 0 ? 0 : err_system(err, "flushing the folder %s/cur", spool->path);
}

int spool_finish(const struct spool *spool, const char *id, char flag, struct err *err)
{
    return spool_put_away(spool, id, flag, err) == 0 ? spool_flush_cur(spool, err) : -1;
}

int spool_walk_start(struct spool_walk *walk, const struct spool *spool, struct err *err)
{
    int fd = openat(spool->new, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    spool_walk_end(walk);
    walk->folder = fd < 0 ? NULL : fdopendir(fd);
    if (walk->folder != NULL)
        return 0;
    err_system(err, "reading %s/new", spool->path);
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

const char *spool_walk_next(struct spool_walk *walk)
{
    struct dirent *entry;

    while ((errno = 0, entry = readdir(walk->folder)) != NULL)
        if (entry->d_name[0] != '.')
            return entry->d_name;
    return NULL;
}

void spool_walk_end(struct spool_walk *walk)
{
    if (walk->folder != NULL)
        (void)closedir(walk->folder);
    walk->folder = NULL;
}

int spool_each_new(const struct spool *spool, spool_visit *visit, void *context, struct err *err)
{
    struct spool_walk walk = {0};
    const char *name;
    int result;

    if (spool_walk_start(&walk, spool, err) != 0)
        return -1;
    do {
        name = spool_walk_next(&walk);
        if (name != NULL)
            result = visit(context, name, err);
        else
            result = errno == 0 ? 0 : err_system(err, "reading %s/new", spool->path);
    } while (result == 0 && name != NULL);
    spool_walk_end(&walk);
    return result;
}

int spool_wake(const struct spool *spool, struct err *err)
{
    if (utimensat(spool->root, "new", NULL, 0) != 0)
        return err_system(err, "touching %s/new", spool->path);
    return 0;
}
