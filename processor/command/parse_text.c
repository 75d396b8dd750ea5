/* What `mailmill parse` says of a message to people: its headers, a table of its parts, and its text. */
#include <stdio.h>
#include <string.h>

#include "processor/command/parse.h"
#include "processor/command/table.h"
#include "processor/text.h"

enum { COLUMNS = 6, INDENT_MAX = 2 * PARTS_DEPTH_MAX };
static const struct table_column columns[COLUMNS] = {
    {"PART", TABLE_RIGHT},     {"TYPE", TABLE_FIXED}, {"CHARSET", TABLE_FIXED},
    {"ENCODING", TABLE_FIXED}, {"SIZE", TABLE_RIGHT}, {"FILE", TABLE_FLEXIBLE},
};

static void write_header(const struct command_call *call, const struct parts_record *field)
{
    FILE *out = call->out.out;

    (void)fputs(term_on(&call->out, TERM_BOLD), out);
    text_write(out, field->name);
    (void)fputc(':', out);
    (void)fputs(term_off(&call->out, TERM_BOLD), out);
    (void)fputc(' ', out);
    text_write(out, field->value);
    (void)fputc('\n', out);
}

static void add_text(struct table *table, struct span text)
{
    table_add(table, text.size == 0 ? span_text("-") : text, TERM_PLAIN);
}

static void add_part(struct table *table, const struct parts_record *part, const struct parts_files *files)
{
    char number[16], size[TEXT_SIZE_SIZE];
    char storage[INDENT_MAX + 256];
    struct buf type = buf_over(storage, sizeof storage);
    char name_storage[2 * FILENAME_SIZE];
    struct buf name = buf_over(name_storage, sizeof name_storage);
    const char *file = parts_saved_as(files, part);
    bool has_contents = part->role != PARTS_MULTIPART && part->role != PARTS_ENCLOSED;

    snprintf(number, sizeof number, "%u", part->number);
    buf_printf(&type, "%*s", (int)(2 * part->depth), "");
    buf_put(&type, span_slice(part->content_type, 0, 200));
    text_size(part->contents.size, size);
    buf_put(&name, span_slice(part->name, 0, FILENAME_SIZE - 1));
    if (file != NULL && !span_equal(part->name, span_text(file)))
        buf_printf(&name, "%ssaved as %s", name.size > 0 ? ", " : "", file);
    add_text(table, span_text(number));
    add_text(table, buf_span(&type));
    add_text(table, part->charset);
    add_text(table, part->encoding);
    add_text(table, span_text(has_contents ? size : ""));
    add_text(table, buf_span(&name));
}

/* The headers are written as they come; the parts are gathered. */
static int write_all(const struct command_call *call, struct parts *parts, const struct parts_files *files,
                     struct table *table, struct err *err)
{
    struct parts_record record;
    bool is_incomplete = false;
    int status;

    while ((status = parts_next(parts, &record, err)) == 1) {
        if (record.type == PARTS_FIELD)
            write_header(call, &record);
        if (record.type == PARTS_PART)
            add_part(table, &record, files);
        is_incomplete = is_incomplete || record.type == PARTS_LEFT_OUT;
    }
    (void)fputc('\n', call->out.out);
    if (status < 0 || table_print(table, &call->out, err) != 0)
        return -1;
    if (is_incomplete)
        (void)fprintf(call->out.out, "There are more parts than %d, or deeper ones; they were not looked at.\n",
                      PARTS_COUNT_MAX);
    return 0;
}

/* The texts in the message's own order; HTML only where there is nothing better. */
static int write_texts(const struct command_call *call, struct parts *parts, enum parts_role role, size_t *count,
                       struct err *err)
{
    struct parts_record record;
    int status;

    parts_rewind(parts);
    while ((status = parts_next(parts, &record, err)) == 1) {
        if (record.type != PARTS_PART || record.role != role)
            continue;
        (void)fputc('\n', call->out.out);
        text_write_lines(call->out.out, record.contents, "");
        ++*count;
    }
    return status;
}

int parse_text(const struct command_call *call, struct parts *parts, const struct parts_files *files, struct err *err)
{
    struct table table = {.columns = columns, .column_count = COLUMNS};
    size_t count = 0;
    int status = write_all(call, parts, files, &table, err);

    table_free(&table);
    if (status == 0)
        status = write_texts(call, parts, PARTS_TEXT, &count, err);
    if (status == 0 && count == 0)
        status = write_texts(call, parts, PARTS_HTML, &count, err);
    return status;
}
