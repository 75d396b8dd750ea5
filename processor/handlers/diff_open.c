#include "processor/handlers/diff_open.h"

#include <string.h>

#include "processor/handlers/diff_line.h"

/* ---- names of files ---- */

void diff_take_path(struct diff_scan *scan, enum diff_rank rank, struct span name)
{
    struct buf path;

    name = span_trim(span_slice(name, 0, span_find(name, '\t')));
    if (rank <= scan->rank || name.size == 0 || span_equal(name, span_text("/dev/null")))
        return;
    scan->rank = rank;
    path = buf_over(scan->file->path, sizeof scan->file->path);
    diff_put_name(&path, name);
    /* Where there were quotes, they stood before it. */
    if (scan->is_git && rank != PATH_OF_RENAME &&
        (diff_starts(buf_span(&path), "a/") || diff_starts(buf_span(&path), "b/")))
        buf_consume(&path, 2);
}

void diff_take_diff_line(struct diff_scan *scan, struct span line)
{
    size_t word = line.size;

    scan->has_diff = true;
    if (diff_starts(line, "diff --git ")) {
        scan->is_git = true;
        diff_take_path(scan, PATH_OF_DIFF, diff_git_name(span_slice(line, 11, line.size)));
        return;
    }
    if (diff_starts(line, "diff --cc ") || diff_starts(line, "diff --combined ")) {
        scan->is_git = true; /* their --- and +++ lines have a/ and b/, this one has not */
        word = span_find(span_slice(line, 5, line.size), ' ') + 5;
    } else {
        while (word > 0 && line.data[word - 1] != ' ')
            word--;
    }
    diff_take_path(scan, PATH_OF_DIFF, span_slice(line, word, line.size));
}

/* ---- heads of files ---- */

/* "Modified: NAME", and below it, perhaps behind a line or two, a rule. */
static bool has_rule_below(struct span text, size_t at, char sign)
{
    size_t next;
    struct span line;

    (void)diff_line_at(text, at, &next);
    for (int i = 0; i < 3; i++) {
        line = diff_line_at(text, next, &next);
        if (diff_is_rule(line, sign))
            return true;
        if (!diff_starts(line, "URL: ") && !diff_starts(line, "   "))
            return false;
    }
    return false;
}

static const struct {
    const char *word;
    char sign; /* of the rule below */
} announcements[] = {
    {"Modified: ", '='}, {"Added: ", '='},   {"Deleted: ", '='},  {"Removed: ", '='},
    {"Copied: ", '='},   {"Renamed: ", '='}, {"Replaced: ", '='}, {"Propchange: ", '-'},
};

static bool opens_announced(struct diff_scan *scan, struct span line)
{
    for (size_t i = 0; i < sizeof announcements / sizeof announcements[0]; i++) {
        struct span name;

        if (!diff_starts(line, announcements[i].word) || !has_rule_below(scan->text, scan->at, announcements[i].sign))
            continue;
        name = span_slice(line, strlen(announcements[i].word), line.size);
        diff_take_path(scan, PATH_FINAL, span_slice(name, 0, diff_find(name, " (from r")));
        scan->is_property = announcements[i].sign == '-';
        return true;
    }
    return false;
}

static bool opens_index(struct diff_scan *scan, struct span line)
{
    struct span below;

    if (!diff_starts(line, "Index: "))
        return false;
    below = diff_line_behind(scan->text, scan->at);
    if (!diff_is_rule(below, '=') && !diff_starts(below, "RCS file: ") && !diff_starts(below, "--- ") &&
        !diff_starts(below, "diff "))
        return false;
    diff_take_path(scan, PATH_FINAL, span_slice(line, 7, line.size));
    return true;
}

static bool opens_diff(struct diff_scan *scan, struct span line)
{
    struct span below;

    if (!diff_starts(line, "diff -"))
        return false;
    below = diff_line_behind(scan->text, scan->at);
    if (!diff_starts(line, "diff --") && !diff_starts(below, "--- ") && !diff_starts(below, "Binary files "))
        return false;
    diff_take_diff_line(scan, line);
    return true;
}

bool diff_is_hunk(struct span line)
{
    return diff_starts(line, "@@ -") || diff_starts(line, "@@@ -") || diff_starts(line, "@@@@ -") ||
           diff_starts(line, "## -");
}

/* "--- NAME", "+++ NAME" and a hunk, without anything above that would name the file. */
static bool opens_plain(struct diff_scan *scan, struct span line)
{
    struct span below;
    size_t next;

    if (!diff_starts(line, "--- "))
        return false;
    (void)diff_line_at(scan->text, scan->at, &next);
    below = diff_line_at(scan->text, next, &next);
    return diff_starts(below, "+++ ") && diff_is_hunk(diff_line_at(scan->text, next, &next));
}

bool diff_opens_property(struct diff_scan *scan, struct span line)
{
    static const char words[] = "Property changes on: ";

    if (!diff_starts(line, words) || !diff_is_rule(diff_line_behind(scan->text, scan->at), '_'))
        return false;
    diff_take_path(scan, PATH_FINAL, span_slice(line, sizeof words - 1, line.size));
    scan->is_property = true;
    return true;
}

bool diff_opens(struct diff_scan *scan, struct span line)
{
    return opens_index(scan, line) || opens_announced(scan, line) || opens_diff(scan, line) ||
           diff_opens_property(scan, line) || opens_plain(scan, line);
}

bool diff_would_open(struct span text, size_t at)
{
    struct diff_file file;
    struct diff_scan scan = {.text = text, .at = at, .file = &file};
    size_t next;

    return diff_opens(&scan, diff_line_at(text, at, &next));
}
