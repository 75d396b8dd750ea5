/*
 * The subcommands of `mailmill`: a function for each, in the file of its name, and the table by which they are
 * dispatched and from which the help is printed.
 */
#ifndef PROCESSOR_COMMAND_COMMANDS_H
#define PROCESSOR_COMMAND_COMMANDS_H

#include "processor/command/command.h"

extern const struct command commands[];
extern const size_t command_count;

/* The row of a name, or NULL. */
const struct command *command_find(const char *name);

/*
 * Runs a command with the arguments in call->argv, call->argv[0] being its name, closes what it opened, and gives the
 * exit code.
 */
int command_run(struct command_call *call, const struct command *command);

int command_check(struct command_call *call);
int command_explain(struct command_call *call);
int command_help(struct command_call *call);
int command_inject(struct command_call *call);
int command_list(struct command_call *call);
int command_log(struct command_call *call);
int command_metrics(struct command_call *call);
int command_parse(struct command_call *call);
int command_prune(struct command_call *call);
int command_reindex(struct command_call *call);
int command_pause(struct command_call *call);
int command_reprocess(struct command_call *call);
int command_resume(struct command_call *call);
int command_cancel(struct command_call *call);
int command_show(struct command_call *call);
int command_status(struct command_call *call);
int command_tail(struct command_call *call);
int command_try(struct command_call *call);
int command_why(struct command_call *call);

#endif
