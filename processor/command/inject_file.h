/*
 * A message file as the receiver would have written it, made of a message on standard input: for mailmill inject,
 * which puts it into the spool, and for mailmill try, which does not.
 *
 *     inject_complete(call, &envelope, &err);
 *     inject_write(call, &envelope, file, &verdict, &err);
 *     verdict == INJECT_GOOD, or it is refused
 */
#ifndef PROCESSOR_COMMAND_INJECT_FILE_H
#define PROCESSOR_COMMAND_INJECT_FILE_H

#include "common/envelope.h"
#include "processor/command/command.h"
#include "processor/command/inject_body.h"

/* Gives an envelope that has its sender and its recipients an ID, and a client: this machine. */
__attribute__((warn_unused_result)) int inject_complete(const struct command_call *call, struct envelope *envelope,
                                                        struct err *err);

/* Writes the trace block, and standard input behind it, as far as it is not refused. */
__attribute__((warn_unused_result)) int inject_write(const struct command_call *call, const struct envelope *envelope,
                                                     int file, enum inject_verdict *verdict, struct err *err);

#endif
