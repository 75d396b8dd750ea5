/* A rebuilt index takes the place of the old one. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "processor/rebuild.h"

/*
 * The bytes by which SQLite's users lock a database (its file format, "Lock-Byte Page"): each holds a shared lock
 * there for as long as it is connected. With all of them locked nobody is, and nobody can be: a user who came between
 * two of the renames below would read the old file's WAL into the new one.
 */
enum { LOCK_FIRST = 0x40000000, LOCK_SIZE = 512 };

/* An open descriptor with the lock; -2: there is no old index. */
static int lock_old(const char *path, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int64_t deadline_ms = clock_monotonic_ms() + REBUILD_LOCK_MS;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? -2 : err_system(err, "index %s", path);
    for (;;) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_SIZE};

        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return fd;
        if (clock_monotonic_ms() >= deadline_ms) {
            (void)fcntl(fd, F_OFD_GETLK, &lock);
            (void)close(fd);
            return err_set(err, ERR_TEMPORARY, "process %d has the index %s open; stop it first", (int)lock.l_pid,
                           path);
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* The new file is for the same users as the old one, or as its folder: not for whoever rebuilt it. */
static int give(const char *path, int old, struct err *err)
{
    char folder[REBUILD_PATH_SIZE];
    struct stat status;

    snprintf(folder, sizeof folder, "%s", path);
    if ((old >= 0 ? fstat(old, &status) : stat(dirname(folder), &status)) != 0)
        return err_system(err, "index %s", path);
    if (geteuid() == 0 && chown(path, status.st_uid, status.st_gid) != 0)
        return err_system(err, "giving %s to its users", path);
    return 0;
}

static int move(const char *from, const char *to, struct err *err)
{
    if (rename(from, to) == 0 || errno == ENOENT)
        return 0;
    return err_system(err, "renaming %s to %s", from, to);
}

/* The old index keeps its companions, under its new name. */
static int move_aside(struct rebuild *rebuild, const char *path, struct err *err)
{
    static const char *const ends[] = {"-wal", "-shm", ""};
    char from[REBUILD_PATH_SIZE + 8];
    char to[REBUILD_PATH_SIZE + 8];
    char time[CLOCK_ISO8601_SIZE];

    clock_iso8601(rebuild->now_ms, time);
    snprintf(rebuild->aside, sizeof rebuild->aside, "%.4000s.old-%.19s", path, time);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, ends[i]);
        snprintf(to, sizeof to, "%s%s", rebuild->aside, ends[i]);
        if (move(from, to, err) != 0)
            return -1;
    }
    return 0;
}

static int flush_folder(const char *path, struct err *err)
{
    char folder[REBUILD_PATH_SIZE];
    int fd;
    int status;

    snprintf(folder, sizeof folder, "%s", path);
    fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = fd < 0 || fsync(fd) != 0 ? err_system(err, "flushing the folder of %s", path) : 0;
    if (fd >= 0)
        (void)close(fd);
    return status;
}

int rebuild_put_in_place(struct rebuild *rebuild, struct err *err)
{
    const char *path = rebuild->config->index;
    char new[REBUILD_PATH_SIZE];
    int old = lock_old(path, err);
    int status = -1;

    if (old == -1)
        return -1;
    snprintf(new, sizeof new, "%.4000s.rebuilt", path);
    if (give(new, old, err) == 0 && (old < 0 || move_aside(rebuild, path, err) == 0))
        status = rename(new, path) == 0 ? flush_folder(path, err) : err_system(err, "renaming %s to %s", new, path);
    if (old >= 0)
        (void)close(old);
    return status;
}
