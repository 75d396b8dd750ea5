/*
 * What all subcommands of `mailmill` have in common: how one is called, how it opens what it needs, and how it says
 * what went wrong.
 *
 *     int command_list(struct command_call *call)
 *     {
 *         ... options, see processor/command/options.h ...
 *         if ((status = command_open_config(call)) != COMMAND_GO_ON || (status = command_open_spool(call)) !=
 * COMMAND_GO_ON) return status; if (query_next(&query, &err) < 0) return command_fail(call, &err);
 *     }
 *
 * A step gives COMMAND_GO_ON, or the exit code (of the table command_exits) with which it ends the call, all that
 * there was to say having been said. What was opened is closed by the caller of the subcommand (command_close).
 */
#ifndef PROCESSOR_COMMAND_COMMAND_H
#define PROCESSOR_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/err.h"
#include "common/index.h"
#include "common/spool.h"
#include "processor/command/term.h"

enum {
    COMMAND_GO_ON = -1, /* no exit code: a step went well, the next may follow */
    COMMAND_OK = EX_OK,
    COMMAND_NOTHING = 1,           /* nothing found, or refused */
    COMMAND_USAGE = EX_USAGE,      /* 64 */
    COMMAND_DATA = EX_DATAERR,     /* 65 */
    COMMAND_BUG = EX_SOFTWARE,     /* 70 */
    COMMAND_OUTPUT = EX_IOERR,     /* 74 */
    COMMAND_LATER = EX_TEMPFAIL,   /* 75 */
    COMMAND_FORBIDDEN = EX_NOPERM, /* 77 */
    COMMAND_MISTAKEN = EX_CONFIG,  /* 78 */
};

struct command_exit {
    int code;
    const char *meaning;
};
extern const struct command_exit command_exits[];
extern const size_t command_exit_count;

struct command_call;

/* A subcommand; the table of them is in processor/command/commands.c. */
struct command {
    const char *name;
    const char *synopsis; /* of its options and operands */
    const char *summary;  /* one line, no full stop */
    int (*run)(struct command_call *call);
};

struct command_call {
    const struct command *command; /* NULL: before one was found */
    int argc;
    char **argv; /* argv[0] is the subcommand's name */
    const char *config_path;
    int64_t now_ms; /* when it was called */
    struct term out, err;
    struct config config; /* when config.path is there */
    struct index index;   /* when index.db is there */
    struct spool spool;   /* when spool.is_open */
};

void command_close(struct command_call *call);

/* Reads the configuration. Mistakes are printed. */
__attribute__((warn_unused_result)) int command_open_config(struct command_call *call);

/*
 * Opens the index, with a reader's transaction for INDEX_READER so that all that is read is of one moment. It is
 * never made here. Not made by anyone yet: *is_missing is set, and the step went well.
 */
__attribute__((warn_unused_result)) int command_open_index(struct command_call *call, enum index_access access,
                                                           bool *is_missing);
/* The same for the spool; its folders are made with the first message, or by the processor. `is_missing` NULL: an
 * error. */
__attribute__((warn_unused_result)) int command_open_spool(struct command_call *call, bool *is_missing);
/* Says, for a command that looks for messages, that there is no index. */
void command_say_no_index(struct command_call *call);

/* Says on standard error what is wrong, cleaned, and gives the exit code for it. */
int command_fail(struct command_call *call, const struct err *err);
/* Says a line on standard error, cleaned, behind the program's name. */
void command_say(struct command_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints mistakes or warnings, one a line, `word` ("error") before each. */
void command_list_errors(struct command_call *call, const struct config_errors *errors, const char *word,
                         enum term_colour colour);

#endif
