/*
 * A wall clock that is set back. Times in the index are wall clock times, so that they hold across restarts; set back
 * by an hour, what was due now would be due in an hour. What the clock was set back by is found out by holding it
 * against the one that is never set:
 *
 *     by_ms = setback_look(&setback, clock_now_ms(), clock_monotonic_ms());     in every turn of the loop
 */
#ifndef PROCESSOR_SETBACK_H
#define PROCESSOR_SETBACK_H

#include <stdbool.h>
#include <stdint.h>

enum { SETBACK_MIN_MS = 1000 }; /* less is a clock being corrected, and waited for */

/* Zeroed before the first look. */
struct setback {
    bool has_looked;
    int64_t apart_ms; /* the clocks, at the last look */
};

/* By how much the clock was set back since the last look; 0: it was not. Set forward is no concern of anybody's. */
int64_t setback_look(struct setback *setback, int64_t wall_ms, int64_t monotonic_ms);

#endif
