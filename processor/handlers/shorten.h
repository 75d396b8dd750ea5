/*
 * Shortens the diffs in a text: leaves out those of files that nobody reads, cuts the others, and says in place what
 * was left out. Pure.
 *
 *     if (shorten_text(text, &rules, put, context, &sum)) what `put` was given is the text now
 *
 * A diff that is left out becomes one line, "[css/site.min.css: 12034 lines of diff left out]"; one that is cut ends
 * in "[www/list.html: 711 more lines of diff left out]". These lines are not counted when it is done again.
 */
#ifndef PROCESSOR_HANDLERS_SHORTEN_H
#define PROCESSOR_HANDLERS_SHORTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

enum { SHORTEN_SKIPS_MAX = 100 };

struct shorten_rules {
    const char *skips[SHORTEN_SKIPS_MAX]; /* globs for paths (processor/handlers/glob.h) */
    size_t skip_count;
    size_t max_lines; /* of a file's diff behind its head; 0: any number */
};

/* What was done, over all texts. */
struct shorten_sum {
    size_t skipped; /* files left out whole */
    size_t cut;     /* files cut */
    size_t lines;   /* left out, of both */
};

typedef void shorten_put(void *context, struct span piece);

/*
 * Gives the text piece by piece, each borrowed for the call, and adds to the sum. False: nothing was left out, and
 * the pieces make up the text as it was.
 */
bool shorten_text(struct span text, const struct shorten_rules *rules, shorten_put *put, void *context,
                  struct shorten_sum *sum);

/* The text has a line with which OpenPGP's own armour begins: what is signed must stay as it is. */
bool shorten_has_armour(struct span text);

#endif
