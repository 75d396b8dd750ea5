#include "processor/parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "processor/filename.h"

/* ---- the texts of a record, in the order in which they stand ---- */

enum { TEXTS_MAX = 6 };

static const struct {
    size_t texts[TEXTS_MAX]; /* offsets */
    size_t count;
} shapes[] = {
    [PARTS_FIELD] = {{offsetof(struct parts_record, name), offsetof(struct parts_record, value)}, 2},
    [PARTS_ADDRESS] = {{offsetof(struct parts_record, header), offsetof(struct parts_record, name),
                        offsetof(struct parts_record, value)},
                       3},
    [PARTS_DATE] = {{offsetof(struct parts_record, value)}, 1},
    [PARTS_PART] = {{offsetof(struct parts_record, name), offsetof(struct parts_record, content_type),
                     offsetof(struct parts_record, charset), offsetof(struct parts_record, encoding),
                     offsetof(struct parts_record, disposition), offsetof(struct parts_record, content_id)},
                    6},
    [PARTS_LEFT_OUT] = {{0}, 0},
};
static_assert(sizeof shapes / sizeof shapes[0] == PARTS_TYPE_END, "every record has its shape");

/* All the texts of a record have room in one frame: one long one, or several that are each cut a good deal shorter.
 */
static size_t room_for(enum parts_type type)
{
    return type == PARTS_PART ? PARTS_TEXT_MAX / 4 : PARTS_TEXT_MAX;
}

static struct span cut(struct span text, size_t size)
{
    if (text.size <= size)
        return text;
    /* Not in the midst of a character. */
    while (size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return span_slice(text, 0, size);
}

void parts_put(struct buf *frame, const struct parts_record *record, uint64_t offset)
{
    frame_start(frame, (uint8_t)record->type);
    for (size_t i = 0; i < shapes[record->type].count; i++) {
        struct span text;

        memcpy(&text, (const char *)record + shapes[record->type].texts[i], sizeof text);
        frame_put_text(frame, text.data == NULL ? span_text("") : cut(text, room_for(record->type)));
    }
    if (record->type != PARTS_PART)
        return;
    frame_put_number(frame, record->role);
    frame_put_number(frame, record->number);
    frame_put_number(frame, record->depth);
    frame_put_number(frame, offset);
    frame_put_number(frame, record->contents.size);
}

/* ---- reading ---- */

int parts_open(struct parts *parts, int records, int contents, struct err *err)
{
    struct stat status;
    void *mapped;

    parts->records = records;
    parts->at = 0;
    parts->contents = (struct span){"", 0};
    if (fstat(contents, &status) != 0)
        return err_system(err, "decoded contents");
    if (status.st_size == 0)
        return 0;
    mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, contents, 0);
    if (mapped == MAP_FAILED)
        return err_system(err, "decoded contents");
    parts->contents = (struct span){mapped, (size_t)status.st_size};
    return 0;
}

void parts_close(struct parts *parts)
{
    if (parts->contents.size > 0)
        (void)munmap((void *)(uintptr_t)parts->contents.data, parts->contents.size);
    parts->contents = (struct span){"", 0};
}

void parts_rewind(struct parts *parts)
{
    parts->at = 0;
}

/* Reads exactly as much, or nothing at the file's end: 1 or 0. */
static int read_at(struct parts *parts, void *to, size_t size, struct err *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(parts->records, (char *)to + done, size - done, (off_t)parts->at + (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "records of a message");
        if (got == 0)
            return done == 0 ? 0 : err_set(err, ERR_PROTOCOL, "a message's records end in the midst of one");
        done += (size_t)got;
    }
    parts->at += (int64_t)size;
    return 1;
}

/* False: a number is beyond what it counts, or the contents are not where they should be. */
static bool take_numbers(const struct parts *parts, struct frame_reader *reader, struct parts_record *record)
{
    uint64_t role = frame_number(reader);
    uint64_t number = frame_number(reader);
    uint64_t depth = frame_number(reader);
    uint64_t offset = frame_number(reader);
    uint64_t size = frame_number(reader);

    if (role >= PARTS_ROLE_COUNT || number > PARTS_COUNT_MAX || depth > PARTS_DEPTH_MAX ||
        offset > parts->contents.size || size > parts->contents.size - offset)
        return false;
    record->role = (enum parts_role)role;
    record->number = (unsigned)number;
    record->depth = (unsigned)depth;
    record->contents = span_slice(parts->contents, (size_t)offset, (size_t)(offset + size));
    return true;
}

static int take_record(const struct parts *parts, struct span frame, struct parts_record *record, struct err *err)
{
    struct frame_reader reader = frame_read(frame);
    bool is_good = reader.type >= PARTS_FIELD && reader.type < PARTS_TYPE_END;

    *record = (struct parts_record){.type = is_good ? (enum parts_type)reader.type : PARTS_LEFT_OUT};
    for (size_t i = 0; is_good && i < shapes[record->type].count; i++) {
        struct span text = frame_text(&reader, PARTS_TEXT_MAX);

        memcpy((char *)record + shapes[record->type].texts[i], &text, sizeof text);
    }
    if (is_good && record->type == PARTS_PART)
        is_good = take_numbers(parts, &reader, record);
    if (!is_good || !frame_is_whole(&reader))
        return err_set(err, ERR_PROTOCOL, "the message parser wrote a malformed record");
    return 1;
}

int parts_next(struct parts *parts, struct parts_record *record, struct err *err)
{
    uint32_t size;
    int status = read_at(parts, &size, sizeof size, err);

    if (status != 1)
        return status;
    if (size == 0 || size > sizeof parts->storage)
        return err_set(err, ERR_PROTOCOL, "the message parser wrote a record of %u bytes", size);
    status = read_at(parts, parts->storage, size, err);
    if (status == 0)
        return err_set(err, ERR_PROTOCOL, "a message's records end in the midst of one");
    return status == 1 ? take_record(parts, (struct span){parts->storage, size}, record, err) : -1;
}

void parts_file_name(const struct parts_record *part, struct buf *name)
{
    if (part->name.size == 0 || !filename_make_safe(part->name, name)) {
        buf_clear(name);
        filename_make_up(part->number, part->content_type, name);
    }
}
