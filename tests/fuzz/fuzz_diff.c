/* Diffs in a text: the pieces make up the text, less what is said to be left out; and short, it stays as it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "processor/handlers/diff.h"
#include "processor/handlers/shorten.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out, in storage that is large enough for notes in place of single lines. */
struct output {
    char *data;
    size_t size, capacity;
};

static void put(void *context, struct span piece)
{
    struct output *output = context;

    if (piece.size > output->capacity - output->size)
        abort();
    memcpy(output->data + output->size, piece.data, piece.size);
    output->size += piece.size;
}

static void check_files(struct span text)
{
    struct diff_file file;
    size_t at = 0, last = 0;

    while (diff_next(text, &at, &file)) {
        if (file.start < last || file.body < file.start || file.end < file.body || file.end > text.size ||
            file.end == file.start || at != file.end || strlen(file.path) >= DIFF_PATH_SIZE)
            abort();
        /* Whole lines. */
        if ((file.start > 0 && text.data[file.start - 1] != '\n') ||
            (file.end < text.size && text.data[file.end - 1] != '\n'))
            abort();
        last = file.end;
    }
}

static bool shorten(struct span text, const struct shorten_rules *rules, struct output *output)
{
    struct shorten_sum sum = {0};
    bool is_changed;

    output->capacity = 2 * text.size + (diff_count_lines(text) + 1) * (DIFF_PATH_SIZE + 64);
    output->data = malloc(output->capacity);
    output->size = 0;
    if (output->data == NULL)
        abort();
    is_changed = shorten_text(text, rules, put, output, &sum);
    if (is_changed != (sum.skipped + sum.cut > 0) || sum.lines > diff_count_lines(text))
        abort();
    return is_changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shorten_rules rules = {.skips = {"*.js", "a/*"}, .skip_count = 2};
    struct span text = {(const char *)data + 1, size > 0 ? size - 1 : 0};
    struct output output;

    if (size == 0)
        return 0;
    check_files(text);
    rules.max_lines = data[0];
    if (!shorten(text, &rules, &output) &&
        (output.size != text.size || (text.size > 0 && memcmp(output.data, text.data, text.size) != 0)))
        abort();
    free(output.data);
    return 0;
}
