#include "processor/mime/apart.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "processor/headers/field.h"
#include "processor/mime/content.h"
#include "processor/mime/decode.h"
#include "processor/mime/tree.h"
#include "processor/parts.h"

struct job {
    int records, contents;
    uint64_t offset; /* bytes of contents written */
    GMimeParserOptions *options;
    size_t addresses;
    bool has_date;
    int status; /* -1: something failed, and `err` says what; then nothing more is done */
    struct err *err;
};

/* ---- writing ---- */

static void write_bytes(struct job *job, int fd, const void *bytes, size_t size)
{
    if (job->status == 0 && io_write_all(fd, (struct span){bytes, size}) != 0)
        job->status = err_system(job->err, "writing what a message holds");
}

static void put_record(struct job *job, const struct parts_record *record, uint64_t offset)
{
    static char storage[FRAME_SIZE_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    uint32_t size;

    parts_put(&frame, record, offset);
    size = (uint32_t)frame.size;
    write_bytes(job, job->records, &size, sizeof size);
    write_bytes(job, job->records, frame.data, frame.size);
}

static void put_bytes(struct job *job, const GByteArray *bytes)
{
    write_bytes(job, job->contents, bytes->data, bytes->len);
    job->offset += bytes->len;
}

/* The same for what a part holds, however large; gives how many bytes that is. */
static size_t put_decoded(struct job *job, GMimePart *part)
{
    GMimeDataWrapper *wrapper = g_mime_part_get_content(part);
    GMimeStream *stream = g_mime_stream_fs_new(job->contents);
    uint64_t before = job->offset;
    off_t end;

    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    errno = 0;
    if (wrapper != NULL && job->status == 0 && g_mime_data_wrapper_write_to_stream(wrapper, stream) < 0)
        job->status = err_system(job->err, "writing what a message holds");
    g_object_unref(stream);
    end = lseek(job->contents, 0, SEEK_CUR);
    if (end > (off_t)before)
        job->offset = (uint64_t)end;
    return (size_t)(job->offset - before);
}

/* ---- the message's headers ---- */

static const struct {
    const char *name;
    const char *header; /* as records have it */
} address_headers[] = {
    {"From", "from"}, {"To", "to"}, {"Cc", "cc"}, {"Reply-To", "reply_to"}, {"Sender", "sender"},
};

static void put_mailbox(struct job *job, const char *header, InternetAddress *address)
{
    const char *name = internet_address_get_name(address);
    const char *mailbox = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
    struct parts_record record = {.type = PARTS_ADDRESS, .header = span_text(header)};

    if (job->addresses++ >= PARTS_ADDRESSES_MAX)
        return;
    record.name = span_text(name == NULL ? "" : name);
    record.value = span_text(mailbox == NULL ? "" : mailbox);
    put_record(job, &record, 0);
}

/* Groups are flattened; one within another is not in the grammar. */
static void put_addresses(struct job *job, const char *header, struct span value)
{
    InternetAddressList *list = decode_list(job->options, value);

    for (int i = 0; list != NULL && i < internet_address_list_length(list); i++) {
        InternetAddress *address = internet_address_list_get_address(list, i);
        InternetAddressList *members;

        if (INTERNET_ADDRESS_IS_MAILBOX(address)) {
            put_mailbox(job, header, address);
            continue;
        }
        members = internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address));
        for (int k = 0; k < internet_address_list_length(members); k++)
            if (INTERNET_ADDRESS_IS_MAILBOX(internet_address_list_get_address(members, k)))
                put_mailbox(job, header, internet_address_list_get_address(members, k));
    }
    if (list != NULL)
        g_object_unref(list);
}

static void put_date(struct job *job, struct span value)
{
    char *text = decode_value(job->options, READ_RAW, value);
    GDateTime *date = g_mime_utils_header_decode_date(text);
    char *iso = date == NULL ? NULL : g_date_time_format(date, "%Y-%m-%dT%H:%M:%S%:z");

    if (iso != NULL)
        put_record(job, &(struct parts_record){.type = PARTS_DATE, .value = span_text(iso)}, 0);
    g_free(iso);
    if (date != NULL)
        g_date_time_unref(date);
    g_free(text);
}

/* What a header means, beyond its text. */
static void put_meaning(struct job *job, const struct field *field)
{
    for (size_t i = 0; i < sizeof address_headers / sizeof address_headers[0]; i++)
        if (span_equal_nocase(field->name, span_text(address_headers[i].name)))
            put_addresses(job, address_headers[i].header, field->value);
    if (!job->has_date && span_equal_nocase(field->name, span_text("Date"))) {
        job->has_date = true;
        put_date(job, field->value);
    }
}

static int put_headers(struct job *job, struct span block)
{
    struct span rest = block;
    struct field field;
    size_t count = 0;

    while (field_next(&rest, &field)) {
        char *value = decode_value(job->options, decode_reading_of(field.name), field.value);
        struct parts_record record = {.type = PARTS_FIELD, .name = field.name, .value = span_trim(span_text(value))};

        put_record(job, &record, 0);
        g_free(value);
        count++;
    }
    for (rest = block; field_next(&rest, &field);)
        put_meaning(job, &field);
    return count > 0 ? job->status : err_set(job->err, ERR_PERMANENT, "it is no message: it has no header");
}

static int take_headers(struct job *job, int fd)
{
    char *block = malloc(FIELD_BLOCK_MAX);
    size_t size = 0;
    int status;

    if (block == NULL)
        return err_system(job->err, "reading a message");
    status = field_read_block(fd, block, &size, job->err);
    if (status == 0)
        status = put_headers(job, (struct span){block, size});
    free(block);
    return status;
}

/* ---- its parts ---- */

static struct span text_or_none(const char *text)
{
    return span_text(text == NULL ? "" : text);
}

/* Writes what a part holds, and says by its role what it is. */
static void put_leaf(struct job *job, const struct tree_node *node, struct parts_record *record)
{
    GMimePart *part = GMIME_PART(node->object);
    GByteArray *bytes = NULL;

    record->encoding = text_or_none(g_mime_content_encoding_to_string(g_mime_part_get_content_encoding(part)));
    if (node->is_enclosed) {
        record->role = PARTS_ENCLOSED;
        return;
    }
    record->role = PARTS_ATTACHMENT;
    if (!content_is_attachment(part)) {
        bytes = content_text(part, PARTS_BODY_MAX);
        if (bytes != NULL)
            record->role = content_is(node->object, "text", "html") ? PARTS_HTML : PARTS_TEXT;
    }
    if (bytes == NULL) {
        record->contents.size = put_decoded(job, part);
        return;
    }
    record->contents.size = bytes->len;
    put_bytes(job, bytes);
    g_byte_array_unref(bytes);
}

/* As it stands there: the parser keeps headers as they were written. */
static void put_message(struct job *job, const struct tree_node *node, struct parts_record *record)
{
    GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(node->object));
    GByteArray *bytes = g_byte_array_new();
    GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(bytes);

    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
    if (message != NULL)
        (void)g_mime_object_write_to_stream(GMIME_OBJECT(message), NULL, stream);
    g_object_unref(stream);
    record->contents.size = bytes->len;
    put_bytes(job, bytes);
    g_byte_array_unref(bytes);
}

static void put_part(void *context, const struct tree_node *node)
{
    struct job *job = context;
    GMimeContentType *content_type = g_mime_object_get_content_type(node->object);
    char *type = content_type == NULL ? NULL : g_mime_content_type_get_mime_type(content_type);
    char *name = content_file_name(node->object);
    struct parts_record record = {.type = PARTS_PART, .number = node->number, .depth = node->depth};
    uint64_t offset = job->offset;

    record.name = text_or_none(name);
    record.content_type = text_or_none(type);
    record.charset = span_text(content_parameter(node->object, "charset"));
    record.disposition = text_or_none(g_mime_object_get_disposition(node->object));
    record.content_id = text_or_none(g_mime_object_get_content_id(node->object));
    if (node->kind == TREE_MULTIPART) {
        record.role = PARTS_MULTIPART;
    } else if (node->kind == TREE_LEAF) {
        put_leaf(job, node, &record);
    } else {
        record.role = node->is_enclosed ? PARTS_ENCLOSED : PARTS_MESSAGE;
        if (!node->is_enclosed)
            put_message(job, node, &record);
    }
    put_record(job, &record, offset);
    g_free(name);
    g_free(type);
}

int apart_take(int fd, int records, int contents, struct err *err)
{
    struct job job = {.records = records, .contents = contents, .options = decode_options(), .err = err};
    GMimeMessage *message = NULL;

    if (take_headers(&job, fd) != 0 || (message = tree_parse(fd, err)) == NULL)
        job.status = -1;
    if (message != NULL) {
        if (!tree_walk(message, put_part, &job))
            put_record(&job, &(struct parts_record){.type = PARTS_LEFT_OUT}, 0);
        g_object_unref(message);
    }
    g_mime_parser_options_free(job.options);
    return job.status;
}
