#include "processor/rebuild.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/index.h"
#include "common/log.h"
#include "processor/intake_step.h"
#include "processor/ledger.h"
#include "processor/ledger_handler.h"

enum { BATCH = 1000 }; /* messages in one transaction */

struct building {
    struct rebuild *rebuild;
    struct index index;
    size_t files;
    size_t total; /* of them; 0 where nobody wants to know */
};

static void new_path(const struct rebuild *rebuild, const char *end, char path[static REBUILD_PATH_SIZE])
{
    /* A longer path can't be opened, and that is said then. */
    snprintf(path, REBUILD_PATH_SIZE, "%.4000s.rebuilt%s", rebuild->config->index, end);
}

/* ---- its messages ---- */

/* What the name of a file in cur/ says of its message; a file of new/ has no flags. */
static enum state state_of(const char *name)
{
    const char *flags = strstr(name, ":2,");

    if (flags == NULL)
        return STATE_PENDING;
    /* Mail readers add S to what was read, F included. */
    if (strchr(flags + 3, 'F') != NULL)
        return STATE_DEAD;
    return strchr(flags + 3, 'S') != NULL ? STATE_DONE : STATE_SKIPPED;
}

static void count(struct rebuild *rebuild, enum state state)
{
    rebuild->waiting += state == STATE_PENDING;
    rebuild->dead += state == STATE_DEAD;
    rebuild->done += state == STATE_DONE;
    rebuild->kept += state == STATE_SKIPPED;
}

static int add_message(struct building *building, const char *id, const char *name, bool has_ended, struct err *err)
{
    const struct intake source = {.spool = building->rebuild->spool};
    enum state state = has_ended ? state_of(name) : STATE_PENDING;
    struct envelope envelope;
    struct stat status = {0};
    uint64_t size_bytes;
    int result;
    int fd;

    if (has_ended && state == STATE_PENDING)
        state = STATE_SKIPPED; /* in cur/ without a word */
    if (intake_open(&source, id, &envelope, &size_bytes, &fd, err) != 0)
        return -1;
    result = fstat(fd, &status) == 0 ? index_put_message(&building->index, &envelope, size_bytes, err)
                                     : err_system(err, "reading %s", name);
    (void)close(fd);
    /* The move to cur/ is the last thing that happened to it. */
    if (result == 0 && has_ended)
        result = ledger_put_ended(&building->index, building->rebuild->config, &envelope, state,
                                  (int64_t)status.st_ctim.tv_sec * 1000, err);
    envelope_free(&envelope);
    if (result == 0)
        count(building->rebuild, state);
    return result;
}

static int add_file(struct building *building, const char *name, bool has_ended, struct err *err)
{
    struct span id = span_slice(span_text(name), 0, ID_LENGTH);
    char text[ID_SIZE];

    snprintf(text, sizeof text, "%.*s", (int)id.size, id.data);
    if (!id_is_valid(id) || (name[ID_LENGTH] != '\0' && (!has_ended || name[ID_LENGTH] != ':')))
        err_set(err, ERR_PERMANENT, "its name is not a message's ID");
    else if (add_message(building, text, name, has_ended, err) == 0)
        return 0;
    if (err->kind != ERR_PERMANENT)
        return -1;
    log_say(LOG_WARNING, "%s/%s is left where it is: %s", has_ended ? "cur" : "new", name, err->text);
    building->rebuild->left++;
    return 0;
}

static int next_batch(struct building *building, struct err *err)
{
    if (index_commit(&building->index, err) != 0)
        return -1;
    return index_begin(&building->index, err);
}

static DIR *open_list(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);

    if (list == NULL && fd >= 0)
        (void)close(fd);
    return list;
}

/* For the one who waits: what can't be counted shows in a moment. */
static size_t count_files(int folder)
{
    DIR *list = open_list(folder);
    const struct dirent *entry;
    size_t count = 0;

    if (list == NULL)
        return 0;
    while ((entry = readdir(list)) != NULL)
        count += entry->d_name[0] != '.';
    (void)closedir(list);
    return count;
}

static int add_folder(struct building *building, int folder, bool has_ended, struct err *err)
{
    DIR *list = open_list(folder);
    struct dirent *entry;
    int status = 0;

    if (list == NULL)
        return err_system(err, "reading %s in the spool", has_ended ? "cur/" : "new/");
    while (status == 0 && (errno = 0, entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        status = add_file(building, entry->d_name, has_ended, err);
        if (status == 0 && ++building->files % BATCH == 0)
            status = next_batch(building, err);
        if (building->rebuild->progress != NULL)
            building->rebuild->progress(building->rebuild->context, building->files, building->total);
    }
    if (status == 0 && errno != 0)
        status = err_system(err, "reading %s in the spool", has_ended ? "cur/" : "new/");
    (void)closedir(list);
    return status;
}

static int add_all(struct building *building, struct err *err)
{
    const struct spool *spool = building->rebuild->spool;

    if (building->rebuild->progress != NULL)
        building->total = count_files(spool->new) + count_files(spool->cur);
    if (index_begin(&building->index, err) != 0)
        return -1;
    if (add_folder(building, spool->new, false, err) == 0 && add_folder(building, spool->cur, true, err) == 0)
        return index_commit(&building->index, err);
    index_rollback(&building->index);
    return -1;
}

/* ---- its pauses ---- */

static int copy_pauses(struct building *building, struct index *old, struct err *err)
{
    if (index_begin(&building->index, err) != 0)
        return -1;
    if (ledger_copy_pauses(&building->index, old, &building->rebuild->paused, err) == 0)
        return index_commit(&building->index, err);
    index_rollback(&building->index);
    building->rebuild->paused = 0;
    return -1;
}

/* They are nobody's to end but the operator's, and stand nowhere else. The rest is worth having without them. */
static void keep_pauses(struct building *building)
{
    struct rebuild *rebuild = building->rebuild;
    const char *path = rebuild->config->index;
    struct index old = {0};
    struct err err = {0};

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return;
    if (index_open(&old, path, INDEX_READER, &err) != 0 || copy_pauses(building, &old, &err) != 0) {
        log_say(LOG_WARNING, "%s", err.text);
        rebuild->lost_pauses = true;
    }
    index_close(&old);
}

int rebuild_index(struct rebuild *rebuild, struct err *err)
{
    struct building building = {.rebuild = rebuild};
    char path[REBUILD_PATH_SIZE];
    int status;

    rebuild_drop(rebuild); /* of an earlier one that was interrupted */
    new_path(rebuild, "", path);
    if (index_open(&building.index, path, INDEX_PROCESSOR, err) != 0)
        return -1;
    status = add_all(&building, err);
    if (status == 0)
        keep_pauses(&building);
    index_close(&building.index); /* the last one to close leaves all in the one file */
    return status;
}

void rebuild_drop(const struct rebuild *rebuild)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[REBUILD_PATH_SIZE];

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        new_path(rebuild, ends[i], path);
        (void)unlink(path);
    }
}
