/*
 * SQLite, loaded when the index is first needed rather than at the start of the program: most of the receiver's
 * processes never come so far, and loading it costs them more than all that they do.
 *
 *     #include "common/sqlite.h"       instead of <sqlite3.h>, where SQLite is called
 *     sqlite_load(&err)                before the first call
 *     sqlite3_open_v2(...)             goes through the table
 *
 * A call that is to be made from the tree stands in SQLITE_CALLS; any other one would not link.
 */
#ifndef COMMON_SQLITE_H
#define COMMON_SQLITE_H

#include <sqlite3.h>

#include "common/err.h"

#define SQLITE_CALLS(CALL)                                                                                           \
    CALL(bind_blob64)                                                                                                \
    CALL(bind_int64)                                                                                                 \
    CALL(bind_null)                                                                                                  \
    CALL(bind_parameter_index)                                                                                       \
    CALL(bind_text64)                                                                                                \
    CALL(busy_timeout)                                                                                               \
    CALL(changes)                                                                                                    \
    CALL(clear_bindings)                                                                                             \
    CALL(close)                                                                                                      \
    CALL(column_blob)                                                                                                \
    CALL(column_bytes)                                                                                               \
    CALL(column_int64)                                                                                               \
    CALL(column_type)                                                                                                \
    CALL(errcode)                                                                                                    \
    CALL(errmsg)                                                                                                     \
    CALL(errstr)                                                                                                     \
    CALL(exec)                                                                                                       \
    CALL(finalize)                                                                                                   \
    CALL(get_autocommit)                                                                                             \
    CALL(open_v2)                                                                                                    \
    CALL(prepare_v2)                                                                                                 \
    CALL(prepare_v3)                                                                                                 \
    CALL(reset)                                                                                                      \
    CALL(sleep)                                                                                                      \
    CALL(sql)                                                                                                        \
    CALL(step)

#define SQLITE_FIELD(name) __typeof__(&sqlite3_##name) name;
struct sqlite {
    SQLITE_CALLS(SQLITE_FIELD)
};
#undef SQLITE_FIELD

extern struct sqlite sqlite; /* empty before sqlite_load */

/* Harmless when it is loaded already. A library that is missing or too old is a permanent error. */
__attribute__((warn_unused_result)) int sqlite_load(struct err *err);

#ifndef SQLITE_AS_IT_IS
#define sqlite3_bind_blob64 sqlite.bind_blob64
#define sqlite3_bind_int64 sqlite.bind_int64
#define sqlite3_bind_null sqlite.bind_null
#define sqlite3_bind_parameter_index sqlite.bind_parameter_index
#define sqlite3_bind_text64 sqlite.bind_text64
#define sqlite3_busy_timeout sqlite.busy_timeout
#define sqlite3_changes sqlite.changes
#define sqlite3_clear_bindings sqlite.clear_bindings
#define sqlite3_close sqlite.close
#define sqlite3_column_blob sqlite.column_blob
#define sqlite3_column_bytes sqlite.column_bytes
#define sqlite3_column_int64 sqlite.column_int64
#define sqlite3_column_type sqlite.column_type
#define sqlite3_errcode sqlite.errcode
#define sqlite3_errmsg sqlite.errmsg
#define sqlite3_errstr sqlite.errstr
#define sqlite3_exec sqlite.exec
#define sqlite3_finalize sqlite.finalize
#define sqlite3_get_autocommit sqlite.get_autocommit
#define sqlite3_open_v2 sqlite.open_v2
#define sqlite3_prepare_v2 sqlite.prepare_v2
#define sqlite3_prepare_v3 sqlite.prepare_v3
#define sqlite3_reset sqlite.reset
#define sqlite3_sleep sqlite.sleep
#define sqlite3_sql sqlite.sql
#define sqlite3_step sqlite.step
#endif

#endif
