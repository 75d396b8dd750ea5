/*
 * Processes that outlive the handler that started them. The launcher is their subreaper (PR_SET_CHILD_SUBREAPER in
 * prctl(2)): whatever a handler leaves behind becomes the launcher's child, however it detached itself. Which run it
 * belongs to is told by two things that children inherit:
 *
 * The brand, a number that stands as a resource limit (RLIMIT_LOCKS in setrlimit(2), which Linux has not used since
 * 2.4.25; it is far beyond any count). A process can wipe its environment, leave its folder, session and group, but
 * it can't raise this limit again.
 *
 * The mark in its environment, for people, and where the limit was not ours to set.
 */
#ifndef PROCESSOR_STRAYS_H
#define PROCESSOR_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum stray_owner {
    STRAY_MARKED,   /* belongs to the run that was asked about */
    STRAY_OTHERS,   /* to another run */
    STRAY_UNMARKED, /* nothing tells, or nothing can be read */
};

/* Fills in up to `max` of this process's children and gives their number; -1 with errno when /proc can't tell. */
__attribute__((warn_unused_result)) int strays_list(pid_t *children, int max);

/* The brand of this process's run number `run`. */
uint64_t strays_brand(uint64_t run);
/* Brands the calling process for good; where that is refused, its mark must do. System calls only. */
void strays_put_brand(uint64_t brand);

/* Whose a child is. `mark` is "MAILMILL_RUN=..." as in its environment. */
enum stray_owner strays_owner(pid_t child, uint64_t brand, const char *mark);

#endif
