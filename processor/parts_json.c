#include "processor/parts_json.h"

#include <string.h>

const char *parts_saved_as(const struct parts_files *files, const struct parts_record *part)
{
    bool is_saved = files->names != NULL && part->number < files->count && files->names[part->number][0] != '\0';

    return is_saved ? files->names[part->number] : NULL;
}

bool parts_is_attachment(const struct parts_record *record)
{
    return record->type == PARTS_PART && (record->role == PARTS_ATTACHMENT || record->role == PARTS_MESSAGE);
}

/* Goes over all records and gives each to `write`, which takes those that it is about. */
typedef void write_record(struct json *json, const struct parts_record *record, const void *context);

static int each(struct json *json, struct parts *parts, write_record *write, const void *context, struct err *err)
{
    struct parts_record record;
    int status;

    parts_rewind(parts);
    while ((status = parts_next(parts, &record, err)) == 1)
        write(json, &record, context);
    return status;
}

static void write_or_null(struct json *json, const char *name, struct span text)
{
    if (text.size > 0)
        json_text(json, name, text);
    else
        json_null(json, name);
}

/* ---- headers ---- */

static void write_header(struct json *json, const struct parts_record *record, const void *context)
{
    (void)context;
    if (record->type != PARTS_FIELD)
        return;
    json_open(json, NULL, '{');
    json_text(json, "name", record->name);
    json_text(json, "value", record->value);
    json_close(json);
}

static void write_address(struct json *json, const struct parts_record *record, const void *context)
{
    if (record->type != PARTS_ADDRESS || !span_equal(record->header, span_text(context)))
        return;
    json_open(json, NULL, '{');
    write_or_null(json, "name", record->name);
    json_text(json, "address", record->value);
    json_close(json);
}

/* The first header of a name, or null. */
static int write_first(struct json *json, struct parts *parts, const char *name, const char *header, struct err *err)
{
    struct parts_record record;
    int status;

    parts_rewind(parts);
    while ((status = parts_next(parts, &record, err)) == 1)
        if (record.type == PARTS_FIELD && span_equal_nocase(record.name, span_text(header)))
            break;
    if (status == 1)
        json_text(json, name, record.value);
    else if (status == 0)
        json_null(json, name);
    return status < 0 ? -1 : 0;
}

static int write_date(struct json *json, struct parts *parts, struct err *err)
{
    struct parts_record record;
    int status;

    parts_rewind(parts);
    while ((status = parts_next(parts, &record, err)) == 1 && record.type != PARTS_DATE)
        ;
    if (status == 1)
        json_text(json, "date", record.value);
    else if (status == 0)
        json_null(json, "date");
    return status < 0 ? -1 : 0;
}

static int write_headers(struct json *json, struct parts *parts, struct err *err)
{
    static const char *const addresses[] = {"from", "sender", "to", "cc", "reply_to"};

    json_open(json, "headers", '[');
    if (each(json, parts, write_header, NULL, err) != 0)
        return -1;
    json_close(json);
    if (write_first(json, parts, "subject", "Subject", err) != 0 || write_date(json, parts, err) != 0 ||
        write_first(json, parts, "message_id", "Message-ID", err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        json_open(json, addresses[i], '[');
        if (each(json, parts, write_address, addresses[i], err) != 0)
            return -1;
        json_close(json);
    }
    return 0;
}

/* ---- contents ---- */

/* All the texts of one role as one, each from a line of its own on; null where there is none. */
static int write_body(struct json *json, struct parts *parts, const char *name, enum parts_role role, struct err *err)
{
    struct parts_record record;
    bool is_open = false, has_end = true;
    int status;

    parts_rewind(parts);
    while ((status = parts_next(parts, &record, err)) == 1) {
        if (record.type != PARTS_PART || record.role != role)
            continue;
        if (!is_open)
            json_open_text(json, name);
        else if (!has_end)
            json_add_text(json, span_text("\n"));
        is_open = true;
        json_add_text(json, record.contents);
        has_end = record.contents.size == 0 || record.contents.data[record.contents.size - 1] == '\n';
    }
    if (is_open)
        json_close_text(json);
    else
        json_null(json, name);
    return status;
}

static void write_part(struct json *json, const struct parts_record *record, const void *context)
{
    static const char *const roles[] = {
        [PARTS_MULTIPART] = "multipart",   [PARTS_TEXT] = "text",       [PARTS_HTML] = "html",
        [PARTS_ATTACHMENT] = "attachment", [PARTS_MESSAGE] = "message", [PARTS_ENCLOSED] = "enclosed",
    };

    (void)context;
    if (record->type != PARTS_PART)
        return;
    json_open(json, NULL, '{');
    json_number(json, "number", record->number);
    json_number(json, "depth", record->depth);
    json_text(json, "role", span_text(roles[record->role]));
    json_text(json, "type", record->content_type);
    write_or_null(json, "charset", record->charset);
    write_or_null(json, "encoding", record->encoding);
    write_or_null(json, "disposition", record->disposition);
    write_or_null(json, "name", record->name);
    write_or_null(json, "content_id", record->content_id);
    json_number(json, "size", (int64_t)record->contents.size);
    json_close(json);
}

static void write_attachment(struct json *json, const struct parts_record *record, const void *context)
{
    const char *file;

    if (!parts_is_attachment(record))
        return;
    file = parts_saved_as(context, record);
    json_open(json, NULL, '{');
    json_number(json, "part", record->number);
    write_or_null(json, "name", record->name);
    json_text(json, "type", record->content_type);
    json_number(json, "size", (int64_t)record->contents.size);
    write_or_null(json, "content_id", record->content_id);
    write_or_null(json, "file", span_text(file == NULL ? "" : file));
    json_close(json);
}

static void write_incomplete(struct json *json, const struct parts_record *record, const void *context)
{
    (void)context;
    if (record->type == PARTS_LEFT_OUT)
        json_bool(json, "is_incomplete", true);
}

static int write_list(struct json *json, struct parts *parts, const char *name, write_record *write,
                      const void *context, struct err *err)
{
    json_open(json, name, '[');
    if (each(json, parts, write, context, err) != 0)
        return -1;
    json_close(json);
    return 0;
}

int parts_write_json(struct json *json, struct parts *parts, const struct parts_files *files, struct err *err)
{
    if (write_headers(json, parts, err) != 0 || write_body(json, parts, "text", PARTS_TEXT, err) != 0 ||
        write_body(json, parts, "html", PARTS_HTML, err) != 0 ||
        write_list(json, parts, "parts", write_part, NULL, err) != 0 ||
        write_list(json, parts, "attachments", write_attachment, files, err) != 0 ||
        each(json, parts, write_incomplete, NULL, err) != 0)
        return -1;
    return 0;
}
