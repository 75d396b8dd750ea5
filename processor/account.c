#include "processor/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

static int fill(struct account *account, const struct passwd *entry, struct err *err)
{
    struct buf name = buf_over(account->name, sizeof account->name);
    struct buf home = buf_over(account->home, sizeof account->home);

    buf_put_text(&name, entry->pw_name);
    buf_put_text(&home, entry->pw_dir);
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    account->group_count = ACCOUNT_GROUPS_MAX;
    if (name.overflowed || home.overflowed)
        return err_set(err, ERR_PERMANENT, "user %s: the name or the home folder is too long", entry->pw_name);
    if (getgrouplist(entry->pw_name, entry->pw_gid, account->groups, &account->group_count) < 0)
        return err_set(err, ERR_PERMANENT, "user %s is in more than %d groups", entry->pw_name, ACCOUNT_GROUPS_MAX);
    return 0;
}

int account_find(struct account *account, const char *name, struct err *err)
{
    struct passwd *entry;

    errno = 0;
    entry = getpwnam(name);
    if (entry == NULL && errno != 0 && errno != ENOENT)
        return err_system(err, "looking up user %s", name);
    if (entry == NULL)
        return err_set(err, ERR_PERMANENT, "user %s does not exist", name);
    return fill(account, entry, err);
}

void account_own(struct account *account)
{
    const struct passwd *entry = getpwuid(geteuid());
    struct err err;

    if (entry != NULL && fill(account, entry, &err) == 0)
        return;
    *account = (struct account){.uid = geteuid(), .gid = getegid(), .home = "/"};
    snprintf(account->name, sizeof account->name, "%u", (unsigned)account->uid);
}

int account_become(const struct account *account)
{
    if (setgroups((size_t)account->group_count, account->groups) != 0)
        return -1;
    if (setresgid(account->gid, account->gid, account->gid) != 0)
        return -1;
    return setresuid(account->uid, account->uid, account->uid);
}
