/*
 * mailmill: the operator's command. Finds the subcommand, runs it, and sees to it that what was printed got out.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "processor/command/commands.h"
#include "processor/command/help.h"
#include "processor/command/options.h"

static int run(struct command_call *call)
{
    struct options options;
    const struct command *command;
    int option = options_read_global(&options, call);

    if (option == OPTIONS_STOP)
        return options.status;
    if (option == OPTIONS_HELP) {
        help_print(call->out.out);
        return COMMAND_OK;
    }
    if (option == OPTIONS_VERSION) {
        (void)fputs("mailmill " MAILMILL_VERSION "\n", call->out.out);
        return COMMAND_OK;
    }
    if (options.operand_count == 0)
        return options_refuse(call, "a command is missing");
    command = command_find(options.operands[0]);
    if (command == NULL)
        return options_refuse(call, "there is no command %.100s", options.operands[0]);
    call->argc = options.operand_count;
    call->argv = options.operands;
    return command_run(call, command);
}

int main(int argc, char **argv)
{
    struct command_call call = {.argc = argc, .argv = argv, .config_path = CONFIG_DEFAULT_PATH};
    int status;

    call.now_ms = clock_now_ms();
    (void)umask(0007); /* what SQLite makes beside the index is one group's, and nobody else's */
    call.out = term_init(stdout);
    call.err = term_init(stderr);
    status = run(&call);
    /* A full disk must not pass for a short answer. */
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && status == COMMAND_OK) {
        command_say(&call, "writing the output: %s", strerror(errno));
        status = COMMAND_OUTPUT;
    }
    return status;
}
