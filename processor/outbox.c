#include "processor/outbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "processor/ledger.h"

enum { NAME_SIZE = LEDGER_KEY_SIZE + sizeof ".new" };

static int is_used(struct index *index, const char *name, struct err *err)
{
    struct query query;
    int used;

    if (query_start(&query, index, STATEMENT_DELIVERY_OUTPUT_USED, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_slice(span_text(name), 0, ID_LENGTH));
    query_text(&query, ":output", span_text(name));
    used = query_next(&query, err);
    query_end(&query);
    return used;
}

/* A crash between a file's last name and its row leaves one that nobody waits for: its handler runs again. */
static int clean(const struct outbox *outbox, struct index *index, struct err *err)
{
    int fd = openat(outbox->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int used = 0;

    if (folder == NULL)
        return err_system(err, "reading out/ in the spool");
    while (used >= 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        used = is_used(index, entry->d_name, err);
        if (used == 0)
            outbox_remove(outbox, entry->d_name);
    }
    (void)closedir(folder);
    return used < 0 ? -1 : 0;
}

int outbox_open(struct outbox *outbox, const struct spool *spool, struct index *index, struct err *err)
{
    outbox->folder = -1;
    if (mkdirat(spool->root, "out", 0700) != 0 && errno != EEXIST)
        return err_system(err, "making out/ in the spool %s", spool->path);
    outbox->folder = openat(spool->root, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (outbox->folder < 0)
        return err_system(err, "opening out/ in the spool %s", spool->path);
    return clean(outbox, index, err);
}

void outbox_close(struct outbox *outbox)
{
    if (outbox->folder >= 0)
        (void)close(outbox->folder);
    outbox->folder = -1;
}

int outbox_scratch(const struct outbox *outbox, struct err *err)
{
    int fd = openat(outbox->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd >= 0 ? fd : err_system(err, "making a file in the spool's out/");
}

int outbox_create(const struct outbox *outbox, const char *key, struct err *err)
{
    char name[NAME_SIZE];
    int fd;

    snprintf(name, sizeof name, "%s.new", key);
    fd = openat(outbox->folder, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : err_system(err, "making out/%s in the spool", name);
}

int outbox_publish(const struct outbox *outbox, const char *key, int fd, struct err *err)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof name, "%s.new", key);
    if (fsync(fd) != 0 || renameat(outbox->folder, name, outbox->folder, key) != 0 || fsync(outbox->folder) != 0)
        return err_system(err, "keeping out/%s in the spool", key);
    FAULT_POINT("outbox-published");
    return 0;
}

int outbox_keep(const struct outbox *outbox, const char *key, int fd, struct err *err)
{
    char scratch[64];

    snprintf(scratch, sizeof scratch, "/proc/self/fd/%d", fd);
    outbox_remove(outbox, key);
    if (fsync(fd) != 0 || linkat(AT_FDCWD, scratch, outbox->folder, key, AT_SYMLINK_FOLLOW) != 0 ||
        fsync(outbox->folder) != 0)
        return err_system(err, "keeping out/%s in the spool", key);
    FAULT_POINT("outbox-kept");
    return 0;
}

int outbox_read(const struct outbox *outbox, const char *key, struct err *err)
{
    int fd = openat(outbox->folder, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    err_system(err, "opening out/%s in the spool", key);
    if (err->number == ENOENT)
        err->kind = ERR_PERMANENT;
    return -1;
}

void outbox_remove(const struct outbox *outbox, const char *key)
{
    /* One that stays is removed at the next start, when no row names it any more. */
    (void)unlinkat(outbox->folder, key, 0);
}

int outbox_forget(const struct outbox *outbox, struct index *index, const char *id, struct err *err)
{
    struct query query;
    bool found = false;
    int row;

    if (query_start(&query, index, STATEMENT_DELIVERY_OUTPUTS, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    while ((row = query_next(&query, err)) == 1) {
        char key[LEDGER_KEY_SIZE];

        snprintf(key, sizeof key, "%.*s", (int)query_column_text(&query, 0).size, query_column_text(&query, 0).data);
        outbox_remove(outbox, key);
        found = true;
    }
    if (row < 0 || !found)
        return row;
    if (query_start(&query, index, STATEMENT_DELIVERY_FORGET_OUTPUTS, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    return query_run(&query, err);
}
