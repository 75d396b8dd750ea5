#include "processor/command/term.h"

#include <assert.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/state.h"

static const char *const sequences[] = {
    [TERM_PLAIN] = "",         [TERM_BOLD] = "\033[1m",    [TERM_DIM] = "\033[2m",   [TERM_RED] = "\033[31m",
    [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m", [TERM_CYAN] = "\033[36m",
};
static_assert(sizeof sequences / sizeof sequences[0] == TERM_COLOUR_COUNT, "every colour has its sequence");

enum { WIDTH_DEFAULT = 80 };

static size_t find_width(int fd)
{
    struct winsize size = {0};

    /* A terminal that does not know its size says 0. */
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

static bool wants_colours(void)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return (no_color == NULL || no_color[0] == '\0') && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

struct term term_init(FILE *out)
{
    struct term term = {.out = out};

    /* Text is UTF-8 here whatever the operator's locale is; only LC_CTYPE, so that numbers keep their points. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (isatty(fileno(out)) == 1) {
        term.width = find_width(fileno(out));
        term.has_colours = wants_colours();
    }
    return term;
}

const char *term_on(const struct term *term, enum term_colour colour)
{
    return term->has_colours && colour < TERM_COLOUR_COUNT ? sequences[colour] : "";
}

const char *term_off(const struct term *term, enum term_colour colour)
{
    return term->has_colours && colour != TERM_PLAIN ? "\033[0m" : "";
}

void term_write(const struct term *term, enum term_colour colour, const char *text)
{
    (void)fprintf(term->out, "%s%s%s", term_on(term, colour), text, term_off(term, colour));
}

enum term_colour term_state_colour(const char *word)
{
    static const enum term_colour colours[] = {
        [STATE_PENDING] = TERM_CYAN,  [STATE_RUNNING] = TERM_BOLD, [STATE_RETRY] = TERM_YELLOW,
        [STATE_DONE] = TERM_GREEN,    [STATE_DEAD] = TERM_RED,     [STATE_SKIPPED] = TERM_DIM,
        [STATE_CANCELLED] = TERM_DIM, [STATE_COUNT] = TERM_PLAIN,
    };
    static_assert(sizeof colours / sizeof colours[0] == STATE_COUNT + 1, "every state has its colour");

    return colours[state_from_word(word)];
}
