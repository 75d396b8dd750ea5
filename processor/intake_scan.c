/* Intake's look into new/: which files are messages, and a row for each that has none. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "processor/intake_step.h"

/* Names looked at in one transaction: others get their turn in between. */
enum { SCAN_BATCH = 500 };

/* ---- a message's file ---- */

/* Reads the trace block of an open file, and the file's size. */
static int read_envelope(int fd, struct envelope *envelope, uint64_t *size_bytes, struct err *err)
{
    static char head[ENVELOPE_TRACE_MAX];
    struct stat status;
    size_t trace_size;
    ssize_t size;

    if (fstat(fd, &status) != 0 || (size = pread(fd, head, sizeof head, 0)) < 0)
        return err_system(err, "reading a message's trace block");
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_PERMANENT, "it is not a regular file");
    *size_bytes = (uint64_t)status.st_size;
    return envelope_read_trace(envelope, (struct span){head, (size_t)size}, &trace_size, err);
}

int intake_open(const struct intake *intake, const char *id, struct envelope *envelope, uint64_t *size_bytes, int *fd,
                struct err *err)
{
    int file = spool_open_message(intake->spool, id, err);

    *envelope = (struct envelope){0};
    if (file < 0)
        return -1;
    if (read_envelope(file, envelope, size_bytes, err) != 0 ||
        (strcmp(envelope->id, id) != 0 &&
         err_set(err, ERR_PERMANENT, "its trace block names another message, %s", envelope->id) != 0)) {
        envelope_free(envelope);
        (void)close(file);
        return -1;
    }
    *fd = file;
    return 0;
}

void intake_leave(const char *name, const struct err *err)
{
    log_say(LOG_WARNING, "new/%s is left where it is: %s", name, err->text);
}

/* ---- rows for files that have none ---- */

int intake_has_row(struct index *index, const char *id, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_MESSAGE_IS_QUEUED, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

static int add_row(struct intake *intake, const char *name, struct err *err)
{
    struct envelope envelope;
    uint64_t size_bytes;
    int status;
    int fd;

    if (intake_open(intake, name, &envelope, &size_bytes, &fd, err) != 0) {
        /* One that we may not read does not keep the others waiting. */
        bool is_left = err->kind == ERR_PERMANENT || err->number == EACCES;

        if (is_left)
            intake_leave(name, err);
        return is_left ? 0 : -1;
    }
    (void)close(fd);
    status = index_put_message(intake->index, &envelope, size_bytes, err);
    envelope_free(&envelope);
    return status;
}

/* In a transaction of its own: a row with half of its recipients would be worse than none. */
int intake_add_row(struct intake *intake, const char *name, struct err *err)
{
    if (index_begin(intake->index, err) != 0)
        return -1;
    if (add_row(intake, name, err) == 0)
        return index_commit(intake->index, err);
    index_rollback(intake->index);
    return -1;
}

static int look_at(struct intake *intake, const char *name, struct err *err)
{
    struct err not_ours;
    int row;

    if (!id_is_valid(span_text(name))) {
        err_set(&not_ours, ERR_PERMANENT, "its name is not a message's ID");
        intake_leave(name, &not_ours);
        return 0;
    }
    row = intake_has_row(intake->index, name, err);
    if (row != 0)
        return row < 0 ? -1 : 0;
    return add_row(intake, name, err);
}

/* 1: there may be more; 0: that was all. */
static int look_at_some(struct intake *intake, struct err *err)
{
    for (int i = 0; i < SCAN_BATCH; i++) {
        const char *name = spool_walk_next(&intake->walk);

        if (name == NULL)
            return errno == 0 ? 0 : err_system(err, "reading %s/new", intake->spool->path);
        if (look_at(intake, name, err) != 0)
            return -1;
    }
    return 1;
}

static int scan_in_step(struct intake *intake, struct err *err)
{
    int status;

    if (index_begin(intake->index, err) != 0)
        return -1;
    status = look_at_some(intake, err);
    if (status >= 0)
        return index_commit(intake->index, err) == 0 ? status : -1;
    index_rollback(intake->index);
    return -1;
}

int intake_scan_some(struct intake *intake, struct err *err)
{
    int status;

    intake->has_backlog = intake->needs_scan = true;
    if (intake->walk.folder == NULL) {
        intake->scan_again = false;
        if (spool_walk_start(&intake->walk, intake->spool, err) != 0)
            return -1;
    }
    status = scan_in_step(intake, err);
    if (status != 1)
        spool_walk_end(&intake->walk);
    if (status == 0)
        intake->needs_scan = intake->scan_again;
    return status < 0 ? -1 : 0;
}

void intake_want_scan(struct intake *intake)
{
    /* One that is under way may be past what it is wanted for. */
    intake->has_backlog = intake->needs_scan = intake->scan_again = true;
}

int intake_scan(struct intake *intake, struct err *err)
{
    spool_walk_end(&intake->walk);
    do {
        if (intake_scan_some(intake, err) != 0)
            return -1;
    } while (intake->needs_scan);
    return 0;
}
