/*
 * Files without a name, for what goes between two processes and is nobody else's.
 *
 *     scratch_open_input(&message, &err);
 *     scratch_open(&output, &err);
 */
#ifndef PROCESSOR_SCRATCH_H
#define PROCESSOR_SCRATCH_H

#include "common/err.h"

/* An empty one, in TMPDIR or /tmp, else in memory. It is the caller's to close. */
__attribute__((warn_unused_result)) int scratch_open(int *fd, struct err *err);

/* Standard input as a file that can be read anywhere: itself, or a copy of all of it where it is a pipe. */
__attribute__((warn_unused_result)) int scratch_open_input(int *fd, struct err *err);

#endif
