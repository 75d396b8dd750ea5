/*
 * Processes that outlive the handler that started them. The launcher is their subreaper (PR_SET_CHILD_SUBREAPER in
 * prctl(2)): whatever a handler leaves behind becomes the launcher's child, however it detached itself. Which run
 * it belongs to is told by the mark that each run has in its environment.
 */
#ifndef PROCESSOR_STRAYS_H
#define PROCESSOR_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum stray_owner {
    STRAY_MARKED,   /* has the mark that was asked about */
    STRAY_OTHERS,   /* has another run's mark */
    STRAY_UNMARKED, /* its environment says nothing, or can't be read */
};

/* Fills in up to `max` of this process's children and gives their number; -1 with errno when /proc can't tell. */
__attribute__((warn_unused_result)) int strays_list(pid_t *children, int max);

/* Whose a child is. `mark` is "MAILMILL_RUN=..." as in its environment. */
enum stray_owner strays_owner(pid_t child, const char *mark);

#endif
