/*
 * The clerk: gives messages their rows for receivers that ask at the desk (common/desk.h), in the turn's transaction
 * and so many at a time, and answers when that is committed.
 *
 *     clerk_open(&clerk, index_path);       behind index_gather()
 *     poll(clerk.events), unless clerk.resume_ms is to come
 *     clerk_hear(&clerk, now_ms);           it is readable, or was until the clerk was closed
 *     clerk_answer(&clerk);                 at the end of a turn: what was gathered is committed,
 *     clerk_lost(&clerk);                   or was not
 *     clerk_close(&clerk);
 *
 * An ID is all that is taken from a receiver; what is written down is what the message's file says, as for one whose
 * row nobody asked for. Who comes and says nothing gives way to others.
 */
#ifndef PROCESSOR_CLERK_H
#define PROCESSOR_CLERK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "processor/intake.h"

enum {
    CLERK_GUESTS_MAX = 64,
    CLERK_PAUSE_MS = 1000, /* after trouble with taking in guests; who comes meanwhile does without */
};

struct clerk_guest {
    int socket;
    bool waits; /* for the end of the turn, with a row in it; else for nothing but its own word */
};

struct clerk {
    struct intake *intake;
    int events;                                  /* an epoll descriptor of the others, or -1: there is no desk */
    int listener;                                /* or -1 */
    struct clerk_guest guests[CLERK_GUESTS_MAX]; /* in the order of their coming */
    size_t count;
    int64_t resume_ms; /* wall clock: not before, after trouble; 0: at once */
};

/* Without a desk all goes on, and receivers open the index themselves; the log says why. */
void clerk_open(struct clerk *clerk, const char *index);
void clerk_hear(struct clerk *clerk, int64_t now_ms);
void clerk_answer(struct clerk *clerk);
void clerk_lost(struct clerk *clerk);
void clerk_close(struct clerk *clerk); /* harmless for one with `events` and `listener` -1 */

#endif
