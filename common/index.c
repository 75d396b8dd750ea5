#include "common/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/index_busy.h"
#include "schema/schema.h"

enum { BUSY_PAUSE_MS = 5 };

/* ---- errors ---- */

static enum err_kind kind_of(int status)
{
    switch (status & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_CORRUPT: /* which no message is to suffer for: it can be made anew */
    case SQLITE_NOTADB:
        return ERR_TEMPORARY;
    default:
        return ERR_BUG;
    }
}

static int index_error(const struct index *index, int status, const char *doing, struct err *err)
{
    enum err_kind kind = kind_of(status);
    bool is_last = index->db != NULL && sqlite3_errcode(index->db) == (status & 0xFF);
    const char *reason = is_last ? sqlite3_errmsg(index->db) : sqlite3_errstr(status);
    const char *remedy = "";

    if ((status & 0xFF) == SQLITE_CORRUPT || (status & 0xFF) == SQLITE_NOTADB)
        remedy =
            "; the file is damaged: stop the processor and run mailmill reindex, which makes it anew from the spool";
    /* What was being done stands last, and but its first line: a statement may be longer than the whole text. */
    return err_set(err, kind, "index %s: %s%s (%.*s)", index->path, reason, remedy, (int)strcspn(doing, "\n"), doing);
}

static int execute(struct index *index, const char *sql, struct err *err)
{
    int status = sqlite3_exec(index->db, sql, NULL, NULL, NULL);

    return status == SQLITE_OK ? 0 : index_error(index, status, sql, err);
}

/* ---- opening ---- */

static int read_version(struct index *index, size_t *version, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = sqlite3_prepare_v2(index->db, "PRAGMA user_version", -1, &statement, NULL);

    if (status == SQLITE_OK)
        status = sqlite3_step(statement);
    *version = status == SQLITE_ROW ? (size_t)sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status == SQLITE_ROW ? 0 : index_error(index, status, "reading the schema's version", err);
}

/* Brings the schema up to date within one transaction, in which another process may have been quicker. */
static int migrate_locked(struct index *index, struct err *err)
{
    char pragma[64];
    size_t version;

    if (read_version(index, &version, err) != 0)
        return -1;
    if (version >= schema_migration_count)
        return 0;
    for (; version < schema_migration_count; version++)
        if (execute(index, schema_migrations[version], err) != 0)
            return -1;
    if (execute(index, schema_views, err) != 0)
        return -1;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %zu", schema_migration_count);
    return execute(index, pragma, err);
}

/* SQLite does not wait by itself here, where another process may be making the same new file at the same time. */
static int use_wal(struct index *index, struct err *err)
{
    static const char sql[] = "PRAGMA journal_mode = WAL";
    int64_t deadline_ms = clock_monotonic_ms() + INDEX_BUSY_MS;
    int status = sqlite3_exec(index->db, sql, NULL, NULL, NULL);

    while (status == SQLITE_BUSY && clock_monotonic_ms() < deadline_ms) {
        (void)sqlite3_sleep(BUSY_PAUSE_MS);
        status = sqlite3_exec(index->db, sql, NULL, NULL, NULL);
    }
    return status == SQLITE_OK ? 0 : index_error(index, status, sql, err);
}

static int migrate(struct index *index, struct err *err)
{
    /* Outside of a transaction, as SQLite wants it; the setting stays with the file. */
    if (use_wal(index, err) != 0 || execute(index, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (migrate_locked(index, err) == 0 && execute(index, "COMMIT", err) == 0)
        return 0;
    index_rollback(index);
    return -1;
}

static int check_version(struct index *index, enum index_access access, struct err *err)
{
    size_t version;

    if (read_version(index, &version, err) != 0)
        return -1;
    if (version > schema_migration_count)
        return err_set(err, ERR_PERMANENT,
                       "index %s has schema version %zu, made by a newer mailmill; this one knows %zu", index->path,
                       version, schema_migration_count);
    if (version == schema_migration_count)
        return 0;
    if (access == INDEX_READER && version == 0)
        return err_set(err, ERR_TEMPORARY, "index %s is only being made; try again in a moment", index->path);
    if (access == INDEX_READER)
        return err_set(err, ERR_PERMANENT,
                       "index %s has schema version %zu, this mailmill needs %zu: start mailmill-processor, which "
                       "brings it up to date",
                       index->path, version, schema_migration_count);
    return migrate(index, err);
}

/*
 * SQLite would make the file 0644; all users of the index are one group's, and each of them writes. A file that is
 * there is not opened: closing it would take away the locks that this process may hold on it by another connection.
 */
static int create_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

    if (fd >= 0)
        (void)close(fd);
    else if (errno != EEXIST || faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        return err_system(err, "index %s", path);
    return 0;
}

/*
 * One thread at a time, and nobody who asks what memory SQLite takes: else it counts each piece under a lock. To be
 * said before its first use; later it changes nothing.
 */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

void index_prepare(void)
{
    enum { PAGE_SIZE = 4096, HEADER_MAX = 512, PAGES = 128 };
    static alignas(max_align_t) char pages[PAGES][PAGE_SIZE + HEADER_MAX];
    int header_size = HEADER_MAX + 1;

    configure();
    /* It only saves time: an SQLite that does not have it, or is in use already, does without. */
    if (sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header_size) == SQLITE_OK && header_size <= HEADER_MAX)
        (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, pages, (int)sizeof pages[0], PAGES);
}

int index_open(struct index *index, const char *path, enum index_access access, struct err *err)
{
    static const char *const settings[] = {
        [INDEX_RECEIVER] = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY",
        /* One large transaction must not leave a log of its size for good. */
        [INDEX_PROCESSOR] = ("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; "
                             "PRAGMA journal_size_limit = 16777216"),
        [INDEX_READER] = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY",
    };
    int flags = access == INDEX_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int status;

    *index = (struct index){.path = path};
    configure();
    if (FAULT_ERRNO("index-open"))
        return err_system(err, "index %s", path);
    if (access != INDEX_READER && create_file(path, err) != 0)
        return -1;
    status = sqlite3_open_v2(path, &index->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (status != SQLITE_OK)
        index_error(index, status, "opening", err);
    else if (index_wait_at_most(index->db, INDEX_BUSY_MS) == SQLITE_OK &&
             execute(index, settings[access], err) == 0 && check_version(index, access, err) == 0 &&
             (access != INDEX_RECEIVER || index_wait_at_most(index->db, INDEX_RECEIVER_BUSY_MS) == SQLITE_OK))
        return 0;
    index_close(index);
    return -1;
}

void index_close(struct index *index)
{
    for (size_t i = 0; i < STATEMENT_COUNT && index->db != NULL; i++)
        sqlite3_finalize(index->statements[i]);
    if (index->gathers && index->wal >= 0)
        (void)close(index->wal);
    if (index->db != NULL)
        (void)sqlite3_close(index->db);
    *index = (struct index){0};
}

/* ---- queries ---- */

int query_start(struct query *query, struct index *index, enum statement statement, struct err *err)
{
    sqlite3_stmt **prepared = &index->statements[statement];

    *query = (struct query){.index = index};
    if (*prepared == NULL) {
        int status = sqlite3_prepare_v3(index->db, schema_statements[statement], -1, SQLITE_PREPARE_PERSISTENT,
                                        prepared, NULL);

        if (status != SQLITE_OK)
            return index_error(index, status, schema_statements[statement], err);
    }
    query->statement = *prepared;
    return 0;
}

static int parameter(const struct query *query, const char *name)
{
    return sqlite3_bind_parameter_index(query->statement, name);
}

static void note(struct query *query, int status)
{
    if (query->status == SQLITE_OK)
        query->status = status;
}

void query_text(struct query *query, const char *name, struct span text)
{
    /* A NULL pointer would bind NULL, not an empty text. */
    note(query, sqlite3_bind_text64(query->statement, parameter(query, name), text.size == 0 ? "" : text.data,
                                    text.size, SQLITE_STATIC, SQLITE_UTF8));
}

void query_blob(struct query *query, const char *name, struct span bytes)
{
    /* A NULL pointer would bind NULL, not an empty blob. */
    note(query, sqlite3_bind_blob64(query->statement, parameter(query, name), bytes.size == 0 ? "" : bytes.data,
                                    bytes.size, SQLITE_STATIC));
}

void query_number(struct query *query, const char *name, int64_t number)
{
    note(query, sqlite3_bind_int64(query->statement, parameter(query, name), number));
}

void query_null(struct query *query, const char *name)
{
    note(query, sqlite3_bind_null(query->statement, parameter(query, name)));
}

int query_next(struct query *query, struct err *err)
{
    int status = query->status == SQLITE_OK ? sqlite3_step(query->statement) : query->status;

    if (status == SQLITE_ROW)
        return 1;
    if (status != SQLITE_DONE)
        index_error(query->index, status, sqlite3_sql(query->statement), err);
    query_end(query);
    return status == SQLITE_DONE ? 0 : -1;
}

int query_run(struct query *query, struct err *err)
{
    int status;

    do
        status = query_next(query, err);
    while (status == 1);
    return status;
}

void query_end(struct query *query)
{
    if (query->statement == NULL)
        return;
    (void)sqlite3_reset(query->statement);
    (void)sqlite3_clear_bindings(query->statement);
    query->statement = NULL;
}

struct span query_column_text(struct query *query, int column)
{
    const void *bytes = sqlite3_column_blob(query->statement, column);
    int size = sqlite3_column_bytes(query->statement, column);

    return bytes == NULL ? (struct span){"", 0} : (struct span){bytes, (size_t)size};
}

int64_t query_column_number(struct query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

bool query_column_is_null(struct query *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

int index_changes(const struct index *index)
{
    return sqlite3_changes(index->db);
}

/* ---- messages ---- */

static int put_recipients(struct index *index, const struct envelope *envelope, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct query query;

        if (query_start(&query, index, STATEMENT_RECIPIENT_ADD, err) != 0)
            return -1;
        query_text(&query, ":message_id", span_text(envelope->id));
        query_number(&query, ":position", (int64_t)i + 1);
        query_text(&query, ":address", span_text(envelope->recipients[i].text));
        if (query_run(&query, err) != 0)
            return -1;
        FAULT_POINT("index-recipient-put");
    }
    return 0;
}

int index_put_message(struct index *index, const struct envelope *envelope, uint64_t size_bytes, struct err *err)
{
    struct query query;

    if (query_start(&query, index, STATEMENT_MESSAGE_ADD, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(envelope->id));
    query_number(&query, ":received_ms", envelope_received_ms(envelope));
    query_text(&query, ":sender", span_text(envelope->sender.text));
    query_text(&query, ":client_address", span_text(envelope->client_address));
    query_text(&query, ":client_helo", span_text(envelope->client_helo));
    query_text(&query, ":client_protocol", span_text(envelope->client_protocol));
    query_text(&query, ":tls", span_text(envelope->tls));
    query_number(&query, ":size_bytes", (int64_t)size_bytes);
    if (query_run(&query, err) != 0)
        return -1;
    /* Nothing changed: the message is there already, with its recipients. */
    return index_changes(index) == 0 ? 0 : put_recipients(index, envelope, err);
}

static int put_messages(struct index *index, const struct index_message *messages, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (index_put_message(index, messages[i].envelope, messages[i].size_bytes, err) != 0)
            return -1;
    return 0;
}

int index_add_messages(struct index *index, const struct index_message *messages, size_t count, struct err *err)
{
    if (FAULT_ERRNO("index-add"))
        return err_system(err, "index %s", index->path);
    if (index_begin(index, err) != 0)
        return -1;
    if (put_messages(index, messages, count, err) != 0) {
        index_rollback(index);
        return -1;
    }
    return index_commit(index, err);
}

int index_add_message(struct index *index, const struct envelope *envelope, uint64_t size_bytes, struct err *err)
{
    return index_add_messages(index, &(struct index_message){envelope, size_bytes}, 1, err);
}
