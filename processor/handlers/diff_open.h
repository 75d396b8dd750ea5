/*
 * Where the diff of a file begins in a text, and what the file is called; for processor/handlers/diff.c alone. Pure.
 */
#ifndef PROCESSOR_HANDLERS_DIFF_OPEN_H
#define PROCESSOR_HANDLERS_DIFF_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "processor/handlers/diff.h"

/* Where the name of a file was found: the higher, the more it is worth. */
enum diff_rank { PATH_NONE, PATH_OF_DIFF, PATH_OF_OLD, PATH_OF_RENAME, PATH_OF_NEW, PATH_FINAL };

struct diff_scan {
    struct span text;
    size_t at;
    struct diff_file *file;
    enum diff_rank rank;
    bool is_git;      /* names have a/ and b/ before them */
    bool is_property; /* within property changes */
    bool has_old, has_new, has_diff, has_body;
};

/* Takes the name, if it is worth more than the one that there is. */
void diff_take_path(struct diff_scan *scan, enum diff_rank rank, struct span name);
/* "diff --git ..." and the like, with what it names. */
void diff_take_diff_line(struct diff_scan *scan, struct span line);

/* The line, which stands at scan->at, is the first of a file's diff. */
bool diff_opens(struct diff_scan *scan, struct span line);
/* The same for the line at `at`, without taking anything from it. */
bool diff_would_open(struct span text, size_t at);
/* "Property changes on: " alone. */
bool diff_opens_property(struct diff_scan *scan, struct span line);

/* The head of a hunk, of a merge's or a property's too. */
bool diff_is_hunk(struct span line);

#endif
