/*
 * Text for people's terminals: foreign bytes made harmless, widths in columns, and times, durations and sizes in the
 * form in which they are read easily.
 *
 * What came from the network, or out of a handler, may hold escape sequences that would take over a terminal, or
 * marks that turn the direction of writing round. Clean text has none: such characters are shown in words instead,
 * ESC as ^[, other controls and marks as <U+202E>, and a byte that is no UTF-8 as <FF>. Output is always UTF-8.
 * Widths are wcwidth(3)'s, which knows more than ASCII once term_init has chosen a locale for it
 * (processor/command/term.h).
 */
#ifndef PROCESSOR_TEXT_H
#define PROCESSOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

enum {
    TEXT_LINE = 80,          /* columns that everybody has */
    TEXT_MINUTE_SIZE = 17,   /* "2026-01-31 23:59" and the NUL */
    TEXT_TIME_SIZE = 20,     /* "2026-01-31 23:59:59" and the NUL */
    TEXT_DURATION_SIZE = 32, /* "12d05h" */
    TEXT_SIZE_SIZE = 32,     /* "1.2 KiB" */
};

/* One character of a text. */
struct text_character {
    uint32_t code; /* or the byte where it is not valid */
    size_t size;   /* in bytes, at least 1 */
    bool is_valid; /* well-formed UTF-8 */
};

/* The character at the start of `text`, which must not be empty. */
struct text_character text_decode(struct span text);
/* A terminal may act upon it rather than show it: controls, line separators, marks of direction. Line feed and tab
 * too. */
bool text_is_harmful(uint32_t code);

/* Writes `text` as one clean line, without a line end. */
void text_write(FILE *out, struct span text);
/* Writes the lines of `text` clean, each behind `indent`; tabs stay; CR LF counts as LF. Ends with a line end, if not
 * empty. */
void text_write_lines(FILE *out, struct span text, const char *indent);

/* The columns that clean text takes up. */
size_t text_width(struct span clean);
/* The bytes of clean text that fit into `width` columns, cut between two characters, combining marks kept with
 * theirs. */
size_t text_fit(struct span clean, size_t width);

/*
 * Writes ASCII prose in lines of TEXT_LINE columns, and a line end: the first from `column` on, the others behind
 * `indent` spaces. It is broken at white space outside of brackets, as a synopsis wants it; two line ends are an
 * empty line.
 */
void text_wrap(FILE *out, const char *text, size_t column, size_t indent);

/* UTC, "2026-01-31 23:59:59". */
void text_time(int64_t time_ms, char text[static TEXT_TIME_SIZE]);
/* The same without the seconds, for where columns are short of room. */
void text_minute(int64_t time_ms, char text[static TEXT_MINUTE_SIZE]);
/* The two largest units: "0s", "59s", "5m", "1m30s", "2h05m", "3d", "12d05h". A negative one is none. */
void text_duration(int64_t duration_ms, char text[static TEXT_DURATION_SIZE]);
/* "999 B", "1.2 KiB", "25.0 MiB". */
void text_size(uint64_t bytes, char text[static TEXT_SIZE_SIZE]);

#endif
