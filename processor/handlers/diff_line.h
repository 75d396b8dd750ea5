/*
 * The lines of a diff, and the names of files in them; for processor/handlers/diff.c alone. Pure.
 */
#ifndef PROCESSOR_HANDLERS_DIFF_LINE_H
#define PROCESSOR_HANDLERS_DIFF_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* The line at `at`, without its end, and where the next one is. */
struct span diff_line_at(struct span text, size_t at, size_t *next);
/* The line behind that one; empty where there is none. */
struct span diff_line_behind(struct span text, size_t at);

bool diff_starts(struct span line, const char *start);
/* At least twenty of this sign, and nothing else. */
bool diff_is_rule(struct span line, char sign);
/* What an earlier run left in place of something. */
bool diff_is_note(struct span line);
/* The position of `needle`, or the span's size. */
size_t diff_find(struct span whole, const char *needle);

/* Adds a name to the buffer, of one too long the end; control characters are made harmless, git's quotes taken off.
 */
void diff_put_name(struct buf *path, struct span name);
/* The first of git's two names, "a/NAME b/NAME", where they are the same; else both: further lines tell them apart.
 */
struct span diff_git_name(struct span names);

#endif
