/*
 * One handler, run as the processor would run it, by a launcher of its own; nothing is written down.
 *
 *     try_open(&try, call, &err);                          before anything that a handler should not have is open
 *     try_handler(&try, handler, &delivery, message, &run, &err)
 *     ... run.outcome, capture_tail(&run.attempt->out_tail) ...
 *     try_forget(&run);
 *     try_close(&try);
 *
 * SIGINT and SIGTERM end the handler and all that it started; it then counts as stopped.
 */
#ifndef PROCESSOR_COMMAND_TRY_RUN_H
#define PROCESSOR_COMMAND_TRY_RUN_H

#include "processor/attempt.h"
#include "processor/command/command.h"

struct
try {
    struct command_call *call;
    struct launcher launcher;
    int signals;
    uint64_t runs;
};

struct try_run {
    struct attempt *attempt;
    int64_t took_ms;
    bool was_stopped; /* by a signal to us */
};

__attribute__((warn_unused_result)) int try_open(struct try *try, struct command_call *call, struct err *err);
/* Ends and waits for the launcher. */
void try_close(struct try *try);

/*
 * Runs it to its end. What it said is in the attempt, and what a filter or reply handler printed whole in
 * attempt->whole. -1: it could not even be asked for.
 */
__attribute__((warn_unused_result)) int try_handler(struct try *try, const struct config_handler *handler,
                                                    const struct delivery *delivery, int message, bool may_reply,
                                                    struct try_run *run, struct err *err);
void try_forget(struct try_run *run);

#endif
