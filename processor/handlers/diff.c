#include "processor/handlers/diff.h"

#include <string.h>

#include "processor/handlers/diff_line.h"
#include "processor/handlers/diff_open.h"

enum {
    WRAPPED_SIZE_MIN = 60,   /* a line that some mailer broke in two is at least as long as this */
    HUNK_LINES_MAX = 1 << 30 /* what a head may announce */
};

/* ---- hunks ---- */

/* Reads "12,34" or "12", which is 12,1, behind `sign`, and gives the count. */
static size_t announced(struct span head, char sign)
{
    size_t at = span_find(head, sign) + 1;
    size_t count = 0;

    while (at < head.size && head.data[at] >= '0' && head.data[at] <= '9')
        at++;
    if (at >= head.size || head.data[at] != ',')
        return 1;
    for (at++; at < head.size && head.data[at] >= '0' && head.data[at] <= '9' && count < HUNK_LINES_MAX; at++)
        count = count * 10 + (size_t)(head.data[at] - '0');
    return count;
}

/* Takes a line off what is still to come; false: it is none of this hunk. */
static bool count_line(char sign, size_t *old, size_t *new)
{
    switch (sign) {
    case ' ':
        if (*old == 0 || *new == 0)
            return false;
        --*old;
        --*new;
        return true;
    case '-':
        return *old > 0 && (*old)-- > 0;
    case '+':
        return *new > 0 && (*new)-- > 0;
    default:
        return sign == '\\';
    }
}

static bool is_sign(char byte)
{
    return byte == ' ' || byte == '+' || byte == '-' || byte == '\\';
}

/* Passes over a merge's hunk: its lines have a column for each parent, and are told by them alone. */
static size_t pass_combined(struct span text, size_t at)
{
    size_t next;

    for (; at < text.size; at = next) {
        struct span line = diff_line_at(text, at, &next);

        if (line.size > 0 && !is_sign(line.data[0]))
            break;
        if (line.size == 0 || diff_would_open(text, at))
            break;
    }
    return at;
}

/* Passes over the hunk at `at`, and gives where it ends. */
static size_t pass_hunk(struct span text, size_t at)
{
    size_t next;
    struct span head = diff_line_at(text, at, &next);
    size_t old = announced(head, '-'), new = announced(head, '+');
    size_t size_before = 0;

    at = next;
    if (diff_starts(head, "@@@"))
        return pass_combined(text, at);
    for (; (old > 0 || new > 0) && at < text.size; at = next) {
        struct span line = diff_line_at(text, at, &next);
        /* Mailers take spaces off the ends of lines. */
        char sign = line.size == 0 ? ' ' : line.data[0];
        bool is_wrapped = size_before >= WRAPPED_SIZE_MIN && line.size > 0 && !diff_is_note(line);

        if (!count_line(sign, &old, &new) &&
            (!is_wrapped || is_sign(sign) || diff_is_hunk(line) || diff_would_open(text, at)))
            break;
        size_before = line.size;
    }
    while (at < text.size && diff_starts(diff_line_at(text, at, &next), "\\ "))
        at = next;
    return at;
}

/* ---- the rest of a file's diff ---- */

static const char *const head_lines[] = {
    "URL: ",
    "      - copied ",
    "index ",
    "old mode ",
    "new mode ",
    "deleted file mode ",
    "new file mode ",
    "copy from ",
    "rename from ",
    "similarity index ",
    "dissimilarity index ",
    "RCS file: ",
    "retrieving revision ",
};

static const char *const binary_lines[] = {
    "Binary file",
    "(Binary files differ)",
    "Cannot display: ",
    "svn:mime-type = ",
};

static const char *const property_lines[] = {
    "Added: ", "Modified: ", "Deleted: ", "Name: ", "  ", "--- ", "+++ ", "\\ ",
};

static bool is_one_of(struct span line, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (diff_starts(line, list[i]))
            return true;
    return false;
}

#define IS_ONE_OF(line, list) is_one_of(line, list, sizeof(list) / sizeof(list)[0])

/* Others than git put a/ and b/ before names, too. */
static bool has_git_names(struct span old, struct span new)
{
    bool is_old = diff_starts(old, "--- a/"), is_new = diff_starts(new, "+++ b/");

    return (is_old && is_new) || (is_old && diff_starts(new, "+++ /dev/null")) ||
           (is_new && diff_starts(old, "--- /dev/null"));
}

/* A line of the head, before any hunk; names of files are taken from it. */
static bool take_head_line(struct diff_scan *scan, struct span line)
{
    if (diff_starts(line, "--- ") && !scan->has_old) {
        scan->has_old = true;
        scan->is_git = scan->is_git || has_git_names(line, diff_line_behind(scan->text, scan->at));
        diff_take_path(scan, PATH_OF_OLD, span_slice(line, 4, line.size));
        return true;
    }
    if (diff_starts(line, "+++ ") && scan->has_old && !scan->has_new) {
        scan->has_new = true;
        diff_take_path(scan, PATH_OF_NEW, span_slice(line, 4, line.size));
        return true;
    }
    if (diff_starts(line, "rename to ") || diff_starts(line, "copy to ")) {
        diff_take_path(scan, PATH_OF_RENAME, span_slice(line, diff_find(line, " to ") + 4, line.size));
        return true;
    }
    /* Below "Index: " there may be one; without it, it is the next file's. */
    if (diff_starts(line, "diff -") && scan->rank == PATH_FINAL && !scan->has_diff) {
        diff_take_diff_line(scan, line);
        return true;
    }
    return diff_is_rule(line, '=') || IS_ONE_OF(line, head_lines);
}

/* Blocks of git's base 85, with an empty line behind each. */
static size_t pass_binary(struct span text, size_t at)
{
    size_t next;

    while (at < text.size) {
        struct span line = diff_line_at(text, at, &next);
        struct span below = diff_line_behind(text, at);

        if (line.size == 0 && !diff_starts(below, "literal ") && !diff_starts(below, "delta "))
            break;
        at = next;
    }
    return at;
}

static void begin_body(struct diff_scan *scan)
{
    if (!scan->has_body)
        scan->file->body = scan->at;
    scan->has_body = true;
}

/* An empty line, or two, and the same file's property changes. */
static bool goes_on(struct diff_scan *scan, struct span line, size_t next)
{
    struct diff_file other = {.path = ""};
    struct diff_scan ahead = {.text = scan->text, .at = next, .file = &other};
    struct span opening;
    size_t behind;

    if (line.size > 0)
        return false;
    opening = diff_line_at(scan->text, ahead.at, &behind);
    if (opening.size == 0) {
        ahead.at = behind;
        opening = diff_line_at(scan->text, ahead.at, &behind);
    }
    if (!diff_opens_property(&ahead, opening) || strcmp(other.path, scan->file->path) != 0)
        return false;
    begin_body(scan);
    scan->is_property = true;
    (void)diff_line_at(scan->text, behind, &scan->at);
    return true;
}

/* A line that stands for a diff, or tells of a property. */
static bool is_of_body(const struct diff_scan *scan, struct span line)
{
    if (scan->is_property)
        return IS_ONE_OF(line, property_lines) && !diff_would_open(scan->text, scan->at);
    return IS_ONE_OF(line, binary_lines);
}

/* Passes over a line, or a hunk, that belongs to the file. */
static bool take(struct diff_scan *scan)
{
    size_t next;
    struct span line = diff_line_at(scan->text, scan->at, &next);

    if (diff_is_hunk(line)) {
        begin_body(scan);
        scan->at = pass_hunk(scan->text, scan->at);
        return true;
    }
    if (!scan->has_body && take_head_line(scan, line)) {
        scan->at = next;
        return true;
    }
    if (scan->is_property && !scan->has_body && (diff_is_rule(line, '_') || diff_is_rule(line, '-'))) {
        scan->at = next;
        return true;
    }
    if (is_of_body(scan, line)) {
        begin_body(scan);
        scan->at = next;
        return true;
    }
    if (diff_starts(line, "GIT binary patch")) {
        begin_body(scan);
        scan->at = pass_binary(scan->text, next);
        return true;
    }
    return goes_on(scan, line, next);
}

size_t diff_count_lines(struct span text)
{
    size_t count = 0;

    for (size_t at = 0; at < text.size; count++)
        (void)diff_line_at(text, at, &at);
    return count;
}

bool diff_next(struct span text, size_t *at, struct diff_file *file)
{
    struct diff_scan scan = {.text = text, .file = file};
    size_t next;

    for (scan.at = *at; scan.at < text.size; scan.at = next) {
        file->path[0] = '\0';
        if (diff_opens(&scan, diff_line_at(text, scan.at, &next)))
            break;
    }
    if (scan.at >= text.size)
        return false;
    file->start = scan.at;
    /* The line that opens a plain one is its first of two names, and told apart by what follows. */
    if (!diff_starts(diff_line_at(text, scan.at, &next), "--- "))
        scan.at = next;
    while (scan.at < text.size && take(&scan))
        ;
    if (!scan.has_body)
        file->body = scan.at;
    file->end = scan.at;
    *at = scan.at;
    return true;
}
