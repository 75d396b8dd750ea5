#include "processor/handlers/shorten.h"

#include <string.h>

#include "processor/handlers/diff.h"
#include "processor/handlers/glob.h"

enum { NOTE_SIZE = DIFF_PATH_SIZE + 64 };

static bool is_skipped(const struct shorten_rules *rules, const char *path)
{
    for (size_t i = 0; i < rules->skip_count; i++)
        if (glob_matches_path(span_text(rules->skips[i]), span_text(path)))
            return true;
    return false;
}

/* Where the line behind the first `count` lines from `from` begins, or `to`. */
static size_t behind_lines(struct span text, size_t from, size_t to, size_t count)
{
    for (; count > 0 && from < to; count--)
        from += span_find(span_slice(text, from, to), '\n') + 1;
    return from < to ? from : to;
}

/* The note in place of the bytes from `from` to the end of the file's diff. */
static void put_note(struct span text, const struct diff_file *file, size_t from, shorten_put *put, void *context,
                     struct shorten_sum *sum)
{
    char storage[NOTE_SIZE];
    struct buf note = buf_over(storage, sizeof storage);
    struct span left_out = span_slice(text, from, file->end);
    size_t lines = diff_count_lines(left_out);
    bool has_end = left_out.data[left_out.size - 1] == '\n';
    size_t first = file->start + span_find(span_slice(text, file->start, file->end), '\n');
    /* As the mail's own lines end; those of a file may have a CR that is part of it. */
    bool has_cr = has_end && first > file->start && text.data[first - 1] == '\r';

    buf_printf(&note, "[%s: %zu %sline%s of diff" DIFF_NOTE_END "%s", file->path[0] == '\0' ? "a file" : file->path,
               lines, from == file->start ? "" : "more ", lines == 1 ? "" : "s",
               has_cr    ? "\r\n"
               : has_end ? "\n"
                         : "");
    put(context, buf_span(&note));
    sum->lines += lines;
}

bool shorten_text(struct span text, const struct shorten_rules *rules, shorten_put *put, void *context,
                  struct shorten_sum *sum)
{
    struct diff_file file;
    size_t at = 0, kept = 0; /* up to `kept` it was given */
    bool is_changed = false;

    while (diff_next(text, &at, &file)) {
        size_t from = file.end;

        if (is_skipped(rules, file.path))
            from = file.start;
        else if (rules->max_lines > 0)
            from = behind_lines(text, file.body, file.end, rules->max_lines);
        if (from == file.end)
            continue;
        sum->skipped += from == file.start ? 1 : 0;
        sum->cut += from == file.start ? 0 : 1;
        put(context, span_slice(text, kept, from));
        put_note(text, &file, from, put, context, sum);
        kept = file.end;
        is_changed = true;
    }
    put(context, span_slice(text, kept, text.size));
    return is_changed;
}

bool shorten_has_armour(struct span text)
{
    static const char *const beginnings[] = {"-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP MESSAGE-----"};

    while (text.size > 0) {
        for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
            if (text.size >= strlen(beginnings[i]) && memcmp(text.data, beginnings[i], strlen(beginnings[i])) == 0)
                return true;
        text = span_slice(text, span_find(text, '\n') + 1, text.size);
    }
    return false;
}
