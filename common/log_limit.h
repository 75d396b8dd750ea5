/*
 * A limit for log lines that strangers cause: a flood of clients must not become a flood of lines. So many lines in a
 * period are written, the rest is counted. Pure: time is passed in.
 *
 *     switch (log_limit_ask(&limit, now, &left_out)) {
 *     case LOG_LIMIT_SAY:      write the line; before it, unless it is 0, that `left_out` were left out
 *     case LOG_LIMIT_LAST:     say that lines are left out from here on, in place of this one
 *     case LOG_LIMIT_LEAVE:    write nothing
 *     }
 */
#ifndef COMMON_LOG_LIMIT_H
#define COMMON_LOG_LIMIT_H

#include <stdint.h>

enum { LOG_LIMIT_LINES = 100, LOG_LIMIT_MS = 10000 };

enum log_limit_answer { LOG_LIMIT_SAY, LOG_LIMIT_LAST, LOG_LIMIT_LEAVE };

/* A zeroed one has said nothing. */
struct log_limit {
    int64_t ends_ms; /* of the period, monotonic */
    unsigned said;   /* lines in it */
    uint64_t left_out;
};

/* `left_out`: lines since the last one that was written. */
enum log_limit_answer log_limit_ask(struct log_limit *limit, int64_t now_ms, uint64_t *left_out);

#endif
