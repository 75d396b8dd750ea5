/*
 * What the handlers in C have in common: options and help, the message on standard input, and a sandboxed process in
 * which it is parsed. Such a handler is a program like any other: it runs as its route's user, and gets and says what
 * the README's "Writing a handler" has for all of them.
 *
 *     static const struct handler_option options[] = {{"skip", "GLOB", "leave out the diffs of files that match"}};
 *     static const struct handler handler = {.name = "strip-diff", .options = options, .option_count = 1, ...};
 *
 *     struct handler_call call = handler_start(&handler, argc, argv);
 *     while ((option = handler_next(&call)) >= 0)
 *         use option, its row, and call.argument
 *     if (option == HANDLER_STOP)
 *         return call.status;
 *     if (scratch_open_input(&message, &err) != 0)
 *         return handler_fail(&handler, &err);
 *     handler_work(&work, &err)
 *
 * The foreign bytes are looked at in the worker alone (processor/headers/crew.h), which can open, reach and start
 * nothing; what it crashes at leaves the handler itself alive to say so, and to pass the message on as it was.
 */
#ifndef PROCESSOR_HANDLERS_HANDLER_H
#define PROCESSOR_HANDLERS_HANDLER_H

#include <stddef.h>

#include "common/err.h"
#include "common/frame.h"
#include "processor/headers/crew.h"

enum {
    HANDLER_END = -1,  /* all options were read */
    HANDLER_STOP = -2, /* help was printed, or a mistake was said: end with call.status */
    HANDLER_OPTIONS_MAX = 16,
    HANDLER_SKIP = 99, /* the exit code for "done, and the handlers after this one are not run" */
};

struct handler_option {
    const char *name;
    const char *argument; /* its name in the help; NULL: it takes none */
    const char *help;
};

struct handler_exit {
    int code;
    const char *meaning;
};

struct handler {
    const char *name;
    const char *usage;   /* what is behind the name */
    const char *summary; /* what it does: sentences, with an empty line between paragraphs */
    const struct handler_option *options;
    size_t option_count;
    const struct handler_exit *exits; /* ends with a NULL meaning */
    const char *example;              /* a route, in whole lines */
};

struct handler_call {
    const struct handler *handler;
    int argc;
    char **argv;
    char *argument; /* of the option that was last read */
    int status;     /* with HANDLER_STOP */
};

struct handler_call handler_start(const struct handler *handler, int argc, char **argv);
/* The next option's row, HANDLER_END or HANDLER_STOP. Behind the end handler_operand() gives the operands. */
int handler_next(struct handler_call *call);
/* The next argument that is no option, or (between options) the one behind an option's argument. NULL: none is left.
 */
char *handler_operand(struct handler_call *call);

/* Says a line on standard error, behind the handler's name, with control characters made harmless. */
void handler_say(const struct handler *handler, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says what is wrong with the command line, and where to read more; gives the exit code, 64. */
int handler_refuse(const struct handler *handler, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says an error and gives the exit code for it: 75 for what may be better later, 65 for what is the message's fault.
 */
int handler_fail(const struct handler *handler, const struct err *err);

/* ---- files ---- */

/* Writes the whole file to standard output. */
__attribute__((warn_unused_result)) int handler_print_file(int fd, struct err *err);

/* ---- the sandboxed part ---- */

struct handler_work {
    crew_job *job; /* runs in the worker, with `context` and the descriptors of `request` */
    const void *context;
    struct crew_request request;
    char storage[MESSAGE_FRAME_SIZE];
    struct frame_reader answer; /* what the job said, in `storage` */
};

/* A job's words for an answer that is an error, in place of its own. Never HANDLER_ANSWER_FAILED for anything else.
 */
enum { HANDLER_ANSWER_FAILED = 255 };
void handler_put_failure(struct buf *answer, const struct err *err);

/*
 * Runs the job to its end, or to MESSAGE_DEADLINE_MS. -1: it failed (and said so by handler_put_failure), crashed,
 * took too long, or there is no sandbox on this machine, without which nothing is parsed.
 */
__attribute__((warn_unused_result)) int handler_work(struct handler_work *work, struct err *err);

#endif
