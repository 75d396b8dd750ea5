#include "processor/deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/id.h"
#include "common/io.h"

enum {
    NUMBER_MAX = 10000, /* files of one name; more is a mistake, and slow */
    CHUNK_SIZE = 64 * 1024,
    MODE = 0666, /* less the umask */
};

/* A file that has no name that anybody looks for. */
struct draft {
    int fd;
    char name[64]; /* empty where the file has none at all */
};

int deposit_open(struct deposit *deposit, const char *path, struct err *err)
{
    *deposit = (struct deposit){.path = path, .folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (deposit->folder >= 0)
        return 0;
    err_system(err, "folder %s", path);
    if (errno == ENOENT || errno == ENOTDIR)
        err->kind = ERR_PERMANENT;
    return -1;
}

void deposit_close(struct deposit *deposit)
{
    if (deposit->folder >= 0)
        (void)close(deposit->folder);
    deposit->folder = -1;
}

/* ---- writing ---- */

/* A file system without nameless files, or one that does not say so: then one with a name of its own. */
static int open_draft(const struct deposit *deposit, struct draft *draft, struct err *err)
{
    uint64_t random = 0;
    char id[ID_SIZE];

    draft->name[0] = '\0';
    draft->fd =
        FAULT_ERRNO("deposit-nameless") ? -1 : openat(deposit->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE);
    if (draft->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return err_system(err, "getrandom");
        id_make(clock_now_ms(), random, id);
        snprintf(draft->name, sizeof draft->name, ".mailmill-%s.part", id);
        draft->fd = openat(deposit->folder, draft->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
    }
    return draft->fd >= 0 ? 0 : err_system(err, "a file in %s", deposit->path);
}

static int fill_draft(const struct deposit *deposit, const struct draft *draft, struct span contents, struct err *err)
{
    if (FAULT_ERRNO("deposit-write") || io_write_all(draft->fd, contents) != 0 || FAULT_ERRNO("deposit-fsync") ||
        fsync(draft->fd) != 0)
        return err_system(err, "writing a file in %s", deposit->path);
    FAULT_POINT("deposit-after-write");
    return 0;
}

static int give_name(const struct deposit *deposit, const struct draft *draft, const char *name)
{
    char path[64];

    if (draft->name[0] != '\0')
        return linkat(deposit->folder, draft->name, deposit->folder, name, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", draft->fd);
    return linkat(AT_FDCWD, path, deposit->folder, name, AT_SYMLINK_FOLLOW);
}

/* ---- what is there ---- */

static bool has_contents(int fd, struct span contents)
{
    char chunk[CHUNK_SIZE];
    ssize_t got;

    while ((got = read(fd, chunk, sizeof chunk)) > 0) {
        if ((size_t)got > contents.size || memcmp(chunk, contents.data, (size_t)got) != 0)
            return false;
        contents = span_slice(contents, (size_t)got, contents.size);
    }
    return got == 0 && contents.size == 0;
}

/* Whether the name is a regular file's with these contents. Whatever can't be read has others. */
static bool is_there(const struct deposit *deposit, const char *name, struct span contents)
{
    int fd = openat(deposit->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;
    bool is_same = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                   (uint64_t)status.st_size == contents.size && has_contents(fd, contents);

    if (fd >= 0)
        (void)close(fd);
    return is_same;
}

/* ---- both ---- */

/* Tries one name after the other; gives 1 or 0 as deposit_save does. */
static int settle(const struct deposit *deposit, const struct draft *draft, struct span wanted, struct span contents,
                  struct buf *name, struct err *err)
{
    for (unsigned number = 1; number <= NUMBER_MAX; number++) {
        buf_clear(name);
        if (number == 1)
            buf_put(name, wanted);
        else
            filename_number(wanted, number, name);
        if (give_name(deposit, draft, name->data) == 0) {
            FAULT_POINT("deposit-after-name");
            return fsync(deposit->folder) == 0 ? 1 : err_system(err, "flushing %s", deposit->path);
        }
        if (errno != EEXIST)
            return err_system(err, "%s/%s", deposit->path, name->data);
        if (is_there(deposit, name->data, contents))
            return 0;
    }
    return err_set(err, ERR_PERMANENT, "%s has %d files of the name %.*s; move some away", deposit->path, NUMBER_MAX,
                   (int)wanted.size, wanted.data);
}

int deposit_save(const struct deposit *deposit, struct span wanted, struct span contents, struct buf *name,
                 struct err *err)
{
    struct draft draft;
    int status = -1;

    if (open_draft(deposit, &draft, err) != 0)
        return -1;
    if (fill_draft(deposit, &draft, contents, err) == 0)
        status = settle(deposit, &draft, wanted, contents, name, err);
    if (draft.name[0] != '\0')
        (void)unlinkat(deposit->folder, draft.name, 0);
    (void)close(draft.fd);
    return status;
}
