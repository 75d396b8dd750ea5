/*
 * A message with some of its bytes replaced, and every other one as it was. For use inside the sandbox.
 *
 *     edits = splice_new();
 *     splice_add(edits, start, end, bytes);
 *     splice_write(message_fd, output_fd, edits, &err);
 *     g_array_unref(edits);
 */
#ifndef PROCESSOR_HANDLERS_SPLICE_H
#define PROCESSOR_HANDLERS_SPLICE_H

#include <gmime/gmime.h>

#include "common/err.h"

GArray *splice_new(void);
/* The bytes `start` to `end` (not included) of the message are to become these, which are taken over; NULL: nothing.
 */
void splice_add(GArray *edits, gint64 start, gint64 end, GByteArray *bytes);
/* Writes the message to the file `output`, behind what is there. Two edits may touch, but not overlap. */
__attribute__((warn_unused_result)) int splice_write(int message, int output, GArray *edits, struct err *err);

#endif
