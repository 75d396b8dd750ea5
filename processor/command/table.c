#include "processor/command/table.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "processor/text.h"

enum { GAP = 2, FIRST_CAPACITY = 64 };

#define LEFT_OUT SIZE_MAX /* the width of a column that is not printed */

struct table_cell {
    char *text; /* clean */
    size_t size;
    size_t width;
    enum term_colour colour;
};

/* ---- filling ---- */

static bool make_room(struct table *table)
{
    size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : 2 * table->capacity;
    struct table_cell *cells;

    if (table->count < table->capacity)
        return true;
    cells = reallocarray(table->cells, capacity, sizeof *cells);
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_add(struct table *table, struct span text, enum term_colour colour)
{
    struct table_cell cell = {.colour = colour};
    FILE *memory = open_memstream(&cell.text, &cell.size);

    if (memory == NULL) {
        table->failed = true;
        return;
    }
    text_write(memory, text);
    if (fclose(memory) != 0 || !make_room(table)) {
        free(cell.text);
        table->failed = true;
        return;
    }
    cell.width = text_width((struct span){cell.text, cell.size});
    table->cells[table->count++] = cell;
}

void table_add_number(struct table *table, int64_t number)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%lld", (long long)number);
    table_add(table, span_text(digits), TERM_PLAIN);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    table->cells = NULL;
    table->count = 0;
    table->capacity = 0;
    table->failed = false;
}

/* ---- widths ---- */

static void measure(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX])
{
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = text_width(span_text(table->columns[i].title));
    for (size_t i = 0; i < table->count; i++)
        if (table->cells[i].width > widths[i % table->column_count])
            widths[i % table->column_count] = table->cells[i].width;
}

/* The widest column that may be narrowed further, or NULL. */
static size_t *widest(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX], const size_t *rooms)
{
    size_t *found = NULL;

    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].kind == TABLE_FLEXIBLE && widths[i] != LEFT_OUT &&
            widths[i] > (rooms == NULL ? TABLE_FLEXIBLE_MIN : rooms[i]) && (found == NULL || widths[i] >= *found))
            found = &widths[i];
    return found;
}

static size_t line_width(const struct table *table, const size_t widths[static TABLE_COLUMNS_MAX])
{
    size_t total = table->indent == NULL ? 0 : text_width(span_text(table->indent));
    size_t gap = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        if (widths[i] == LEFT_OUT)
            continue;
        total += gap + widths[i];
        gap = GAP;
    }
    return total;
}

/* Whether a line fits by then. */
static bool squeeze(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX], size_t limit,
                    const size_t *rooms)
{
    size_t total = line_width(table, widths);
    size_t *column;

    for (; total > limit && (column = widest(table, widths, rooms)) != NULL; total--)
        --*column;
    return total <= limit;
}

static void narrow(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX], size_t limit)
{
    size_t whole[TABLE_COLUMNS_MAX];

    memcpy(whole, widths, sizeof whole);
    for (size_t drop = 0; !squeeze(table, widths, limit, table->rooms) && drop < table->drop_count; drop++) {
        whole[table->drops[drop]] = LEFT_OUT;
        memcpy(widths, whole, sizeof whole);
    }
    (void)squeeze(table, widths, limit, NULL);
}

/* ---- printing ---- */

/* Writes a cell behind `gap` spaces, and sets it to those that belong between this cell and the next. */
static void print_cell(const struct term *term, const struct table_cell *cell, enum table_kind kind, size_t width,
                       size_t *gap)
{
    struct span text = {cell->text, cell->size};
    bool is_cut = cell->width > width;
    size_t used;

    if (is_cut)
        text.size = text_fit(text, width - 1);
    used = is_cut ? text_width(text) + 1 : cell->width;
    if (kind == TABLE_RIGHT)
        *gap += width - used;
    /* Spaces wait for a text to stand before, so that no line ends with them. */
    if (used > 0) {
        (void)fprintf(term->out, "%*s%s%.*s%s%s", (int)*gap, "", term_on(term, cell->colour), (int)text.size,
                      text.data, is_cut ? "\u2026" : "", term_off(term, cell->colour));
        *gap = 0;
    }
    *gap += GAP + (kind == TABLE_RIGHT ? 0 : width - used);
}

static void print_row(const struct table *table, const struct term *term,
                      const size_t widths[static TABLE_COLUMNS_MAX], const struct table_cell *cells)
{
    size_t gap = 0;

    if (table->indent != NULL)
        (void)fputs(table->indent, term->out);
    for (size_t i = 0; i < table->column_count; i++)
        if (widths[i] != LEFT_OUT)
            print_cell(term, &cells[i], table->columns[i].kind, widths[i], &gap);
    (void)fputc('\n', term->out);
}

static void print_titles(const struct table *table, const struct term *term,
                         const size_t widths[static TABLE_COLUMNS_MAX])
{
    struct table titles = {.columns = table->columns, .column_count = table->column_count, .indent = table->indent};

    for (size_t i = 0; i < table->column_count; i++)
        table_add(&titles, span_text(table->columns[i].title), TERM_BOLD);
    if (!titles.failed)
        print_row(&titles, term, widths, titles.cells);
    table_free(&titles);
}

int table_print(const struct table *table, const struct term *term, struct err *err)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    assert(table->column_count > 0 && table->column_count <= TABLE_COLUMNS_MAX);
    if (table->failed)
        return err_set(err, ERR_TEMPORARY, "no memory for a table");
    measure(table, widths);
    if (term->width > 0)
        narrow(table, widths, term->width);
    print_titles(table, term, widths);
    for (size_t row = 0; row < table->count; row += table->column_count)
        print_row(table, term, widths, &table->cells[row]);
    return 0;
}
