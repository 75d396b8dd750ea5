#include "processor/command/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "processor/text.h"

/* Rows that every subcommand has; they follow its own. */
enum { SHARED_CONFIG, SHARED_HELP, SHARED_COUNT };
static const struct option_row shared[] = {
    [SHARED_CONFIG] = {'c', "config", "FILE", "read FILE instead of " CONFIG_DEFAULT_PATH},
    [SHARED_HELP] = {0, "help", NULL, "show this text"},
};
static_assert(sizeof shared / sizeof shared[0] == SHARED_COUNT, "every shared option has its row");

/* Those before the command's name. */
enum { GLOBAL_VERSION, GLOBAL_COUNT };
static const struct option_row global[] = {
    [GLOBAL_VERSION] = {0, "version", NULL, "show the version"},
};
static_assert(sizeof global / sizeof global[0] == GLOBAL_COUNT, "every global option has its row");

/* What getopt gives for a long option is its row, moved up so that no letter is met. */
enum { LONG_BASE = 1000 };

static const struct option_row *row_at(const struct options *options, size_t i)
{
    return i < options->row_count ? &options->rows[i] : &shared[i - options->row_count];
}

/* ---- help ---- */

enum { HELP_COLUMN = 24 };

static void print_row(FILE *out, const struct option_row *row)
{
    char names[64], letter[4] = "   ";
    int used;

    if (row->letter != 0)
        snprintf(letter, sizeof letter, "-%c,", row->letter);
    snprintf(names, sizeof names, "%s --%s%s%s", letter, row->name, row->argument != NULL ? " " : "",
             row->argument != NULL ? row->argument : "");
    used = fprintf(out, "  %-*s ", HELP_COLUMN, names);
    text_wrap(out, row->help, (size_t)used, HELP_COLUMN + 3);
}

static void print_rows(FILE *out, const struct option_row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++)
        print_row(out, &rows[i]);
}

void options_print_global(FILE *out)
{
    print_rows(out, shared, SHARED_COUNT);
    print_rows(out, global, GLOBAL_COUNT);
}

static void print_help(const struct options *options)
{
    const struct command *command = options->call->command;
    FILE *out = options->call->out.out;

    char summary[200];
    size_t used = (size_t)fprintf(out, "usage: mailmill [-c FILE] %s%s", command->name,
                                  command->synopsis[0] != '\0' ? " " : "");

    text_wrap(out, command->synopsis, used, used);
    (void)fputc('\n', out);
    snprintf(summary, sizeof summary, "%s%s", command->summary,
             command->summary[strlen(command->summary) - 1] == '?' ? "" : ".");
    text_wrap(out, summary, 0, 0);
    (void)fputc('\n', out);
    print_rows(out, options->rows, options->row_count);
    print_rows(out, shared, SHARED_COUNT);
}

/* ---- mistakes ---- */

int options_refuse(struct command_call *call, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    command_say(call, "%s; see mailmill %s%s--help", text, call->command != NULL ? call->command->name : "",
                call->command != NULL ? " " : "");
    return COMMAND_USAGE;
}

int options_no_operands(struct options *options)
{
    if (options->operand_count == 0)
        return COMMAND_GO_ON;
    return options_refuse(options->call, "unexpected argument %.100s", options->operands[0]);
}

/* getopt says of a letter which one it was; of a long option only where it stood. */
static int refuse_option(struct options *options, const char *problem)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < LONG_BASE;

    options->status =
        options_refuse(options->call, "%s %.100s", problem, is_letter ? letter : options->call->argv[optind - 1]);
    return OPTIONS_STOP;
}

/* ---- parsing ---- */

struct options options_start(struct command_call *call, const struct option_row *rows, size_t row_count)
{
    struct options options = {.call = call, .rows = rows, .row_count = row_count};
    size_t used = 0;

    assert(row_count + SHARED_COUNT <= OPTIONS_MAX);
    /* "+": end at the first operand, a command's name; ":": tell a missing argument from an unknown option. */
    if (call->command == NULL)
        options.letters[used++] = '+';
    options.letters[used++] = ':';
    for (size_t i = 0; i < row_count + SHARED_COUNT; i++) {
        const struct option_row *row = row_at(&options, i);

        options.long_options[i] = (struct option){row->name, row->argument != NULL ? required_argument : no_argument,
                                                  NULL, LONG_BASE + (int)i};
        if (row->letter == 0)
            continue;
        options.letters[used++] = row->letter;
        if (row->argument != NULL)
            options.letters[used++] = ':';
    }
    opterr = 0;
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    return options;
}

static size_t row_of(const struct options *options, int found)
{
    size_t i = 0;

    if (found >= LONG_BASE)
        return (size_t)(found - LONG_BASE);
    while (row_at(options, i)->letter != (char)found)
        i++;
    return i;
}

int options_next(struct options *options)
{
    struct command_call *call = options->call;
    int found;

    while ((found = getopt_long(call->argc, call->argv, options->letters, options->long_options, NULL)) != -1) {
        size_t i;

        if (found == '?')
            return refuse_option(options, "unknown or ambiguous option, or one that takes no argument:");
        if (found == ':')
            return refuse_option(options, "an argument is missing behind");
        i = row_of(options, found);
        options->argument = optarg;
        if (i < options->row_count)
            return (int)i;
        if (i - options->row_count == SHARED_CONFIG) {
            call->config_path = optarg;
            continue;
        }
        if (call->command == NULL)
            return OPTIONS_HELP;
        print_help(options);
        options->status = COMMAND_OK;
        return OPTIONS_STOP;
    }
    options->operands = call->argv + optind;
    options->operand_count = call->argc - optind;
    return OPTIONS_END;
}

int options_read_global(struct options *options, struct command_call *call)
{
    int option;

    *options = options_start(call, global, GLOBAL_COUNT);
    option = options_next(options);
    return option == GLOBAL_VERSION ? OPTIONS_VERSION : option;
}
