/*
 * What the end of a run means: one table from exit codes to outcomes, and the words for people.
 */
#ifndef PROCESSOR_OUTCOME_H
#define PROCESSOR_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "processor/breaker.h"

/* How a run ended, as the launcher saw it. */
enum run_end {
    RUN_EXITED,      /* number: the exit code */
    RUN_SIGNALLED,   /* number: the signal */
    RUN_TIMED_OUT,   /* number: milliseconds that it had */
    RUN_NOT_STARTED, /* number: the errno of what failed, up to and with the exec */
    RUN_STOPPED,     /* by us, because the processor stops */
    RUN_TOO_MUCH,    /* its output was larger than a message may be */
    RUN_NOT_SAVED,   /* number: the errno of what kept us from keeping its output */
    RUN_END_COUNT,
};

enum verdict {
    VERDICT_DONE,
    VERDICT_SKIP,  /* done, and the route's later handlers need not run */
    VERDICT_RETRY, /* try again, until the give-up time */
    VERDICT_DEAD,
};

enum { OUTCOME_DETAIL_SIZE = 160 };

struct outcome {
    enum verdict verdict;
    enum breaker_event says;          /* of the handler: BREAKER_WORKED, BREAKER_FAILED or BREAKER_SILENT */
    char detail[OUTCOME_DETAIL_SIZE]; /* "exit code 75: try again later"; empty for exit code 0 */
};

/* `overrides` has a enum config_exit for each exit code, or is NULL. */
struct outcome outcome_of(enum run_end end, int64_t number, const uint8_t *overrides);

/* One row of the table, for documentation and its check: codes first to last, and what they mean. */
struct outcome_row {
    int first, last;
    enum verdict verdict;
    enum breaker_event says;
    const char *words;
};
const struct outcome_row *outcome_rows(size_t *count);

#endif
