#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/index.h"
#include "common/index_busy.h"
#include "common/state.h"
#include "schema/schema.h"
#include "tests/unit/support.h"

static const int64_t received_ms = 1769903999123; /* 2026-01-31T23:59:59.123Z */

/* A folder with an index in it, open as the receiver's unless a test wants to open it by itself. */
struct bed {
    void *folder;
    char path[256];
    struct index index;
    struct err err;
};

static int make_folder(void **state)
{
    static struct bed bed;

    bed = (struct bed){.err = {.kind = ERR_NONE}};
    *state = &bed;
    if (support_make_folder(&bed.folder) != 0)
        return -1;
    snprintf(bed.path, sizeof bed.path, "%s", support_path(bed.folder, "index.db"));
    return 0;
}

static int make_index(void **state)
{
    struct bed *bed;

    if (make_folder(state) != 0)
        return -1;
    bed = *state;
    return index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err);
}

static int remove_folder(void **state)
{
    struct bed *bed = *state;

    index_close(&bed->index);
    return support_remove_folder(&bed->folder);
}

static void assert_ok(const struct bed *bed, int status)
{
    if (status != 0)
        fail_msg("%s", bed->err.text);
}

/* ---- SQL of the tests' own ---- */

static void execute(struct bed *bed, const char *sql)
{
    if (sqlite3_exec(bed->index.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(bed->index.db));
}

/* The first column of the first row, as text; borrowed until the next call; "(none)" without a row. */
static const char *text_of(sqlite3 *db, const char *sql)
{
    static char text[8192];
    sqlite3_stmt *statement = NULL;
    const unsigned char *column = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        column = sqlite3_column_text(statement, 0);
    snprintf(text, sizeof text, "%s", column == NULL ? "(none)" : (const char *)column);
    sqlite3_finalize(statement);
    return text;
}

static void assert_sql(struct bed *bed, const char *sql, const char *expected)
{
    assert_string_equal(text_of(bed->index.db, sql), expected);
}

/* ---- envelopes ---- */

static struct envelope envelope_of(uint64_t number, size_t recipients)
{
    struct envelope envelope = {.client_address = "192.0.2.1",
                                .client_helo = "client.example.org",
                                .client_protocol = "ESMTPS",
                                .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384"};
    struct err err = {0};

    id_make(received_ms, number, envelope.id);
    if (address_parse(&envelope.sender, SPAN("asker@example.org"), &err) != 0)
        abort();
    for (size_t i = 0; i < recipients; i++) {
        char text[64];
        struct address recipient;

        snprintf(text, sizeof text, "user%zu@example.com", i + 1);
        if (address_parse(&recipient, span_text(text), &err) != 0 ||
            envelope_add_recipient(&envelope, &recipient, &err) != 0)
            abort();
    }
    return envelope;
}

static int add_message(struct index *index, uint64_t number, size_t recipients, struct err *err)
{
    struct envelope envelope = envelope_of(number, recipients);
    int status = index_add_message(index, &envelope, 1234, err);

    envelope_free(&envelope);
    return status;
}

/* ---- opening ---- */

static void a_new_index_has_the_whole_schema(void **state)
{
    struct bed *bed = *state;
    char version[16];

    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    snprintf(version, sizeof version, "%zu", schema_migration_count);
    assert_sql(bed, "PRAGMA user_version", version);
    assert_sql(bed, "PRAGMA journal_mode", "wal");
    assert_sql(bed, "PRAGMA foreign_keys", "1");
    assert_sql(bed, "PRAGMA synchronous", "1");
    assert_sql(bed, "PRAGMA integrity_check", "ok");
    assert_sql(
        bed,
        "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name)",
        "attempt bucket delivery handler_state message on_dead_run recipient refusal rejection run_time store tally"
        " total");
    assert_sql(bed,
               "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND NOT strict"
               " AND name NOT LIKE 'sqlite%'",
               "0");
    index_close(&bed->index);
    index_close(&bed->index); /* once more is fine */
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_PROCESSOR, &bed->err));
    assert_sql(bed, "PRAGMA synchronous", "2");
    assert_sql(bed, "PRAGMA foreign_keys", "1");
}

static void reopening_keeps_what_is_there(void **state)
{
    struct bed *bed = *state;

    assert_ok(bed, add_message(&bed->index, 1, 2, &bed->err));
    for (int i = 0; i < 3; i++) {
        index_close(&bed->index);
        assert_ok(bed, index_open(&bed->index, bed->path, i == 1 ? INDEX_PROCESSOR : INDEX_RECEIVER, &bed->err));
    }
    assert_sql(bed, "SELECT count(*) FROM message", "1");
    assert_sql(bed, "SELECT count(*) FROM recipient", "2");
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

/* One group's, the files of WAL included, or the other users could not even read. */
static void the_files_are_the_groups(void **state)
{
    struct bed *bed = *state;
    mode_t before = umask(0007);

    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    (void)umask(before);
    assert_int_equal(mode_of(bed->path), 0660);
    assert_int_equal(mode_of(support_path(bed->folder, "index.db-wal")), 0660);
    assert_int_equal(mode_of(support_path(bed->folder, "index.db-shm")), 0660);
}

static void what_cannot_be_opened(void **state)
{
    struct bed *bed = *state;
    struct index index;

    assert_int_equal(index_open(&index, support_path(bed->folder, "no/index.db"), INDEX_RECEIVER, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_int_equal(bed->err.number, ENOENT);
    assert_non_null(strstr(bed->err.text, "no/index.db"));
    assert_null(index.db);
    assert_int_equal(index_open(&index, bed->folder, INDEX_RECEIVER, &bed->err), -1);
    assert_non_null(strstr(bed->err.text, bed->folder));
    assert_null(index.db);
    /* A reader makes no file. */
    assert_int_equal(index_open(&index, bed->path, INDEX_READER, &bed->err), -1);
    assert_non_null(strstr(bed->err.text, bed->path));
    assert_int_equal(access(bed->path, F_OK), -1);
}

static void an_index_of_a_newer_version_is_refused(void **state)
{
    static const enum index_access accesses[] = {INDEX_RECEIVER, INDEX_PROCESSOR, INDEX_READER};
    struct bed *bed = *state;

    execute(bed, "PRAGMA user_version = 99");
    index_close(&bed->index);
    for (size_t i = 0; i < sizeof accesses / sizeof accesses[0]; i++) {
        assert_int_equal(index_open(&bed->index, bed->path, accesses[i], &bed->err), -1);
        assert_int_equal(bed->err.kind, ERR_PERMANENT);
        assert_non_null(strstr(bed->err.text, "version 99, made by a newer mailmill"));
        assert_null(bed->index.db);
    }
}

/*
 * An index of the first version: a message for each state that a delivery can be in, one that is not queued yet, and
 * one that was kept; attempts that ended, and one that runs; rejections.
 */
static void make_first_version(const struct bed *bed)
{
    static const char fill_sql[] =
        "PRAGMA user_version = 1;"
        "CREATE TEMP TABLE one (n INTEGER, state TEXT);"
        "INSERT INTO one VALUES (1, 'pending'), (2, 'running'), (3, 'retry'), (4, 'done'), (5, 'dead'),"
        " (6, 'skipped'), (7, 'cancelled'), (8, NULL), (9, NULL);"
        "INSERT INTO message (id, received_ms, sender, client_address, client_helo, client_protocol, size_bytes,"
        " queued_ms, ended_ms)"
        " SELECT printf('%016d', n), n, '', '192.0.2.1', 'h', 'SMTP', 100 * n, iif(n = 8, NULL, n),"
        " iif(n > 3 AND n <> 8, 1000 + n, NULL) FROM one;"
        "INSERT INTO recipient SELECT id, 1, 'user@example.com' FROM message;"
        "INSERT INTO delivery (message_id, recipient, route, handler, position, state, due_ms, queued_ms, ended_ms,"
        " attempts)"
        " SELECT printf('%016d', n), 1, 'user@example.com', 'h', 1, state, iif(n IN (1, 3), 50 + n, NULL), n,"
        " iif(n > 3, 1000 + n, NULL), iif(n BETWEEN 2 AND 5, 1, 0) FROM one WHERE state IS NOT NULL;"
        "INSERT INTO attempt (delivery_id, number, started_ms, ended_ms, outcome)"
        " SELECT id, 1, 10, iif(state = 'running', NULL, 10 + 200), state FROM delivery WHERE attempts = 1;"
        "INSERT INTO rejection (rejected_ms, client_address, client_helo, sender, recipient, reply)"
        " VALUES (1, '192.0.2.1', 'h', '', 'no@example.com', '550 5.1.1 no'), (2, '192.0.2.1', 'h', '', '', '421 "
        "bye');";
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, schema_migrations[0], NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, fill_sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What counts the deliveries, the messages and the files, beside what they are. */
static void assert_counts_are_true(struct bed *bed)
{
    assert_sql(bed,
               "SELECT count(*) FROM (SELECT route, handler, state, count FROM tally WHERE count > 0 EXCEPT"
               " SELECT route, handler, state, count(*) FROM delivery GROUP BY route, handler, state)",
               "0");
    assert_sql(bed, "SELECT (SELECT sum(count) FROM tally) = (SELECT count(*) FROM delivery)", "1");
    assert_sql(bed, "SELECT (SELECT count FROM total WHERE name = 'message') = (SELECT count(*) FROM message)", "1");
    assert_sql(bed,
               "SELECT count(*) FROM (SELECT stored, files, bytes FROM store WHERE files > 0 EXCEPT"
               " SELECT stored, count(*), sum(size_bytes) FROM message GROUP BY stored)",
               "0");
    assert_sql(bed, "SELECT (SELECT sum(files) FROM store) = (SELECT count(stored) FROM message)", "1");
}

static void an_old_index_is_brought_up_to_date(void **state)
{
    struct bed *bed = *state;

    make_first_version(bed);
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_PROCESSOR, &bed->err));
    assert_counts_are_true(bed);
    assert_sql(bed,
               "SELECT group_concat(state || coalesce(due_ms, '') || ':' || held_ms || on_dead_tries, ' ')"
               " FROM (SELECT * FROM delivery WHERE state IN ('pending', 'running', 'retry') ORDER BY id)",
               "pending51:00 running:00 retry53:00");
    /* Files are what their deliveries made of them; nobody is told of what was dead before anybody could be. */
    assert_sql(bed, "SELECT group_concat(coalesce(stored, '-'), ' ') FROM (SELECT stored FROM message ORDER BY id)",
               "- - - done dead done done - kept");
    assert_sql(bed, "SELECT count(*) FROM delivery WHERE on_dead_ms IS NOT NULL", "0");
    assert_sql(bed, "SELECT count(*) FROM pauses", "0");
    /* What is counted for good begins with what is known. */
    assert_sql(bed, "SELECT count FROM total WHERE name = 'received'", "9");
    assert_sql(bed, "SELECT group_concat(reason || '=' || count, ' ') FROM refusal", "421=1 550 5.1.1=1");
    assert_sql(bed,
               "SELECT group_concat(outcome || bound_ms || '=' || count || ':' || total_ms, ' ') FROM"
               " (SELECT * FROM run_time ORDER BY outcome)",
               "dead500=1:200 done500=1:200 retry500=1:200");
}

/* The counts go on from there, whatever happens to the old rows. */
static void old_rows_are_counted_on(void **state)
{
    struct bed *bed = *state;

    make_first_version(bed);
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_PROCESSOR, &bed->err));
    execute(bed,
            "UPDATE delivery SET state = 'done', ended_ms = 2000 WHERE state IN ('pending', 'running', 'retry')");
    execute(bed, "UPDATE attempt SET ended_ms = 30, outcome = 'done' WHERE ended_ms IS NULL");
    execute(bed, "UPDATE message SET stored = 'done', ended_ms = 2000 WHERE ended_ms IS NULL");
    assert_counts_are_true(bed);
    execute(bed, "UPDATE message SET stored = NULL, gone_ms = 3000 WHERE stored = 'dead'");
    assert_counts_are_true(bed);
    execute(bed, "DELETE FROM message WHERE gone_ms IS NOT NULL OR id < '0000000000000003'");
    assert_counts_are_true(bed);
    assert_sql(bed, "SELECT count(*) FROM delivery", "4");
    assert_sql(bed, "SELECT count FROM total WHERE name = 'received'", "9");
    assert_sql(bed, "SELECT sum(count) FROM run_time", "4");
}

static void a_reader_does_not_migrate(void **state)
{
    struct bed *bed = *state;
    int fd = open(bed->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(index_open(&bed->index, bed->path, INDEX_READER, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(bed->err.text, "only being made"));
    /* An empty file is brought up to date by those who may. */
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    execute(bed, "PRAGMA user_version = 1");
    index_close(&bed->index);
    assert_int_equal(index_open(&bed->index, bed->path, INDEX_READER, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_PERMANENT);
    assert_non_null(strstr(bed->err.text, "start mailmill-processor"));
}

static void a_reader_reads_and_does_not_write(void **state)
{
    struct bed *bed = *state;
    struct index reader;

    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    assert_ok(bed, index_open(&reader, bed->path, INDEX_READER, &bed->err));
    assert_string_equal(text_of(reader.db, "SELECT sender FROM message"), "asker@example.org");
    assert_int_equal(add_message(&reader, 2, 1, &bed->err), -1);
    assert_sql(bed, "SELECT count(*) FROM message", "1");
    /* The receiver is not kept waiting by one who reads. */
    assert_int_equal(sqlite3_exec(reader.db, "BEGIN; SELECT count(*) FROM message", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(bed, add_message(&bed->index, 2, 1, &bed->err));
    assert_string_equal(text_of(reader.db, "SELECT count(*) FROM message"), "1");
    assert_int_equal(sqlite3_exec(reader.db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_string_equal(text_of(reader.db, "SELECT count(*) FROM message"), "2");
    index_close(&reader);
}

/* ---- damage ---- */

/* Writes `size` bytes of nonsense at `offset` of the closed index. */
static void scribble(const struct bed *bed, off_t offset, size_t size)
{
    static char nonsense[512 * 1024];
    int fd = open(bed->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && size <= sizeof nonsense);
    memset(nonsense, 0xA5, size);
    assert_int_equal(pwrite(fd, nonsense, size, offset), size);
    assert_int_equal(close(fd), 0);
}

static void assert_damaged(const struct bed *bed)
{
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(bed->err.text, bed->path));
    assert_non_null(strstr(bed->err.text, "run mailmill reindex, which makes it anew from the spool"));
    assert_null(strchr(bed->err.text, '\n'));
}

static void a_file_that_is_no_database(void **state)
{
    struct bed *bed = *state;

    scribble(bed, 0, 20000);
    assert_int_equal(index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err), -1);
    assert_damaged(bed);
    assert_non_null(strstr(bed->err.text, "not a database"));
    assert_null(bed->index.db);
    assert_int_equal(index_open(&bed->index, bed->path, INDEX_READER, &bed->err), -1);
    assert_damaged(bed);
}

/* Found out late, by a statement: whatever its length, the text keeps the reason and the remedy. */
static void a_database_damaged_inside(void **state)
{
    struct bed *bed = *state;
    struct query query;
    struct stat status;

    for (uint64_t i = 0; i < 50; i++)
        assert_ok(bed, add_message(&bed->index, i, 3, &bed->err));
    index_close(&bed->index); /* the last one to close leaves all in the one file */
    assert_int_equal(stat(bed->path, &status), 0);
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    scribble(bed, 4096, (size_t)status.st_size - 4096);
    assert_int_equal(add_message(&bed->index, 1000, 1, &bed->err), -1);
    assert_damaged(bed);
    index_rollback(&bed->index);
    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_DELIVERY_LOAD, &bed->err));
    assert_true(strlen(schema_statements[STATEMENT_DELIVERY_LOAD]) > ERR_TEXT_SIZE);
    query_number(&query, ":id", 1);
    assert_int_equal(query_run(&query, &bed->err), -1);
    assert_damaged(bed);
}

/* ---- several at once ---- */

/* What one of several processes does: waits until the gate is closed for all of them, opens, adds a message. */
struct opener {
    const char *path;
    int gate[2];
    uint64_t number;
};

static int open_at_once(void *context)
{
    struct opener *opener = context;
    struct index index;
    struct err err = {0};
    char byte;

    (void)close(opener->gate[1]);
    if (read(opener->gate[0], &byte, 1) != 0)
        return 1;
    if (index_open(&index, opener->path, opener->number % 2 == 0 ? INDEX_RECEIVER : INDEX_PROCESSOR, &err) != 0 ||
        add_message(&index, opener->number, 2, &err) != 0) {
        dprintf(STDERR_FILENO, "%s\n", err.text);
        return 2;
    }
    index_close(&index);
    return 0;
}

static void open_new_index_at_once(struct bed *bed)
{
    enum { OPENERS = 4 };
    struct opener opener = {.path = bed->path};
    pid_t children[OPENERS];

    assert_int_equal(pipe2(opener.gate, O_CLOEXEC), 0);
    for (size_t i = 0; i < OPENERS; i++) {
        opener.number = i;
        children[i] = support_start_child(open_at_once, &opener);
    }
    (void)close(opener.gate[0]);
    (void)close(opener.gate[1]);
    for (size_t i = 0; i < OPENERS; i++)
        assert_true(support_exited(support_wait_child(children[i]), 0));
}

static void processes_make_one_index_together(void **state)
{
    struct bed *bed = *state;
    int rounds = support_under_valgrind() ? 2 : 10;

    for (int i = 0; i < rounds; i++) {
        open_new_index_at_once(bed);
        assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
        assert_sql(bed, "SELECT count(*) FROM message", "4");
        assert_sql(bed, "SELECT count(*) FROM recipient", "8");
        assert_sql(bed, "PRAGMA journal_mode", "wal");
        assert_sql(bed, "PRAGMA integrity_check", "ok");
        index_close(&bed->index);
        assert_int_equal(unlink(bed->path), 0);
    }
}

struct holder {
    const char *path;
    int ready[2];
};

static int hold_new_file(void *context)
{
    enum { HELD_MS = 200, BUSY_MS = 10000 };
    struct holder *holder = context;
    sqlite3 *db = NULL;

    if (sqlite3_open(holder->path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK || write(holder->ready[1], "", 1) != 1)
        return 1;
    (void)sqlite3_sleep(HELD_MS);
    /* Its first page is written now, for which the one who waits may have to let go in turn. */
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK ? 0 : 2;
}

/* The step that SQLite's own waiting leaves out: the other process has a lock before the file is in WAL mode. */
static void a_new_file_that_is_locked_is_waited_for(void **state)
{
    struct bed *bed = *state;
    struct holder holder = {.path = bed->path};
    pid_t child;
    char byte;

    assert_int_equal(pipe2(holder.ready, O_CLOEXEC), 0);
    child = support_start_child(hold_new_file, &holder);
    assert_int_equal(read(holder.ready[0], &byte, 1), 1);
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    assert_true(support_exited(support_wait_child(child), 0));
    assert_sql(bed, "PRAGMA journal_mode", "wal");
    (void)close(holder.ready[0]);
    (void)close(holder.ready[1]);
}

static void a_busy_lock_is_temporary(void **state)
{
    struct bed *bed = *state;
    struct index second;

    assert_ok(bed, index_open(&second, bed->path, INDEX_PROCESSOR, &bed->err));
    assert_int_equal(sqlite3_busy_timeout(second.db, 1), SQLITE_OK);
    assert_ok(bed, index_begin(&bed->index, &bed->err));
    assert_int_equal(index_begin(&second, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(bed->err.text, "locked"));
    assert_int_equal(add_message(&second, 1, 1, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_TEMPORARY);
    assert_ok(bed, index_commit(&bed->index, &bed->err));
    assert_ok(bed, add_message(&second, 1, 1, &bed->err));
    index_close(&second);
}

struct intruder {
    const char *path;
    int gate[2];
};

/* Only a process that has the database to itself can take it out of WAL mode. */
static int take_out_of_wal(void *context)
{
    struct intruder *intruder = context;
    sqlite3 *db = NULL;
    char byte;
    int status;

    (void)close(intruder->gate[1]);
    if (read(intruder->gate[0], &byte, 1) != 0 || sqlite3_open(intruder->path, &db) != SQLITE_OK)
        return 1;
    status = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    (void)sqlite3_close(db);
    return status == SQLITE_BUSY ? 0 : 2;
}

/* Sooner than SQLite would look again, and in all as long as was asked for. */
static void a_lock_is_waited_for_in_small_steps(void **state)
{
    static const int totals_ms[] = {INDEX_BUSY_MS, INDEX_LOOP_BUSY_MS, INDEX_RECEIVER_BUSY_MS, 1};

    (void)state;
    assert_in_range(index_busy_pause_us(0, INDEX_BUSY_MS), 1, 100);
    assert_in_range(index_busy_pause_us(1000, INDEX_BUSY_MS), 0, 0);
    assert_in_range(index_busy_pause_us(0, 0), 0, 0);
    for (size_t i = 0; i < sizeof totals_ms / sizeof totals_ms[0]; i++) {
        int left_us = totals_ms[i] * 1000;
        int count = 0;

        for (int pause_us; (pause_us = index_busy_pause_us(count, totals_ms[i])) > 0; count++)
            left_us -= pause_us;
        assert_int_equal(left_us, 0);
        assert_in_range(count, 2, 16 + totals_ms[i] / 50); /* and the more seldom, the longer it lasts */
        assert_int_equal(index_busy_pause_us(INT_MAX, totals_ms[i]), 0);
    }
}

static void a_lock_is_waited_for_no_longer(void **state)
{
    enum { PATIENCE_MS = 60 };
    struct bed *bed = *state;
    struct index second;
    int64_t began_ms;

    assert_ok(bed, index_open(&second, bed->path, INDEX_PROCESSOR, &bed->err));
    assert_int_equal(index_wait_at_most(second.db, PATIENCE_MS), SQLITE_OK);
    assert_ok(bed, index_begin(&bed->index, &bed->err));
    began_ms = clock_monotonic_ms();
    assert_int_equal(index_begin(&second, &bed->err), -1);
    assert_in_range(clock_monotonic_ms() - began_ms, PATIENCE_MS - 1, 20 * PATIENCE_MS);
    index_rollback(&bed->index);
    assert_ok(bed, index_begin(&second, &bed->err));
    index_close(&second);
}

/*
 * POSIX drops all of a process's locks on a file when the process closes any descriptor of it: opening an index must
 * not open the file behind SQLite's back, where a connection may hold locks on it.
 */
static void opening_twice_keeps_the_locks(void **state)
{
    struct bed *bed = *state;
    struct intruder intruder = {.path = bed->path};
    struct index second;
    pid_t child;

    assert_int_equal(pipe2(intruder.gate, O_CLOEXEC), 0);
    child =
        support_start_child(take_out_of_wal, &intruder); /* before SQLite is used: it must not go through a fork */
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    assert_ok(bed, index_open(&second, bed->path, INDEX_RECEIVER, &bed->err));
    (void)close(intruder.gate[0]);
    (void)close(intruder.gate[1]);
    assert_true(support_exited(support_wait_child(child), 0));
    assert_ok(bed, add_message(&second, 2, 1, &bed->err));
    index_close(&second);
    assert_sql(bed, "PRAGMA integrity_check", "ok");
}

/* ---- messages ---- */

static void a_message_is_kept_whole(void **state)
{
    struct bed *bed = *state;

    assert_ok(bed, add_message(&bed->index, 0x123456789, 3, &bed->err));
    assert_sql(
        bed,
        "SELECT concat_all FROM (SELECT id || ' ' || received_ms || ' ' || sender || ' ' || client_address || ' '"
        " || client_helo || ' ' || client_protocol || ' ' || tls || ' ' || size_bytes AS concat_all FROM message)",
        "1KGB7ZJ4K4HMASW9 1769903999123 asker@example.org 192.0.2.1 client.example.org ESMTPS"
        " TLSv1.3 TLS_AES_256_GCM_SHA384 1234");
    assert_sql(bed,
               "SELECT group_concat(position || '=' || address) FROM (SELECT * FROM recipient ORDER BY position)",
               "1=user1@example.com,2=user2@example.com,3=user3@example.com");
    assert_sql(bed, "SELECT count(*) FROM message WHERE queued_ms IS NULL AND ended_ms IS NULL AND subject IS NULL",
               "1");
}

static void the_null_sender_is_an_empty_text(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = envelope_of(1, 1);

    envelope.sender = (struct address){0};
    envelope.tls[0] = '\0';
    assert_ok(bed, index_add_message(&bed->index, &envelope, 0, &bed->err));
    assert_sql(bed, "SELECT typeof(sender) || ',' || sender || ',' || typeof(tls) || ',' || tls FROM message",
               "text,,text,");
    envelope_free(&envelope);
}

static void a_message_twice_is_one(void **state)
{
    struct bed *bed = *state;

    assert_ok(bed, add_message(&bed->index, 1, 2, &bed->err));
    execute(bed, "UPDATE message SET queued_ms = 5, subject = 'kept'");
    assert_ok(bed, add_message(&bed->index, 1, 2, &bed->err));
    assert_ok(bed, add_message(&bed->index, 1, 4, &bed->err)); /* not even when it says something else */
    assert_sql(bed, "SELECT count(*) || queued_ms || subject FROM message", "15kept");
    assert_sql(bed, "SELECT count(*) FROM recipient", "2");
}

static void a_thousand_recipients(void **state)
{
    struct bed *bed = *state;

    assert_ok(bed, add_message(&bed->index, 1, ENVELOPE_RECIPIENTS_MAX, &bed->err));
    assert_sql(bed, "SELECT count(*) || ' ' || max(position) FROM recipient", "1000 1000");
    execute(bed, "DELETE FROM message");
    assert_sql(bed, "SELECT count(*) FROM recipient", "0"); /* they go with it */
}

/* ---- transactions ---- */

static void a_transaction_is_all_or_nothing(void **state)
{
    struct bed *bed = *state;
    struct envelope one = envelope_of(1, 1);
    struct envelope two = envelope_of(2, 1);

    assert_ok(bed, index_begin(&bed->index, &bed->err));
    assert_ok(bed, index_put_message(&bed->index, &one, 1, &bed->err));
    index_rollback(&bed->index);
    assert_sql(bed, "SELECT count(*) FROM message", "0");
    assert_ok(bed, index_begin(&bed->index, &bed->err));
    assert_ok(bed, index_put_message(&bed->index, &one, 1, &bed->err));
    assert_ok(bed, index_put_message(&bed->index, &two, 1, &bed->err));
    assert_ok(bed, index_commit(&bed->index, &bed->err));
    index_rollback(&bed->index); /* nothing to roll back is fine */
    assert_sql(bed, "SELECT count(*) FROM message", "2");
    envelope_free(&one);
    envelope_free(&two);
}

static void a_transaction_out_of_turn_is_a_bug(void **state)
{
    struct bed *bed = *state;
    struct index closed = {0};

    assert_int_equal(index_commit(&bed->index, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_BUG);
    assert_ok(bed, index_begin(&bed->index, &bed->err));
    assert_int_equal(index_begin(&bed->index, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_BUG);
    index_rollback(&bed->index);
    index_rollback(&closed);
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
}

/* Whatever failed, the index is ready for the next transaction. */
static void a_failure_leaves_no_transaction_open(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = envelope_of(1, 1);

    envelope.id[ID_LENGTH - 1] = '\0'; /* the schema knows how long an ID is */
    assert_int_equal(index_add_message(&bed->index, &envelope, 1, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_BUG);
    envelope_free(&envelope);
    assert_ok(bed, index_begin(&bed->index, &bed->err));
    execute(bed, "PRAGMA defer_foreign_keys = ON");
    execute(bed, "INSERT INTO recipient VALUES ('no such message', 1, 'a@example.com')");
    assert_int_equal(index_commit(&bed->index, &bed->err), -1);
    assert_non_null(strstr(bed->err.text, "FOREIGN KEY"));
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    assert_sql(bed, "SELECT count(*) FROM recipient", "1");
}

/* What was begun and not committed is gone when the process is. */
static void closing_rolls_back(void **state)
{
    struct bed *bed = *state;
    struct envelope envelope = envelope_of(1, 1);

    assert_ok(bed, index_begin(&bed->index, &bed->err));
    assert_ok(bed, index_put_message(&bed->index, &envelope, 1, &bed->err));
    index_close(&bed->index);
    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_RECEIVER, &bed->err));
    assert_sql(bed, "SELECT count(*) FROM message", "0");
    envelope_free(&envelope);
}

/* ---- queries ---- */

static void changes_are_counted(void **state)
{
    struct bed *bed = *state;
    struct query query;

    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    for (int changes = 1; changes >= 0; changes--) {
        char id[ID_SIZE];

        id_make(received_ms, changes == 1 ? 1 : 2, id);
        assert_ok(bed, query_start(&query, &bed->index, STATEMENT_MESSAGE_SET_QUEUED, &bed->err));
        query_text(&query, ":id", span_text(id));
        query_number(&query, ":now", INT64_MAX);
        assert_ok(bed, query_run(&query, &bed->err));
        assert_int_equal(index_changes(&bed->index), changes);
    }
    assert_sql(bed, "SELECT queued_ms FROM message", "9223372036854775807");
}

/* Its time stays NULL, so that it can be set again. */
static void set_headers(struct bed *bed, struct span subject)
{
    static const char *const others[] = {":from",       ":to",         ":date",    ":reply_to",
                                         ":message_id", ":references", ":list_id", ":no_reply"};
    struct query query;
    char id[ID_SIZE];

    id_make(received_ms, 1, id);
    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_MESSAGE_QUEUE, &bed->err));
    query_text(&query, ":id", span_text(id));
    query_text(&query, ":subject", subject);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        query_null(&query, others[i]);
    assert_ok(bed, query_run(&query, &bed->err));
}

/* An empty span is an empty text, whether it has a pointer or not; NULL is said by query_null(). */
static void texts_are_kept_byte_for_byte(void **state)
{
    struct bed *bed = *state;

    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    set_headers(bed, SPAN("Gr\xC3\xBC\xC3\x9F"
                          "e\0hidden"));
    assert_sql(bed, "SELECT hex(CAST(subject AS BLOB)) FROM message", "4772C3BCC39F650068696464656E");
    assert_sql(bed, "SELECT header_from IS NULL FROM message", "1");
    set_headers(bed, SPAN(""));
    assert_sql(bed, "SELECT typeof(subject) FROM message", "text");
    set_headers(bed, (struct span){NULL, 0});
    assert_sql(bed, "SELECT typeof(subject) FROM message", "text");
}

static void a_name_that_the_statement_lacks(void **state)
{
    struct bed *bed = *state;
    struct query query;

    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_MESSAGE_SET_QUEUED, &bed->err));
    query_number(&query, ":now", 1);
    query_text(&query, ":message", SPAN("x"));
    query_text(&query, ":id", SPAN("x")); /* a later success does not hide it */
    assert_int_equal(query_run(&query, &bed->err), -1);
    assert_int_equal(bed->err.kind, ERR_BUG);
    query_end(&query); /* harmless when it has ended */
    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_MESSAGE_SET_QUEUED, &bed->err));
    query_number(&query, ":now", 1);
    query_text(&query, ":id", SPAN("x"));
    assert_ok(bed, query_run(&query, &bed->err));
}

static void rows_come_one_after_the_other(void **state)
{
    struct bed *bed = *state;
    struct query query;
    char id[ID_SIZE];

    assert_ok(bed, add_message(&bed->index, 1, 3, &bed->err));
    id_make(received_ms, 1, id);
    for (int round = 0; round < 2; round++) {
        assert_ok(bed, query_start(&query, &bed->index, STATEMENT_RECIPIENT_LIST, &bed->err));
        query_text(&query, ":message_id", span_text(id));
        for (int64_t row = 1; row <= 3; row++) {
            char address[64];

            assert_int_equal(query_next(&query, &bed->err), 1);
            snprintf(address, sizeof address, "user%d@example.com", (int)row);
            assert_int_equal(query_column_number(&query, 0), row);
            assert_true(span_equal(query_column_text(&query, 1), span_text(address)));
            assert_false(query_column_is_null(&query, 1));
            if (round == 0 && row == 2)
                break; /* the next round starts the same statement anew */
        }
        if (round == 1)
            assert_int_equal(query_next(&query, &bed->err), 0);
        query_end(&query);
        query_end(&query);
    }
    /* What was bound before is not bound any more. */
    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_RECIPIENT_LIST, &bed->err));
    assert_int_equal(query_next(&query, &bed->err), 0);
}

static void null_reads_as_empty(void **state)
{
    struct bed *bed = *state;
    struct query query;

    assert_ok(bed, query_start(&query, &bed->index, STATEMENT_HANDLER_WAITS, &bed->err));
    query_text(&query, ":route", SPAN("x"));
    query_text(&query, ":handler", SPAN("x"));
    assert_int_equal(query_next(&query, &bed->err), 1);
    assert_true(query_column_is_null(&query, 0));
    assert_int_equal(query_column_number(&query, 0), 0);
    assert_int_equal(query_column_text(&query, 0).size, 0);
    assert_non_null(query_column_text(&query, 0).data);
    query_end(&query);
}

/* ---- the schema ---- */

static void every_statement_is_one_and_prepares(void **state)
{
    struct bed *bed = *state;

    for (enum statement i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_stmt *statement = NULL;
        struct query query;
        const char *tail = "";

        assert_ok(bed, query_start(&query, &bed->index, i, &bed->err));
        query_end(&query);
        assert_int_equal(sqlite3_prepare_v2(bed->index.db, schema_statements[i], -1, &statement, &tail), SQLITE_OK);
        sqlite3_finalize(statement);
        assert_int_equal(tail[strspn(tail, " \n")], '\0');
    }
}

/* The documented interface: these columns stay, in this order. */
static const struct {
    const char *view;
    const char *columns;
} views[] = {
    {"daily", "day route handler deliveries done dead"},
    {"failures", "time message sender recipient subject route handler state attempts detail stderr"},
    {"handlers", "route handler deliveries done waiting dead attempts last_ended"},
    {"history", "time message sender recipient subject route handler attempt outcome exit_code signal seconds detail"
                " stdout stderr"},
    {"on_dead_runs",
     "time message sender recipient subject route handler reason run outcome exit_code signal seconds "
     "detail stdout stderr"},
    {"pauses", "route handler paused_by since until failures reason"},
    {"pending", "message sender recipient subject route handler state attempts received due detail"},
    {"rejections", "time client_address client_helo sender recipient reply"},
};

static void every_view_has_its_columns(void **state)
{
    struct bed *bed = *state;
    char names[256] = "";
    struct buf all = buf_over(names, sizeof names);

    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char sql[128];

        snprintf(sql, sizeof sql, "SELECT * FROM %s", views[i].view);
        execute(bed, sql);
        snprintf(sql, sizeof sql, "SELECT group_concat(name, ' ') FROM pragma_table_info('%s')", views[i].view);
        assert_sql(bed, sql, views[i].columns);
        buf_printf(&all, "%s%s", i == 0 ? "" : " ", views[i].view);
    }
    assert_sql(bed,
               "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema WHERE type = 'view'"
               " ORDER BY name)",
               names);
}

static void the_states_are_those_of_the_code(void **state)
{
    struct bed *bed = *state;
    char words[256];
    struct buf list = buf_over(words, sizeof words);

    for (enum state s = STATE_PENDING; s < STATE_COUNT; s++)
        buf_printf(&list, "%s'%s'", s == STATE_PENDING ? "(" : ", ", state_word(s));
    buf_put_text(&list, ")");
    assert_non_null(strstr(text_of(bed->index.db, "SELECT sql FROM sqlite_schema WHERE name = 'delivery'"), words));
    assert_non_null(strstr(text_of(bed->index.db, "SELECT sql FROM sqlite_schema WHERE name = 'attempt'"), words));
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    for (enum state s = STATE_PENDING; s <= STATE_COUNT; s++) {
        char sql[256];
        int expected = s < STATE_COUNT ? SQLITE_OK : SQLITE_CONSTRAINT;

        snprintf(sql, sizeof sql,
                 "INSERT INTO delivery (message_id, recipient, route, handler, position, state, queued_ms)"
                 " SELECT id, 1, 'r', '%d', 1, '%s', 0 FROM message",
                 (int)s, state_word(s));
        assert_int_equal(sqlite3_exec(bed->index.db, sql, NULL, NULL, NULL), expected);
    }
}

/* A message with a delivery that is done and one that will be tried again. */
static void fill(struct bed *bed)
{
    assert_ok(bed, add_message(&bed->index, 1, 1, &bed->err));
    execute(bed, "UPDATE message SET subject = 'Question'");
    execute(bed,
            "INSERT INTO delivery (message_id, recipient, route, handler, position, state, due_ms, queued_ms,"
            " ended_ms, attempts, detail)"
            " SELECT id, 1, 'user1@example.com', 'answer', 1, 'done', NULL, received_ms, received_ms + 1877, 1, ''"
            " FROM message UNION ALL"
            " SELECT id, 1, 'user1@example.com', 'tell', 2, 'retry', received_ms + 60000, received_ms, NULL, 2,"
            " 'exit 75' FROM message");
    execute(bed, "INSERT INTO attempt (delivery_id, number, started_ms, ended_ms, outcome, exit_code, stdout, stderr)"
                 " SELECT id, attempts, queued_ms, queued_ms + 1500, state, iif(state = 'done', 0, 75), x'6F6B',"
                 " x'6F6F7073' FROM delivery");
    execute(bed, "INSERT INTO rejection (rejected_ms, client_address, client_helo, sender, recipient, reply)"
                 " VALUES (0, '198.51.100.7', 'x', '', 'nobody@example.com', '550 5.1.1 no such address')");
}

static void the_views_tell_what_happened(void **state)
{
    struct bed *bed = *state;

    fill(bed);
    assert_sql(bed, "SELECT count(*) FROM history", "2");
    assert_sql(bed,
               "SELECT time || ' ' || recipient || ' ' || subject || ' ' || attempt || ' ' || outcome || ' ' ||"
               " exit_code || ' ' || seconds || ' ' || stdout || ' ' || stderr FROM history WHERE handler = 'answer'",
               "2026-01-31T23:59:59.123Z user1@example.com Question 1 done 0 1.5 ok oops");
    assert_sql(bed, "SELECT typeof(stdout) FROM history", "text");
    assert_sql(bed,
               "SELECT handler || ' ' || state || ' ' || attempts || ' ' || received || ' ' || due || ' ' || detail"
               " FROM pending",
               "tell retry 2 2026-01-31T23:59:59.123Z 2026-02-01T00:00:59.123Z exit 75");
    assert_sql(bed, "SELECT time || ' ' || handler || ' ' || detail || ' ' || stderr FROM failures",
               "2026-02-01T00:00:00.623Z tell exit 75 oops");
    assert_sql(bed, "SELECT time || ' ' || client_address || ' ' || reply FROM rejections",
               "1970-01-01T00:00:00.000Z 198.51.100.7 550 5.1.1 no such address");
    assert_sql(bed,
               "SELECT deliveries || ' ' || done || ' ' || waiting || ' ' || dead || ' ' || attempts || ' ' ||"
               " last_ended FROM handlers WHERE handler = 'answer'",
               "1 1 0 0 1 2026-02-01T00:00:01.000Z");
    assert_sql(bed, "SELECT day || ' ' || deliveries || ' ' || done || ' ' || dead FROM daily WHERE handler = 'tell'",
               "2026-01-31 1 0 0");
}

static void outputs_are_blobs(void **state)
{
    const struct span outputs[] = {{NULL, 0}, SPAN(""), SPAN("a\0\xFF")};
    static const char *const hex[] = {"", "", "6100FF"};
    struct bed *bed = *state;
    struct query query;

    fill(bed);
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        execute(bed, "UPDATE attempt SET ended_ms = NULL"); /* only one that runs can end */
        assert_ok(bed, query_start(&query, &bed->index, STATEMENT_ATTEMPT_END, &bed->err));
        query_number(&query, ":delivery_id", 1);
        query_number(&query, ":number", 1);
        query_number(&query, ":now", received_ms);
        query_text(&query, ":outcome", span_text(state_word(STATE_DONE)));
        query_number(&query, ":exit_code", 0);
        query_null(&query, ":signal");
        query_text(&query, ":detail", SPAN("x"));
        query_blob(&query, ":stdout", outputs[i]);
        query_blob(&query, ":stderr", SPAN(""));
        assert_ok(bed, query_run(&query, &bed->err));
        assert_sql(bed, "SELECT typeof(stdout) || ' ' || detail FROM attempt WHERE delivery_id = 1", "blob x");
        assert_sql(bed, "SELECT hex(stdout) FROM attempt WHERE delivery_id = 1", hex[i]);
    }
}

/* What a large transaction has left of it is cut off when it is begun anew. */
static void the_log_does_not_stay_large(void **state)
{
    struct bed *bed = *state;
    struct stat wal;

    assert_ok(bed, index_open(&bed->index, bed->path, INDEX_PROCESSOR, &bed->err));
    execute(bed, "CREATE TABLE large (x)");
    execute(bed, "INSERT INTO large VALUES (zeroblob(40000000))");
    assert_int_equal(stat(support_path(bed->folder, "index.db-wal"), &wal), 0);
    assert_true(wal.st_size > 40000000);
    execute(bed, "INSERT INTO large VALUES (1)");
    assert_int_equal(stat(support_path(bed->folder, "index.db-wal"), &wal), 0);
    assert_in_range(wal.st_size, 1, 16777216);
}

#define WITH_INDEX(test) cmocka_unit_test_setup_teardown(test, make_index, remove_folder)
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_new_index_has_the_whole_schema),
        WITH_INDEX(reopening_keeps_what_is_there),
        WITH_FOLDER(the_files_are_the_groups),
        WITH_FOLDER(what_cannot_be_opened),
        WITH_INDEX(an_index_of_a_newer_version_is_refused),
        WITH_FOLDER(an_old_index_is_brought_up_to_date),
        WITH_FOLDER(old_rows_are_counted_on),
        WITH_FOLDER(a_reader_does_not_migrate),
        WITH_INDEX(a_reader_reads_and_does_not_write),
        WITH_FOLDER(a_file_that_is_no_database),
        WITH_INDEX(a_database_damaged_inside),
        WITH_FOLDER(processes_make_one_index_together),
        WITH_FOLDER(a_new_file_that_is_locked_is_waited_for),
        WITH_INDEX(a_busy_lock_is_temporary),
        cmocka_unit_test(a_lock_is_waited_for_in_small_steps),
        WITH_INDEX(a_lock_is_waited_for_no_longer),
        WITH_FOLDER(opening_twice_keeps_the_locks),
        WITH_FOLDER(the_log_does_not_stay_large),
        WITH_INDEX(a_message_is_kept_whole),
        WITH_INDEX(the_null_sender_is_an_empty_text),
        WITH_INDEX(a_message_twice_is_one),
        WITH_INDEX(a_thousand_recipients),
        WITH_INDEX(a_transaction_is_all_or_nothing),
        WITH_INDEX(a_transaction_out_of_turn_is_a_bug),
        WITH_INDEX(a_failure_leaves_no_transaction_open),
        WITH_INDEX(closing_rolls_back),
        WITH_INDEX(changes_are_counted),
        WITH_INDEX(texts_are_kept_byte_for_byte),
        WITH_INDEX(a_name_that_the_statement_lacks),
        WITH_INDEX(rows_come_one_after_the_other),
        WITH_INDEX(null_reads_as_empty),
        WITH_INDEX(every_statement_is_one_and_prepares),
        WITH_INDEX(every_view_has_its_columns),
        WITH_INDEX(the_states_are_those_of_the_code),
        WITH_INDEX(the_views_tell_what_happened),
        WITH_INDEX(outputs_are_blobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
