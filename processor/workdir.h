/*
 * The private folder of one run: made before it, removed with all that is in it afterwards.
 */
#ifndef PROCESSOR_WORKDIR_H
#define PROCESSOR_WORKDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/*
 * Spare folders: making and removing one for each run is most of what a short run costs the file system. One that is
 * as it was made, empty and its user's alone, may serve another run of the same user, under a new name; meanwhile it
 * has a hidden one. That it is as new is looked at when it is taken again, as its user can reach it in between.
 */
enum { WORKDIR_SPARES_MAX = 32 };

struct workdir_spare {
    uid_t uid; /* whose it was when it was put aside */
    char path[WORKDIR_SIZE];
};

struct workdir_spares {
    size_t count;
    uint64_t number; /* of the last hidden name */
    struct workdir_spare list[WORKDIR_SPARES_MAX];
};

/* Takes the folder of a run that is over. False: it is not as it was, or there are enough; it is still to be removed.
 */
bool workdir_spare(struct workdir_spares *spares, const char *path);
/* Gives a spare one in `parent` its new name, as workdir_make does. False: there is none that will do. */
bool workdir_reuse(struct workdir_spares *spares, const char *parent, uid_t uid, gid_t gid,
                   char path[static WORKDIR_SIZE]);
void workdir_drop_spares(struct workdir_spares *spares);

#endif
