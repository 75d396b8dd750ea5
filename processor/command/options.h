/*
 * Options of subcommands. Each subcommand has one table of them, by which they are parsed and from which its --help
 * is printed; --config and --help are everyone's and need no row.
 *
 *     enum { LIST_LIMIT, LIST_JSON, LIST_OPTIONS };
 *     static const struct option_row rows[] = {
 *         [LIST_LIMIT] = {'n', "limit", "N", "show at most N messages"},
 *         [LIST_JSON] = {0, "json", NULL, "print JSON"},
 *     };
 *     struct options options = options_start(call, rows, LIST_OPTIONS);
 *     while ((option = options_next(&options)) >= 0)
 *         use options.argument
 *     if (option == OPTIONS_STOP)
 *         return options.status;
 *     operands are options.operands[0 .. options.operand_count - 1]
 */
#ifndef PROCESSOR_COMMAND_OPTIONS_H
#define PROCESSOR_COMMAND_OPTIONS_H

#include <getopt.h>
#include <stddef.h>

#include "processor/command/command.h"

enum {
    OPTIONS_MAX = 16,  /* rows of a table */
    OPTIONS_END = -1,  /* all options were read */
    OPTIONS_STOP = -2, /* help was printed, or a mistake was said: go no further */
};

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* its name in the help; NULL: it takes none */
    const char *help;
};

struct options {
    struct command_call *call;
    const struct option_row *rows;
    size_t row_count;
    char *argument; /* of the option that was last read */
    int status;     /* with OPTIONS_STOP: the exit code */
    char **operands;
    int operand_count;
    struct option long_options[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 3];
};

struct options options_start(struct command_call *call, const struct option_row *rows, size_t row_count);
/* The next option's row, OPTIONS_END or OPTIONS_STOP. */
int options_next(struct options *options);

/* Says what is wrong with the command line, where to read more, and gives the exit code. */
int options_refuse(struct command_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Refuses operands where a command takes none. */
int options_no_operands(struct options *options);

/*
 * Reads the options before the command's name, for a call that has no command yet. Gives OPTIONS_END with the name as
 * the first operand, or one of the others, which are the caller's to answer, or OPTIONS_STOP.
 */
enum { OPTIONS_HELP = -3, OPTIONS_VERSION = -4 };
int options_read_global(struct options *options, struct command_call *call);
/* Prints their rows. */
void options_print_global(FILE *out);

#endif
