#include "common/rejection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"

static const char tag[] = "R";

/* The fields behind the time, in their order on the line. */
static const struct field {
    size_t offset;
    size_t max; /* bytes */
} fields[] = {
    {offsetof(struct rejection, client), ENVELOPE_CLIENT_SIZE - 1},
    {offsetof(struct rejection, helo), ENVELOPE_HELO_SIZE - 1},
    {offsetof(struct rejection, sender), ADDRESS_SIZE - 1},
    {offsetof(struct rejection, recipient), ADDRESS_SIZE - 1},
    {offsetof(struct rejection, reply), REJECTION_REPLY_MAX},
};

enum {
    FIELD_COUNT = sizeof fields / sizeof fields[0],
    FIELDS_MAX = ENVELOPE_CLIENT_SIZE + ENVELOPE_HELO_SIZE + 2 * ADDRESS_SIZE + REJECTION_REPLY_MAX,
    TRIES = 3, /* at a journal that is taken away meanwhile */
};
static_assert((int)FIELDS_MAX + 32 < (int)REJECTION_LINE_MAX, "every rejection has room on its line");

static const uint64_t latest_ms = 253402300799999; /* the end of the year 9999, the last that SQLite can write */

int rejection_paths(struct rejection_paths *paths, const char *index, struct err *err)
{
    struct buf journal = buf_over(paths->journal, sizeof paths->journal);
    struct buf taken = buf_over(paths->taken, sizeof paths->taken);

    buf_printf(&journal, "%s-rejections", index);
    buf_printf(&taken, "%s-rejections-taken", index);
    return taken.overflowed ? err_set(err, ERR_PERMANENT, "the path %s is too long", index) : 0;
}

/* ---- lines ---- */

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7F;
}

/* The control characters beyond ASCII, U+0080 to U+009F, steer terminals as well. */
static bool is_high_control(struct span text, size_t at)
{
    return (unsigned char)text.data[at] == 0xC2 && at + 1 < text.size && (unsigned char)text.data[at + 1] < 0xA0;
}

static void put_cleaned(struct buf *line, struct span text)
{
    bool is_utf8 = span_is_utf8(text);

    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (is_utf8 && is_high_control(text, i)) {
            buf_put_text(line, "?");
            i++;
        } else {
            buf_put_byte(line, is_control(byte) || (byte >= 0x80 && !is_utf8) ? '?' : text.data[i]);
        }
    }
}

static bool is_clean(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (is_control((unsigned char)text.data[i]) || is_high_control(text, i))
            return false;
    return span_is_utf8(text);
}

void rejection_write(const struct rejection *rejection, struct buf *line)
{
    int64_t time_ms = rejection->time_ms;

    buf_printf(line, "%s\t%llu", tag, time_ms < 0 ? 0ULL : (unsigned long long)time_ms);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct span text;

        memcpy(&text, (const char *)rejection + fields[i].offset, sizeof text);
        buf_put_byte(line, '\t');
        put_cleaned(line, span_slice(text, 0, fields[i].max));
    }
    buf_put_byte(line, '\n');
}

/* Cuts the text up to the next tab off. */
static struct span next_field(struct span *line, bool *missing)
{
    size_t size = span_find(*line, '\t');
    struct span field = span_slice(*line, 0, size);

    *missing = *missing || size == line->size;
    *line = span_slice(*line, size + 1, line->size);
    return field;
}

int rejection_read(struct span line, struct rejection *rejection)
{
    unsigned long long time_ms;
    bool missing = false;
    struct span first = next_field(&line, &missing);
    struct span time = next_field(&line, &missing);

    if (missing || !span_equal(first, span_text(tag)) || span_number(time, latest_ms, &time_ms) != 0)
        return -1;
    rejection->time_ms = (int64_t)time_ms;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct span text = i + 1 < FIELD_COUNT ? next_field(&line, &missing) : line;

        if (missing || text.size > fields[i].max || !is_clean(text))
            return -1;
        memcpy((char *)rejection + fields[i].offset, &text, sizeof text);
    }
    return 0;
}

/* ---- the file ---- */

/* Opens one of the two. A pipe or a link that somebody put there is not written into. */
static int open_file(const char *path, int flags, struct err *err)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0660);
    struct stat status;

    if (fd < 0)
        return err_system(err, "%s", path);
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    (void)close(fd);
    return err_set(err, ERR_PERMANENT, "%s is no file; remove it", path);
}

/* The journal with a shared lock on it, or -1; with number EAGAIN it was taken away just now. */
static int open_to_append(const char *path, struct stat *status, struct err *err)
{
    int fd = FAULT_ERRNO("rejection-open") ? err_system(err, "%s", path)
                                           : open_file(path, O_WRONLY | O_APPEND | O_CREAT, err);
    struct stat named;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        err_system(err, "locking %s", path);
    } else if (fstat(fd, status) != 0) {
        err_system(err, "%s", path);
    } else if (stat(path, &named) != 0 || named.st_ino != status->st_ino || named.st_dev != status->st_dev) {
        errno = EAGAIN;
        err_system(err, "%s", path);
    } else {
        return fd;
    }
    (void)close(fd);
    return -1;
}

static int write_line(int fd, const struct rejection_paths *paths, const struct buf *line, struct err *err)
{
    ssize_t written = FAULT_ERRNO("rejection-write") ? -1 : write(fd, line->data, line->size);

    if (written < 0)
        return err_system(err, "%s", paths->journal);
    /* The rest would stand behind other lines by now; what is there is no whole line, and no harm. */
    if ((size_t)written < line->size)
        return err_set(err, ERR_TEMPORARY, "%s: no room for a whole line", paths->journal);
    return 0;
}

int rejection_append(const struct rejection_paths *paths, const struct rejection *rejection, struct err *err)
{
    char storage[REJECTION_LINE_MAX];
    struct buf line = buf_over(storage, sizeof storage);
    struct stat status = {0};
    int fd = -1;
    int result;

    for (int i = 0; i < TRIES && fd < 0; i++) {
        fd = open_to_append(paths->journal, &status, err);
        if (fd < 0 && err->number != EAGAIN)
            return -1;
    }
    if (fd < 0)
        return -1;
    rejection_write(rejection, &line);
    result = status.st_size < REJECTION_JOURNAL_MAX ? write_line(fd, paths, &line, err) : 0;
    if (result == 0 && status.st_size < REJECTION_JOURNAL_MAX &&
        status.st_size + (off_t)line.size >= REJECTION_JOURNAL_MAX) {
        result = err_set(err, ERR_TEMPORARY,
                         "%s is full: no more rejections are recorded until mailmill-processor has read it",
                         paths->journal);
        err->number = EFBIG;
    }
    (void)close(fd); /* and with it the lock */
    return result;
}

int rejection_take(const struct rejection_paths *paths, struct err *err)
{
    int fd = open_file(paths->taken, O_RDWR, err);

    if (fd < 0 && err->number == ENOENT) {
        if (rename(paths->journal, paths->taken) != 0) {
            err_system(err, "%s", paths->journal);
            if (err->number == ENOENT)
                *err = (struct err){0};
            return -1;
        }
        FAULT_POINT("rejection-taken");
        fd = open_file(paths->taken, O_RDWR, err);
    }
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    err_system(err, "%s", paths->taken);
    (void)close(fd);
    return -1;
}

int rejection_drop(const struct rejection_paths *paths, int fd, struct err *err)
{
    int status = unlink(paths->taken) == 0 ? 0 : err_system(err, "removing %s", paths->taken);

    (void)close(fd);
    return status;
}
