/*
 * The private folder of one run: made before it, removed with all that is in it afterwards.
 */
#ifndef PROCESSOR_WORKDIR_H
#define PROCESSOR_WORKDIR_H

#include <sys/types.h>

#include "common/err.h"

enum { WORKDIR_SIZE = 256 };

/*
 * Makes a folder mailmill-XXXXXX in `parent`, mode 0700, and gives it to `uid` and `gid` where they are not our own.
 * Its path is put into `path`.
 */
__attribute__((warn_unused_result)) int workdir_make(const char *parent, uid_t uid, gid_t gid,
                                                     char path[static WORKDIR_SIZE], struct err *err);

/*
 * Removes the folder and everything in it, links not followed and other file systems not entered. To be called when
 * no process of the run is left. -1 when something stays.
 */
__attribute__((warn_unused_result)) int workdir_remove(const char *path, struct err *err);

#endif
