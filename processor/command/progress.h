/*
 * How far something long has come, for whoever waits at a terminal: a bar on standard error, on a line that what
 * comes next writes over. Nothing at all where standard error is no terminal.
 *
 *     struct progress progress = progress_start(&call->err, "files", total);
 *     progress_show(&progress, done);       as often as you like: it is drawn when it looks different
 *     progress_end(&progress);              the line is empty again
 *
 * `total` may be an estimate: a bar that is full stays full.
 */
#ifndef PROCESSOR_COMMAND_PROGRESS_H
#define PROCESSOR_COMMAND_PROGRESS_H

#include <stdint.h>

#include "processor/command/term.h"

enum { PROGRESS_CELLS = 30, PROGRESS_LINE_SIZE = 160 };

struct progress {
    const struct term *term; /* borrowed */
    const char *what;        /* borrowed: what is counted */
    uint64_t total;
    int shown; /* percent; -1: nothing yet */
};

struct progress progress_start(const struct term *term, const char *what, uint64_t total);
void progress_show(struct progress *progress, uint64_t done);
/* The same with words of one's own behind the percentage, where `total` is nothing that a person counts. */
void progress_tell(struct progress *progress, uint64_t done, const char *words);
void progress_end(const struct progress *progress);

/* The bar as text, without the way back to the beginning of its line: "[####      ]  40 %  4 of 10 files". */
void progress_text(const struct progress *progress, uint64_t done, char line[static PROGRESS_LINE_SIZE]);

#endif
