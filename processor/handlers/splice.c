#include "processor/handlers/splice.h"

#include <errno.h>
#include <unistd.h>

#include "common/io.h"

enum { CHUNK_SIZE = 64 * 1024 };

struct edit {
    gint64 start, end;
    GByteArray *bytes;
};

static void free_edit(gpointer data)
{
    struct edit *edit = data;

    if (edit->bytes != NULL)
        g_byte_array_unref(edit->bytes);
}

static gint compare(gconstpointer a, gconstpointer b)
{
    const struct edit *one = a, *other = b;

    return (one->start > other->start) - (one->start < other->start);
}

GArray *splice_new(void)
{
    GArray *edits = g_array_new(FALSE, FALSE, sizeof(struct edit));

    g_array_set_clear_func(edits, free_edit);
    return edits;
}

void splice_add(GArray *edits, gint64 start, gint64 end, GByteArray *bytes)
{
    struct edit edit = {start, end, bytes};

    g_array_append_val(edits, edit);
}

static int write_bytes(int output, const void *bytes, size_t size, struct err *err)
{
    return io_write_all(output, (struct span){bytes, size}) == 0 ? 0 : err_system(err, "writing the message");
}

/* The message's bytes from `start` to `end`, or to its own end. */
static int copy_range(int message, int output, gint64 start, gint64 end, struct err *err)
{
    static char chunk[CHUNK_SIZE];

    while (start < end) {
        size_t wanted = end - start < CHUNK_SIZE ? (size_t)(end - start) : CHUNK_SIZE;
        ssize_t got = pread(message, chunk, wanted, (off_t)start);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading the message");
        if (got == 0)
            return 0;
        if (write_bytes(output, chunk, (size_t)got, err) != 0)
            return -1;
        start += got;
    }
    return 0;
}

int splice_write(int message, int output, GArray *edits, struct err *err)
{
    gint64 at = 0;

    g_array_sort(edits, compare);
    for (guint i = 0; i < edits->len; i++) {
        const struct edit *edit = &g_array_index(edits, struct edit, i);

        if (edit->start < at)
            return err_set(err, ERR_BUG, "parts of a message overlap");
        if (copy_range(message, output, at, edit->start, err) != 0)
            return -1;
        if (edit->bytes != NULL && write_bytes(output, edit->bytes->data, edit->bytes->len, err) != 0)
            return -1;
        at = edit->end;
    }
    return copy_range(message, output, at, G_MAXINT64, err);
}
