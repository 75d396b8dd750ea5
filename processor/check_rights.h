/*
 * Whether an account may use a file or a folder, worked out from owner, group and mode (path_resolution(7)).
 *
 *     if (check_rights(&account, "/usr/lib/mailmill/handlers/8ball", CHECK_EXECUTE, &err) != 0)
 *         ... err.text names what is in the way, and what to do about it
 */
#ifndef PROCESSOR_CHECK_RIGHTS_H
#define PROCESSOR_CHECK_RIGHTS_H

#include "common/err.h"
#include "processor/account.h"

enum check_need {
    CHECK_EXECUTE, /* a program: a regular file, executable */
    CHECK_READ,    /* a regular file */
    CHECK_MODIFY,  /* a regular file: read and write it */
    CHECK_APPEND,  /* a file of any kind: write it */
    CHECK_FILL,    /* a folder: make and remove files in it */
    CHECK_ENTER,   /* a folder: use what is in it by name */
};

/* `path` is absolute. An err.number of ENOENT means that the object itself is missing, but not its folder. */
__attribute__((warn_unused_result)) int check_rights(const struct account *account, const char *path,
                                                     enum check_need need, struct err *err);

/*
 * Whether root may rely on it: it belongs to root, and nobody else may write it. In a folder that others may write
 * only as /tmp is, with the sticky bit, root's entries are safe. What can't be looked at passes.
 */
__attribute__((warn_unused_result)) int check_trust(const char *path, struct err *err);

/* The folder that a path stands in, the caller's to free; NULL when memory is used up. */
char *check_folder_of(const char *path);
/* A path without symbolic links as far as it exists, the caller's to free; NULL when memory is used up. */
char *check_real_path(const char *path);

#endif
