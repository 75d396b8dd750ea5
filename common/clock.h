/*
 * Time as integer milliseconds since 1970-01-01 UTC, and its written forms. Only main loops ask for the time;
 * everything else is given it, so that it can be tested.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

enum {
    CLOCK_ISO8601_SIZE = 25, /* "2026-01-31T23:59:59.123Z" and the NUL */
    CLOCK_RFC5322_SIZE = 32, /* "Sat, 31 Jan 2026 23:59:59 +0000" and the NUL */
};

int64_t clock_now_ms(void);       /* wall clock, for records */
int64_t clock_monotonic_ms(void); /* never set back, for deadlines */

void clock_iso8601(int64_t time_ms, char text[static CLOCK_ISO8601_SIZE]);
/* RFC 5322, section 3.3, always in +0000, always English. */
void clock_rfc5322(int64_t time_ms, char text[static CLOCK_RFC5322_SIZE]);

#endif
