/*
 * Starting one program: as a user, in a folder, with three descriptors and an environment, in a session of its own.
 *
 *     spawn_ignore_none();            once
 *     pid = spawn_start(&spawn);
 */
#ifndef PROCESSOR_SPAWN_H
#define PROCESSOR_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "processor/account.h"

struct spawn {
    const char *program; /* absolute path */
    char *const *arguments;
    char *const *environment;
    const struct account *account; /* become this user; NULL: stay who we are */
    const char *workdir;
    uint64_t brand; /* by which strays are known (processor/strays.h) */
    const int *fds; /* three: standard input, output, error; all above 2 */
};

/* Has this process ignore no signal, as what is ignored stays so over an exec. Blocked ones need not be unblocked. */
void spawn_ignore_none(void);

/*
 * Starts it and gives its process number, which is also its session's and its process group's. -1 with errno when any
 * step up to and including the exec failed: an exec failure is never taken for an exit of the program.
 * The program is killed when the calling process ends.
 */
__attribute__((warn_unused_result)) pid_t spawn_start(const struct spawn *spawn);

#endif
