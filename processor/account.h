/*
 * A user's rights, looked up once and held as plain numbers, so that becoming that user needs no more look-ups.
 */
#ifndef PROCESSOR_ACCOUNT_H
#define PROCESSOR_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

enum { ACCOUNT_GROUPS_MAX = 256 };

struct account {
    char name[64];
    char home[1024];
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_GROUPS_MAX];
    int group_count;
};

/* The account of this name. Permanent error: there is none, or it is in more than ACCOUNT_GROUPS_MAX groups. */
__attribute__((warn_unused_result)) int account_find(struct account *account, const char *name, struct err *err);
/* This process's own account; one without a name is called by its number. */
void account_own(struct account *account);

/*
 * Becomes the account for good: groups, gid, uid. System calls only, so that it may be used after a vfork. Gives 0 or
 * -1 with errno.
 */
__attribute__((warn_unused_result)) int account_become(const struct account *account);

#endif
