/*
 * Patterns as the handlers take them: `*` stands for any bytes, `?` for one character (of UTF-8, or a byte that is
 * none), everything else for itself, brackets too. The case of ASCII letters does not matter. Pure.
 */
#ifndef PROCESSOR_HANDLERS_GLOB_H
#define PROCESSOR_HANDLERS_GLOB_H

#include <stdbool.h>

#include "common/buf.h"

/* The pattern stands for the whole text. Takes no longer than the product of both sizes. */
bool glob_matches(struct span pattern, struct span text);

/* Of a path: a pattern without a slash is for its last component. */
bool glob_matches_path(struct span pattern, struct span path);

#endif
