/*
 * The index: the SQLite database of messages, deliveries and attempts. Its schema and every statement live in
 * schema/; code names a statement by its enum and binds its parameters by name:
 *
 *     struct query query;
 *     if (query_start(&query, &index, STATEMENT_MESSAGE_BY_ID, &err) != 0) return -1;
 *     query_text(&query, ":id", span_text(id));
 *     while ((row = query_next(&query, &err)) == 1)
 *         query_column_text(&query, 0) ...
 *     query_end(&query);
 *
 * The file is in WAL mode, shared by users of one group: the umask of whoever creates it should leave 0660. All of a
 * process's indexes are for one of its threads at a time, which is for the caller to see to: SQLite is told to lock
 * nothing against the others. Statements are prepared when first used. Busy locks are waited for (INDEX_BUSY_MS, or
 * INDEX_RECEIVER_BUSY_MS), then reported as temporary errors.
 */
#ifndef COMMON_INDEX_H
#define COMMON_INDEX_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/envelope.h"
#include "common/err.h"
#include "statements.h" /* generated from schema/statements.sql: enum statement, STATEMENT_COUNT */

enum {
    INDEX_BUSY_MS = 10000,
    INDEX_LOOP_BUSY_MS = 2000,     /* from index_gather on: there is other work, and the lock may be free later */
    INDEX_RECEIVER_BUSY_MS = 1000, /* clients wait behind it, and what has no row yet gets one later */
};

enum index_access {
    INDEX_RECEIVER,  /* read and write, synchronous=NORMAL: the spool is the truth */
    INDEX_PROCESSOR, /* read and write, synchronous=FULL */
    INDEX_READER,    /* read only; the file must exist */
};

struct index {
    const char *path; /* borrowed */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];

    /* index_gather() */
    bool gathers;
    bool is_gathering; /* the larger transaction has begun */
    bool is_spoilt;    /* and can't be committed any more */
    bool must_last;    /* it is to survive a power cut */
    int wal;           /* a descriptor of the file to be flushed for that */
};

/*
 * For a process that keeps its index open, before it opens any: SQLite has room of its own for the pages that it
 * drops and reads again whenever another process has written.
 */
void index_prepare(void);

/*
 * Opens the database and, unless it is read only, creates it if missing and brings its schema up to date. A file made
 * by a newer mailmill is a permanent error; a damaged one a temporary one, whose text says how to make it anew.
 */
__attribute__((warn_unused_result)) int index_open(struct index *index, const char *path, enum index_access access,
                                                   struct err *err);
void index_close(struct index *index);

/* One transaction (BEGIN IMMEDIATE). A failed commit is rolled back. */
__attribute__((warn_unused_result)) int index_begin(struct index *index, struct err *err);
__attribute__((warn_unused_result)) int index_commit(struct index *index, struct err *err);
void index_rollback(struct index *index);

/*
 * From index_gather on, such a transaction is a step of a larger one, which the first step begins and index_settle
 * commits, so that many steps cost one flush of the disk:
 *
 *     index_gather(&index);
 *     for (;;) {
 *         ... steps, each by index_begin and index_commit or index_rollback, which undoes that step alone ...
 *         if (index_has_gathered(&index))
 *             index_settle(&index, &err)
 *         ... 0: all steps that were committed are made; -1: none of them was ...
 *     }
 *
 * What is committed survives the death of any process. Where one of the steps called index_must_last it survives a
 * power cut, too, which costs a flush of the disk; without, a power cut may take the latest transactions back, in
 * their order. That is 1 when the flush failed: it is made, and may not survive.
 *
 * A step that can't begin, or an error after which SQLite rolls back by itself, spoils the rest: steps fail at once
 * until index_settle, which fails too. Nothing is to be left gathered while waiting: others could not write.
 */
__attribute__((warn_unused_result)) int index_gather(struct index *index, struct err *err);
void index_must_last(struct index *index);
bool index_has_gathered(const struct index *index);
__attribute__((warn_unused_result)) int index_settle(struct index *index, struct err *err);

/* Rows changed by the last statement that changed any. */
int index_changes(const struct index *index);

/*
 * Adds a message and its recipients in one transaction; one that is there already is left as it is. `size` is the
 * spool file's, in bytes. Within a transaction of the caller's, index_put_message does the same.
 */
__attribute__((warn_unused_result)) int index_add_message(struct index *index, const struct envelope *envelope,
                                                          uint64_t size_bytes, struct err *err);
__attribute__((warn_unused_result)) int index_put_message(struct index *index, const struct envelope *envelope,
                                                          uint64_t size_bytes, struct err *err);

/* The same for several messages, all of them or none. */
struct index_message {
    const struct envelope *envelope;
    uint64_t size_bytes;
};
__attribute__((warn_unused_result)) int index_add_messages(struct index *index, const struct index_message *messages,
                                                           size_t count, struct err *err);

struct query {
    struct index *index;
    sqlite3_stmt *statement;
    int status; /* of the first bind that failed */
};

__attribute__((warn_unused_result)) int query_start(struct query *query, struct index *index,
                                                    enum statement statement, struct err *err);
/* Bind by name. The bytes must stay until query_end. A name that the statement lacks shows at the next step. */
void query_text(struct query *query, const char *name, struct span text);
void query_blob(struct query *query, const char *name, struct span bytes);
void query_number(struct query *query, const char *name, int64_t number);
void query_null(struct query *query, const char *name);
/* 1: a row is there; 0: no more, and the query has ended; -1: error, and the query has ended. */
__attribute__((warn_unused_result)) int query_next(struct query *query, struct err *err);
/* Runs a statement that gives no rows (any it gives are passed over), and ends it. */
__attribute__((warn_unused_result)) int query_run(struct query *query, struct err *err);
void query_end(struct query *query); /* harmless when it has ended */

/* Columns of the current row, from 0; text and blobs are borrowed until the next step. NULL reads as empty or 0. */
struct span query_column_text(struct query *query, int column);
int64_t query_column_number(struct query *query, int column);
bool query_column_is_null(struct query *query, int column);

#endif
