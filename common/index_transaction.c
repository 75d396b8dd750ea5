/* The index's transactions: alone, or gathered into a larger one. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/index.h"
#include "common/index_busy.h"

static int run(struct index *index, enum statement statement, struct err *err)
{
    struct query query;

    if (query_start(&query, index, statement, err) != 0)
        return -1;
    return query_run(&query, err);
}

static bool has_transaction(const struct index *index)
{
    return index->db != NULL && sqlite3_get_autocommit(index->db) == 0;
}

static void roll_back(struct index *index)
{
    /* Nothing to roll back is fine: SQLite does it by itself after some errors. */
    if (has_transaction(index))
        (void)sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
}

static int commit(struct index *index, struct err *err)
{
    FAULT_POINT("index-before-commit");
    if (run(index, STATEMENT_COMMIT, err) != 0) {
        roll_back(index);
        return -1;
    }
    FAULT_POINT("index-committed");
    return 0;
}

/* ---- gathered ---- */

/* After a full disk, for one, SQLite has rolled back all of it, and what comes next would be a transaction alone. */
static bool is_spoilt(struct index *index)
{
    index->is_spoilt = index->is_spoilt || (index->is_gathering && !has_transaction(index));
    return index->is_spoilt;
}

static int begin_step(struct index *index, struct err *err)
{
    if (is_spoilt(index))
        return err_set(err, ERR_TEMPORARY, "index %s: an earlier change failed, and this one waits for it",
                       index->path);
    if (!index->is_gathering && run(index, STATEMENT_BEGIN, err) != 0) {
        /* Whatever it was (a lock, mostly) has been waited for: not again and again before the loop goes on. */
        index->is_spoilt = true;
        return -1;
    }
    index->is_gathering = true;
    return run(index, STATEMENT_STEP_BEGIN, err);
}

static void undo_step(struct index *index)
{
    struct err err;

    if (is_spoilt(index))
        return;
    if (run(index, STATEMENT_STEP_UNDO, &err) != 0 || run(index, STATEMENT_STEP_KEEP, &err) != 0)
        index->is_spoilt = true;
}

/* SQLite flushes at each commit or at none, and can't be told within a transaction: this is what it would do. */
static int flush(const struct index *index, struct err *err)
{
    if (fdatasync(index->wal) == 0)
        return 0;
    err_system(err, "flushing index %s-wal", index->path);
    return 1;
}

static int open_wal(struct index *index, struct err *err)
{
    char path[4096 + sizeof "-wal"];
    int length = snprintf(path, sizeof path, "%s-wal", index->path);

    /* SQLite locks the other two files, never this one, so that closing it takes nobody's locks away. */
    index->wal = length > 0 && (size_t)length < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    return index->wal < 0 ? err_system(err, "index %s-wal", index->path) : 0;
}

int index_gather(struct index *index, struct err *err)
{
    int status;

    if (index_wait_at_most(index->db, INDEX_LOOP_BUSY_MS) != SQLITE_OK || open_wal(index, err) != 0)
        return -1;
    index->gathers = true;
    status = sqlite3_exec(index->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return status == SQLITE_OK ? 0 : err_set(err, ERR_TEMPORARY, "index %s: %s", index->path, sqlite3_errstr(status));
}

void index_must_last(struct index *index)
{
    index->must_last = true;
}

bool index_has_gathered(const struct index *index)
{
    return index->is_gathering || index->is_spoilt;
}

int index_settle(struct index *index, struct err *err)
{
    bool spoilt = is_spoilt(index);
    bool must_last = index->must_last;

    index->is_gathering = index->is_spoilt = index->must_last = false;
    if (!has_transaction(index) && !spoilt)
        return 0;
    if (!spoilt && !FAULT_ERRNO("index-settle")) {
        if (commit(index, err) != 0)
            return -1;
        return must_last ? flush(index, err) : 0;
    }
    roll_back(index);
    return spoilt ? err_set(err, ERR_TEMPORARY, "index %s: one of several changes failed", index->path)
                  : err_system(err, "index %s", index->path);
}

/* ---- alone, or a step of what is gathered ---- */

int index_begin(struct index *index, struct err *err)
{
    return index->gathers ? begin_step(index, err) : run(index, STATEMENT_BEGIN, err);
}

int index_commit(struct index *index, struct err *err)
{
    if (!index->gathers)
        return commit(index, err);
    if (!is_spoilt(index) && run(index, STATEMENT_STEP_KEEP, err) == 0)
        return 0;
    index->is_spoilt = true;
    return err_set(err, ERR_TEMPORARY, "index %s: the change was rolled back", index->path);
}

void index_rollback(struct index *index)
{
    if (index->gathers)
        undo_step(index);
    else
        roll_back(index);
}
