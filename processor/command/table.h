/*
 * Aligned tables. Every cell is cleaned as it is added (processor/text.h), so that no table can harm a
 * terminal.
 *
 *     static const struct table_column columns[] = {{"ID", TABLE_FIXED}, {"SIZE", TABLE_RIGHT}, {"SUBJECT",
 * TABLE_FLEXIBLE}}; struct table table = {.columns = columns, .column_count = 3}; table_add(&table, span_text(id),
 * TERM_PLAIN);        cell by cell, row by row
 *     ...
 *     status = table_print(&table, &term, &err);
 *     table_free(&table);
 *
 * On a terminal flexible columns are narrowed, the widest first, until a line fits; elsewhere nothing is cut, so that
 * grep finds what there is. A table may say what room its flexible columns are to have, and which columns are left
 * out on a terminal that has not enough for that.
 */
#ifndef PROCESSOR_COMMAND_TABLE_H
#define PROCESSOR_COMMAND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "processor/command/term.h"

enum { TABLE_COLUMNS_MAX = 12, TABLE_FLEXIBLE_MIN = 8 /* columns of a terminal that a flexible one keeps */ };

enum table_kind { TABLE_FIXED, TABLE_RIGHT, TABLE_FLEXIBLE };

struct table_column {
    const char *title;
    enum table_kind kind;
};

struct table_cell;

struct table {
    const struct table_column *columns; /* borrowed */
    size_t column_count;                /* at most TABLE_COLUMNS_MAX */
    const char *indent;                 /* before each line; NULL: none; borrowed */
    const size_t *rooms;                /* of each column; NULL: TABLE_FLEXIBLE_MIN; borrowed */
    const size_t *drops;                /* columns to leave out, the first one first; NULL: none; borrowed */
    size_t drop_count;
    struct table_cell *cells; /* row by row */
    size_t count, capacity;
    bool failed; /* memory ran out */
};

/* Adds the next cell. A failure shows when the table is printed. */
void table_add(struct table *table, struct span text, enum term_colour colour);
void table_add_number(struct table *table, int64_t number);

/* Prints titles and rows. Fails (temporary) when memory ran out. */
__attribute__((warn_unused_result)) int table_print(const struct table *table, const struct term *term,
                                                    struct err *err);
/* Back to an empty table with the same columns. */
void table_free(struct table *table);

#endif
