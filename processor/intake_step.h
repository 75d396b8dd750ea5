/* What intake's files share: one message's file, and its row. */
#ifndef PROCESSOR_INTAKE_STEP_H
#define PROCESSOR_INTAKE_STEP_H

#include "processor/intake.h"

/*
 * Opens a message and reads its envelope, which is the caller's to free, its size and, where it is asked for, its
 * descriptor. -1 when it is missing or no message (permanent), or can't be read.
 */
__attribute__((warn_unused_result)) int intake_open(const struct intake *intake, const char *id,
                                                    struct envelope *envelope, uint64_t *size_bytes, int *fd,
                                                    struct err *err);
/* Says in the log that a file is no message of ours. */
void intake_leave(const char *name, const struct err *err);

/* 1 yes, 0 no, -1 error. */
__attribute__((warn_unused_result)) int intake_has_row(struct index *index, const char *id, struct err *err);
/* Gives a file its row, in a transaction of its own. One that is no message is left, and that is no error. */
__attribute__((warn_unused_result)) int intake_add_row(struct intake *intake, const char *name, struct err *err);

#endif
