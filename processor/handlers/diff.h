/*
 * Finds the diffs of files in a text, as commit mails hold them: Subversion's (svn diff, svnlook diff, mailer.py,
 * svnmailer), git's (also combined ones and binary patches), those of CVS and Mercurial, and plain unified ones.
 * Pure: bytes in an ASCII-compatible character set in, positions out.
 *
 *     size_t at = 0;
 *     while (diff_next(text, &at, &file))
 *         file.start .. file.body is the head of a file's diff, file.body .. file.end the rest of it
 *
 * Hunks are counted by what their heads announce, so that a line within one is never taken for the head of a file,
 * whatever it says. Property changes of Subversion that follow a file's diff belong to it.
 */
#ifndef PROCESSOR_HANDLERS_DIFF_H
#define PROCESSOR_HANDLERS_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

enum { DIFF_PATH_SIZE = 1024 };

/* What ends a line that tells of a part left out, and is thus none of a diff's own. */
#define DIFF_NOTE_END " left out]"

struct diff_file {
    char path[DIFF_PATH_SIZE]; /* without git's a/ and b/; of a longer one the end */
    size_t start;              /* of its first line */
    size_t body;               /* of the first line behind its head: a hunk, or what stands for it */
    size_t end;                /* behind the end of its last line */
};

/* The next file's diff at or behind `*at`, which is moved behind it. False: there is none. */
bool diff_next(struct span text, size_t *at, struct diff_file *file);

/* Lines among these bytes; one without its end counts. */
size_t diff_count_lines(struct span text);

#endif
