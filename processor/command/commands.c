#include "processor/command/commands.h"

#include <string.h>

#include "processor/command/filter.h"

const struct command commands[] = {
    {"check", "", "Finds every mistake in the configuration, and shows what it says", command_check},
    {"status", "[--json]", "Shows what waits, what runs, what failed, and whether the processor is alive",
     command_status},
    {"list", FILTER_SYNOPSIS " [--limit N] [--json] [--no-pager]", "Lists messages, the newest last", command_list},
    {"show", "[--json|--raw] ID...",
     "Shows all about messages: envelope, headers, deliveries, attempts and their output", command_show},
    {"reprocess", "[--dry-run] [--handler NAME] ID... | [--dry-run] " FILTER_SYNOPSIS,
     "Runs messages' handlers again, done ones included", command_reprocess},
    {"cancel", "[--handler NAME] ID... | " FILTER_SYNOPSIS, "Calls off what waits, or waits to be tried again",
     command_cancel},
    {"reindex", "", "Makes the index anew from the spool, as after damage, and keeps the old one beside it",
     command_reindex},
    {"prune", "", "Removes at once what was kept long enough, as the processor does in its own time", command_prune},
    {"pause", "[--reason TEXT] HANDLER...|--all", "Stops starting a handler; its mail is accepted, and waits",
     command_pause},
    {"resume", "HANDLER...|--all", "Lets a handler go on that was paused, by whomever", command_resume},
    {"parse", "[--json] [--attachments DIR] <FILE",
     "Shows what a message on standard input is made of, decoded, and saves its attachments", command_parse},
    {"explain", "[--json] ADDRESS", "Says which route an address takes and why, and which handlers would run as whom",
     command_explain},
    {"why", "[--since DURATION] [--limit N] [--json] [ADDRESS|IP]",
     "Shows what was refused, of mail from or to an address, or from a client: why did it not arrive?", command_why},
    {"try", "[--from ADDRESS] ADDRESS|HANDLER <FILE",
     "Runs handlers for real with the message on standard input, and records nothing", command_try},
    {"inject", "--to ADDRESS [--from ADDRESS] <FILE",
     "Puts the message on standard input into the spool, as the receiver would, and prints its ID", command_inject},
    {"tail", "[--lines N] [--json]", "Follows the history: prints attempts as they end", command_tail},
    {"log", "ID",
     "Prints what the log says of a message: log-file and its .1, .2 and so on, but none compressed, or the journal",
     command_log},
    {"metrics", "", "Prints figures for Prometheus, as node_exporter's textfile collector reads them",
     command_metrics},
    {"help", "[COMMAND]", "Shows the help of mailmill, or of one of its commands", command_help},
};
const size_t command_count = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int command_run(struct command_call *call, const struct command *command)
{
    int status;

    call->command = command;
    status = command->run(call);
    command_close(call);
    return status;
}
