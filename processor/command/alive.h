/*
 * Whether the processor runs: for its life it holds an write lock (F_OFD_SETLK in fcntl(2)) on processor.lock in the
 * spool, which holds its process ID.
 */
#ifndef PROCESSOR_COMMAND_ALIVE_H
#define PROCESSOR_COMMAND_ALIVE_H

#include "common/err.h"
#include "common/spool.h"
#include "processor/command/command.h"

/* 1: it runs, and *pid is its process ID, or 0 where that could not be read; 0: it does not; -1: error. */
__attribute__((warn_unused_result)) int alive_processor(const struct spool *spool, long *pid, struct err *err);

/*
 * Has a processor that runs look into the index, where the call has written something; says it when there is none.
 * What was written counts either way: one that does not hear of it finds it when it next looks. Gives the exit code.
 */
__attribute__((warn_unused_result)) int alive_wake(struct command_call *call);

#endif
