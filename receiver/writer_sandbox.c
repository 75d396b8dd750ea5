#include "receiver/writer_sandbox.h"

#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/sandbox.h"

enum { PATH_SIZE = 4096 };

/* Landlock and no_new_privs; no seccomp filter, as SQLite's system calls are SQLite's own affair. */
static const struct sandbox_profile profile = {.name = "writer", .file_size_max = UINT64_MAX};

/* The folder that a file lies in, for Landlock, which knows no files that are yet to be made. */
static int parent_folder(const char *file, char folder[static PATH_SIZE], struct err *err)
{
    struct buf path = buf_over(folder, PATH_SIZE);
    const char *slash = strrchr(file, '/');

    buf_put(&path, (struct span){file, slash == file ? 1 : (size_t)(slash - file)});
    return path.overflowed ? err_set(err, ERR_PERMANENT, "the path %s is too long", file) : 0;
}

static int join(char path[static PATH_SIZE], const char *folder, const char *name, struct err *err)
{
    struct buf buf = buf_over(path, PATH_SIZE);

    buf_printf(&buf, "%s/%s", folder, name);
    return buf.overflowed ? err_set(err, ERR_PERMANENT, "the path %s is too long", folder) : 0;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int writer_enter_sandbox(const struct config *config, struct err *err)
{
    char tmp[PATH_SIZE];
    char new[PATH_SIZE];
    char index[PATH_SIZE];
    struct sandbox sandbox;
    int status;

    if (join(tmp, config->spool, "tmp", err) != 0 || join(new, config->spool, "new", err) != 0 ||
        parent_folder(config->index, index, err) != 0)
        return -1;

    const struct sandbox_folder folders[] = {{tmp, SANDBOX_CREATE_AND_REMOVE},
                                             {new, SANDBOX_RENAME_INTO},
                                             {is_folder(index) ? index : NULL, SANDBOX_READ_AND_WRITE}};

    if (sandbox_prepare_ready(&sandbox, &profile, folders, sizeof folders / sizeof folders[0], err) != 0)
        return -1;
    log_ready(); /* neither a file nor syslog can be had any more in a moment */
    status = sandbox_apply(&sandbox, err);
    sandbox_free(&sandbox);
    return status;
}
