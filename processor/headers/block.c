#include "processor/headers/block.h"

#include <assert.h>
#include <stddef.h>

#include "processor/headers/automatic.h"
#include "processor/headers/field.h"

static const struct {
    const char *name;
    enum reading reading;
    size_t offset; /* in struct message_headers */
} wanted[] = {
    {"Subject", READ_TEXT, offsetof(struct message_headers, subject)},
    {"From", READ_ADDRESSES, offsetof(struct message_headers, from)},
    {"To", READ_ADDRESSES, offsetof(struct message_headers, to)},
    {"Date", READ_RAW, offsetof(struct message_headers, date)},
    {"Reply-To", READ_ADDRESSES, offsetof(struct message_headers, reply_to)},
    {"Message-ID", READ_RAW, offsetof(struct message_headers, message_id)},
    {"References", READ_RAW, offsetof(struct message_headers, references)},
    {"List-Id", READ_TEXT, offsetof(struct message_headers, list_id)},
};

enum { WANTED_COUNT = sizeof wanted / sizeof wanted[0] };
static_assert((WANTED_COUNT + 1) * MESSAGE_TEXT_SIZE == sizeof(struct message_headers),
              "every text but no_reply has a row");

static bool keep_if_wanted(block_value *value, void *context, const struct field *field,
                           bool seen[static WANTED_COUNT], struct message_headers *headers)
{
    for (size_t i = 0; i < WANTED_COUNT; i++) {
        if (seen[i] || !span_equal_nocase(field->name, span_text(wanted[i].name)))
            continue;
        seen[i] = true;
        return value(context, wanted[i].reading, field->value, (char *)headers + wanted[i].offset);
    }
    return true;
}

int block_read(int fd, block_value *value, void *context, struct message_headers *headers, struct err *err)
{
    static char block[FIELD_BLOCK_MAX]; /* large, and only as much of it is touched as is read */
    struct buf reason = buf_over(headers->no_reply, sizeof headers->no_reply);
    bool seen[WANTED_COUNT] = {false};
    struct field field;
    struct span rest;
    size_t size = 0;

    if (field_read_block(fd, block, &size, err) != 0)
        return -1;
    rest = (struct span){block, size};
    while (field_next(&rest, &field)) {
        if (!keep_if_wanted(value, context, &field, seen, headers))
            return 0;
        if (reason.size == 0)
            (void)automatic_judge(field.name, field.value, &reason);
    }
    return 1;
}
