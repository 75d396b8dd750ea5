/*
 * Giving up rights for good: no_new_privs, Landlock, seccomp and rlimits.
 *
 * What needs memory or files is prepared before the fork; what is applied after it are a few system calls:
 *
 *     struct sandbox sandbox = {0};
 *     sandbox_prepare(&sandbox, &profile, NULL, 0, &err);     in the parent
 *     if (fork() == 0) sandbox_apply(&sandbox, &err);         in the child, before it reads foreign bytes
 *     sandbox_free(&sandbox);                                 in each that goes on
 *
 * seccomp and no_new_privs must work, or applying fails. Landlock is used as far as the kernel has it.
 * Sources: landlock(7), seccomp(2), PR_SET_NO_NEW_PRIVS in prctl(2).
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* What may be done beneath a folder; a profile with no folders may open nothing at all. */
enum sandbox_folder_rights {
    SANDBOX_CREATE_AND_REMOVE, /* make, write, rename away and remove files: a spool's tmp/ */
    SANDBOX_RENAME_INTO,       /* take files in by rename, and nothing else: a spool's new/ */
    SANDBOX_READ_AND_WRITE,    /* everything about regular files: the index's folder */
};

struct sandbox_folder {
    const char *path; /* must exist; NULL is passed over */
    enum sandbox_folder_rights rights;
};

/* A system call that is allowed, with at most one argument held to a value; or one that fails and does no more. */
struct sandbox_call {
    const char *name;
    bool compare;
    unsigned argument; /* counted from 0 */
    uint64_t value;
    int refused; /* the errno that it fails with, for libraries that can do without; 0: it is made */
};

struct sandbox_profile {
    const char *name;                 /* for messages: "session" */
    const struct sandbox_call *calls; /* ends with a NULL name; NULL: seccomp is not used */
    const void *program;              /* the filter for the calls, where it was made before; NULL: it is made */
    size_t program_size;              /* bytes */
    uint64_t file_size_max;           /* RLIMIT_FSIZE in bytes, 0: none may be written; UINT64_MAX: not limited */
    uint64_t descriptors_max;         /* RLIMIT_NOFILE; 0: not limited */
    uint64_t memory_max;              /* RLIMIT_AS in bytes; 0: not limited */
    bool no_processes;                /* RLIMIT_NPROC 0 */
};

struct sandbox {
    const struct sandbox_profile *profile;
    void *filter; /* a seccomp program, ready to load */
    size_t filter_size;
    int ruleset; /* a Landlock ruleset's descriptor, or -1 */
};

/*
 * Builds filter and ruleset. `folders` has `folder_count` rows. Fails (temporary) when a folder can't be opened or
 * memory is short, and (bug) when a call's name is unknown to this machine.
 */
__attribute__((warn_unused_result)) int sandbox_prepare(struct sandbox *sandbox,
                                                        const struct sandbox_profile *profile,
                                                        const struct sandbox_folder *folders, size_t folder_count,
                                                        struct err *err);
/*
 * The same for a profile that has its program or uses no seccomp: the filter costs nothing then, and libseccomp is
 * not needed.
 */
__attribute__((warn_unused_result)) int sandbox_prepare_ready(struct sandbox *sandbox,
                                                              const struct sandbox_profile *profile,
                                                              const struct sandbox_folder *folders,
                                                              size_t folder_count, struct err *err);
/* Applies it to this process, for good. Fails when no_new_privs, seccomp or an rlimit is refused. */
__attribute__((warn_unused_result)) int sandbox_apply(struct sandbox *sandbox, struct err *err);
void sandbox_free(struct sandbox *sandbox);

/* The kernel's Landlock ABI version, 0 where it has none. For `mailmill check`. */
int sandbox_landlock_version(void);
/* Whether the kernel takes seccomp filters. */
bool sandbox_has_seccomp(void);

#endif
