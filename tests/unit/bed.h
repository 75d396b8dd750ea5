/*
 * A spool, an index and a configuration in a folder of their own, for tests of what works on all three.
 *
 *     cmocka_unit_test_setup_teardown(test, bed_make, bed_remove)
 *
 *     static void test(void **state)
 *     {
 *         struct bed *bed = *state;
 *
 *         bed_put_message(bed, bed_id(1), "a@example.com", NULL);
 *         assert_int_equal(bed_number(bed, "SELECT count(*) FROM message"), 1);
 *
 * All in this header, as only tests that link the processor can use it.
 */
#ifndef TESTS_UNIT_BED_H
#define TESTS_UNIT_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/index.h"
#include "common/log.h"
#include "common/spool.h"
#include "schema/schema.h"
#include "tests/unit/support.h"

struct bed {
    void *folder;
    struct spool spool;
    struct index index;
    char index_path[512];
    struct config config;
    struct err err;
    char log[4096]; /* what was logged */
};

static inline void bed_log(void *context, int level, struct span text)
{
    struct bed *bed = context;
    size_t used = strlen(bed->log);

    snprintf(bed->log + used, sizeof bed->log - used, "<%d>%.*s\n", level, (int)text.size, text.data);
}

/* Two routes with handlers, one without, one that replies. */
static const char bed_routes[] = "route \"chain@example.com\" { handler \"one\" { run = {\"/bin/true\"} } handler "
                                 "\"two\" { run = {\"/bin/true\"} }\n"
                                 "                              handler \"three\" { run = {\"/bin/true\"} } }\n"
                                 "route \"a@example.com\" { handler \"x\" { run = {\"/bin/true\"} } }\n"
                                 "route \"ask@example.com\" { handler \"answer\" { reply = {\"/bin/true\"} } }\n"
                                 "route \"kept@example.com\" {}\n";

static inline int bed_make(void **state)
{
    static struct bed bed;
    struct config_errors errors = {0};
    mode_t before = umask(0007);

    bed = (struct bed){.log = ""};
    *state = &bed;
    log_redirect(bed_log, &bed);
    if (support_make_folder(&bed.folder) != 0 || spool_open(&bed.spool, bed.folder, true, &bed.err) != 0)
        return -1;
    snprintf(bed.index_path, sizeof bed.index_path, "%s", support_path(bed.folder, "index.db"));
    if (index_open(&bed.index, bed.index_path, INDEX_PROCESSOR, &bed.err) != 0)
        return -1;
    (void)umask(before);
    return config_load_text(&bed.config, "/mailmill.conf", bed_routes, &errors);
}

static inline int bed_remove(void **state)
{
    struct bed *bed = *state;

    config_free(&bed->config);
    index_close(&bed->index);
    spool_close(&bed->spool);
    return support_remove_folder(&bed->folder);
}

static inline void bed_ok(struct bed *bed, int status)
{
    if (status != 0)
        fail_msg("%s", bed->err.text);
}

/* "1KADPTED" and a number: a valid ID. */
static inline const char *bed_id(unsigned number)
{
    static char ids[8][ID_SIZE];
    static unsigned turn;
    char *id = ids[turn++ % 8];

    snprintf(id, ID_SIZE, "1KADPTED%08u", number % 100000000);
    return id;
}

/* An envelope to one address, or to two where `second` is not NULL. The caller frees it. */
static inline struct envelope bed_envelope(const char *id, const char *first, const char *second)
{
    struct envelope envelope = {
        .client_address = "192.0.2.1", .client_helo = "client.example.org", .client_protocol = "ESMTP"};
    struct address address;
    struct err err;

    snprintf(envelope.id, sizeof envelope.id, "%s", id);
    assert_int_equal(address_parse(&envelope.sender, SPAN("asker@example.org"), &err), 0);
    assert_int_equal(address_parse(&address, span_text(first), &err), 0);
    assert_int_equal(envelope_add_recipient(&envelope, &address, &err), 0);
    if (second != NULL) {
        assert_int_equal(address_parse(&address, span_text(second), &err), 0);
        assert_int_equal(envelope_add_recipient(&envelope, &address, &err), 0);
    }
    return envelope;
}

/* A file in new/, without a row; gives its size. */
static inline uint64_t bed_put_message(struct bed *bed, const char *id, const char *first, const char *second)
{
    static char storage[4096];
    struct buf text = buf_over(storage, sizeof storage);
    struct envelope envelope = bed_envelope(id, first, second);
    int fd = spool_create(&bed->spool, id, &bed->err);

    envelope_write_trace(&envelope, "mail.example.com", &text);
    buf_put_text(&text, "Subject: hello\n\ntext\n");
    envelope_free(&envelope);
    assert_true(fd >= 0 && !text.overflowed);
    assert_int_equal(write(fd, text.data, text.size), text.size);
    bed_ok(bed, spool_commit(&bed->spool, id, fd, &bed->err));
    assert_int_equal(close(fd), 0);
    return text.size;
}

/* What a query of one number gives, by a connection of its own: only what was committed is seen. */
static inline int64_t bed_number(const struct bed *bed, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;
    int64_t number = -1;

    assert_int_equal(sqlite3_open_v2(bed->index_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}

/* The same for a text, in storage that the next call overwrites. */
static inline const char *bed_text(const struct bed *bed, const char *sql)
{
    static char text[1024];
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    text[0] = '\0';
    assert_int_equal(sqlite3_open_v2(bed->index_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return text;
}

/* A statement's plan names the index `wanted` and not the one `unwanted`, if that is not NULL; it reads no table from
 * its beginning to its end, and sorts nothing. */
static inline void bed_assert_plan(const struct bed *bed, enum statement statement, const char *wanted,
                                   const char *unwanted)
{
    char sql[4096], plan[4096] = "", *rest;
    sqlite3_stmt *prepared = NULL;
    sqlite3 *db = NULL;

    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", schema_statements[statement]);
    assert_int_equal(sqlite3_open_v2(bed->index_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &prepared, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(prepared) == SQLITE_ROW)
        snprintf(plan + strlen(plan), sizeof plan - strlen(plan), "%s\n",
                 (const char *)sqlite3_column_text(prepared, 3));
    sqlite3_finalize(prepared);
    (void)sqlite3_close(db);
    if (strstr(plan, wanted) == NULL || strstr(plan, "TEMP B-TREE") != NULL ||
        (unwanted != NULL && strstr(plan, unwanted) != NULL))
        fail_msg("%s\n%s", sql, plan);
    for (char *line = strtok_r(plan, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "SCAN ", 5) == 0 && line[5] != '(' && strstr(line, " USING ") == NULL)
            fail_msg("%s\n%s", sql, line);
}

static inline bool bed_has_file(const struct bed *bed, const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(support_path(bed->folder, path), F_OK) == 0;
}

#endif
