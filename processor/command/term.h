/*
 * Where output goes: how wide it is, and whether colours are welcome. Colours are for terminals only, and not where
 * NO_COLOR is set (https://no-color.org) or TERM is "dumb".
 *
 *     struct term term = term_init(stdout);
 *     term_write(&term, TERM_RED, "dead");
 */
#ifndef PROCESSOR_COMMAND_TERM_H
#define PROCESSOR_COMMAND_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum term_colour {
    TERM_PLAIN,
    TERM_BOLD,
    TERM_DIM,
    TERM_RED,
    TERM_GREEN,
    TERM_YELLOW,
    TERM_CYAN,
    TERM_COLOUR_COUNT,
};

struct term {
    FILE *out;
    bool has_colours;
    size_t width; /* in columns; 0: not a terminal, nothing need be cut */
};

/* Finds out what `out` is. The first call sets the program's LC_CTYPE, so that widths of characters are known. */
struct term term_init(FILE *out);

/* What switches a colour on and off again on this output; "" where it has no colours. */
const char *term_on(const struct term *term, enum term_colour colour);
const char *term_off(const struct term *term, enum term_colour colour);
/* Writes trusted text in a colour. */
void term_write(const struct term *term, enum term_colour colour, const char *text);

/* The colour of a state's word, also of those that messages have and deliveries have not. */
enum term_colour term_state_colour(const char *word);

#endif
