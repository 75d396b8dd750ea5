/*
 * Shows what is printed page by page, on a terminal: PAGER is started and gets standard output, until pager_finish.
 * Without PAGER it is less, where there is one, told to end at once when all fits on the screen.
 *
 *     struct pager pager = {0};
 *     pager_start(&pager, &call->out);
 *     ...
 *     pager_finish(&pager, &call->out);
 *
 * Elsewhere than on a terminal, or with PAGER empty or "cat", nothing is done, and so it is when a pager can't be
 * started.
 */
#ifndef PROCESSOR_COMMAND_PAGER_H
#define PROCESSOR_COMMAND_PAGER_H

#include <sys/types.h>

#include "processor/command/term.h"

struct pager {
    pid_t pid;  /* 0: none */
    int output; /* what standard output was before */
};

void pager_start(struct pager *pager, const struct term *term);
/* Waits until its user has had enough. */
void pager_finish(struct pager *pager, const struct term *term);

#endif
