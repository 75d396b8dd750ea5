/*
 * The breaker of a handler: after so many failures in a row it is paused, and then one run at a time shows whether it
 * works again, each pause being twice as long as the one before it. The operator may pause a handler, too, for as
 * long as they like. Pure: one table of what each event does in each state.
 *
 *     change = breaker_step(&breaker, &policy, BREAKER_FAILED, started_ms, now_ms);
 *     ready_ms = breaker_ready_ms(&breaker, &policy, running, due_ms);
 */
#ifndef PROCESSOR_BREAKER_H
#define PROCESSOR_BREAKER_H

#include <stdint.h>

enum { BREAKER_PAUSE_MAX_MS = 3600 * 1000 }; /* the longest pause */

enum breaker_state {
    BREAKER_CLOSED, /* it runs */
    BREAKER_PAUSED, /* it failed too often */
    BREAKER_HELD,   /* the operator paused it */
    BREAKER_STATE_COUNT,
};

/*
 * Whether a run worked is about the handler, not about the message: one that says that a message is not for it works.
 * BREAKER_SILENT is an end that tells nothing of it: it was ours.
 */
enum breaker_event {
    BREAKER_SILENT,
    BREAKER_WORKED,
    BREAKER_FAILED,
    BREAKER_PAUSE,  /* the operator's word */
    BREAKER_RESUME, /* the operator's word */
    BREAKER_EVENT_COUNT,
};

enum breaker_change {
    BREAKER_SAME,    /* nothing at all */
    BREAKER_COUNTED, /* its failures only */
    BREAKER_PAUSES,  /* it is paused from now on, or again */
    BREAKER_RESUMES, /* it is not paused any more */
};

struct breaker {
    enum breaker_state state;
    int64_t failures;  /* in a row */
    int64_t paused_ms; /* since when, unless closed */
    int64_t until_ms;  /* paused: from when on one run may show whether it works */
    int64_t pause_ms;  /* paused: how long the last pause was */
};

struct breaker_policy {
    unsigned pause_after; /* failures in a row; 0: it is never paused for them, and a pause of that kind is over */
    int64_t first_ms;     /* the first pause, if it is not longer than the longest */
};

/* What an event at `now_ms` changes. Of a run, `started_ms` is when it was started. */
enum breaker_change breaker_step(struct breaker *breaker, const struct breaker_policy *policy,
                                 enum breaker_event event, int64_t started_ms, int64_t now_ms);

/*
 * When a handler that has `running` runs, and whose next delivery is due at `due_ms`, may be started; INT64_MAX: not
 * before one of its runs has ended or the operator has spoken.
 */
int64_t breaker_ready_ms(const struct breaker *breaker, const struct breaker_policy *policy, unsigned running,
                         int64_t due_ms);

/* Who paused it, as in the index: "failures" or "operator"; NULL while closed. */
const char *breaker_word(enum breaker_state state);

#endif
