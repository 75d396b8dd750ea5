#include "processor/command/help.h"

#include "processor/command/commands.h"
#include "processor/command/options.h"
#include "processor/text.h"

static void print_commands(FILE *out)
{
    (void)fputs("\nCommands:\n", out);
    for (size_t i = 0; i < command_count; i++)
        text_wrap(out, commands[i].summary, (size_t)fprintf(out, "  %-10s ", commands[i].name), 13);
}

static void print_exits(FILE *out)
{
    (void)fputs("\nExit codes:\n", out);
    for (size_t i = 0; i < command_exit_count; i++)
        (void)fprintf(out, "  %2d  %s\n", command_exits[i].code, command_exits[i].meaning);
}

void help_print(FILE *out)
{
    (void)fputs("usage: mailmill [-c FILE] COMMAND [ARGUMENT...]\n"
                "\n"
                "Looks after a mailmill: its configuration, its messages, what became of them.\n",
                out);
    print_commands(out);
    (void)fputs("\nOptions:\n", out);
    options_print_global(out);
    (void)fputc('\n', out);
    text_wrap(
        out,
        "`mailmill COMMAND --help` says more of a command. A message's ID may be cut short, as long as one message "
        "only begins so. Times are UTC. Output is UTF-8; NO_COLOR in the environment turns off colours.",
        0, 0);
    print_exits(out);
}

int command_help(struct command_call *call)
{
    static char help_option[] = "--help";
    struct options options = options_start(call, NULL, 0);
    const struct command *command;
    int option = options_next(&options);

    if (option == OPTIONS_STOP)
        return options.status;
    if (options.operand_count == 0) {
        help_print(call->out.out);
        return COMMAND_OK;
    }
    command = command_find(options.operands[0]);
    if (command == NULL) {
        command_say(call, "there is no command %.100s; see mailmill --help", options.operands[0]);
        return COMMAND_USAGE;
    }
    if (options.operand_count > 1)
        return options_refuse(call, "unexpected argument %.100s", options.operands[1]);
    /* A command's options are its own to know: it is asked as anybody would ask it. */
    call->command = command;
    call->argc = 2;
    call->argv = (char *[]){options.operands[0], help_option, NULL};
    return command->run(call);
}
