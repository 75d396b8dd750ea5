/*
 * The schema as text inside the programs. schema/embed.awk writes both halves from the .sql files of this folder:
 * statements.h (`enum statement`, a constant for each "-- name:" of statements.sql) and schema.c (what stands here).
 *
 * A database's user_version says how many migrations it has had. To bring it up to date, run
 * schema_migrations[user_version] and what follows, then schema_views, and set user_version to
 * schema_migration_count, all in one transaction.
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <stddef.h>

#include "statements.h"

extern const char *const schema_statements[STATEMENT_COUNT]; /* one SQL statement each, by enum statement */
extern const char *const schema_migrations[];                /* schema/NNN-*.sql, in order; the first is 001 */
extern const size_t schema_migration_count;
extern const char schema_views[]; /* drops and makes every view */

#endif
