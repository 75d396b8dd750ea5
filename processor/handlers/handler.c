#include "processor/handlers/handler.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "processor/mime/charset.h"
#include "processor/mime/rights.h"
#include "processor/text.h"

enum {
    HELP_COLUMN = 24,
    FOUND_LONG = 1, /* what getopt gives for every long option: no letter */
    CHUNK_SIZE = 64 * 1024,
};

/* ---- options ---- */

struct handler_call handler_start(const struct handler *handler, int argc, char **argv)
{
    assert(handler->option_count <= HANDLER_OPTIONS_MAX);
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    return (struct handler_call){.handler = handler, .argc = argc, .argv = argv};
}

static void print_option(const struct handler_option *option)
{
    char names[64];
    int used;

    snprintf(names, sizeof names, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    used = printf("  %-*s ", HELP_COLUMN, names);
    text_wrap(stdout, option->help, (size_t)used, HELP_COLUMN + 3);
}

static int print_help(const struct handler *handler)
{
    static const struct handler_option help = {"help", NULL, "show this text"};

    size_t used = (size_t)printf("usage: %s ", handler->name);

    text_wrap(stdout, handler->usage, used, used);
    printf("\n");
    text_wrap(stdout, handler->summary, 0, 0);
    printf("\n");
    for (size_t i = 0; i < handler->option_count; i++)
        print_option(&handler->options[i]);
    print_option(&help);
    printf("\nExit codes:\n");
    for (const struct handler_exit *row = handler->exits; row->meaning != NULL; row++)
        text_wrap(stdout, row->meaning, (size_t)printf("  %2d  ", row->code), 6);
    printf("\nExample:\n%s", handler->example);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* getopt says of a letter which one it was; of a long option only where it stood. */
static int refuse_option(const struct handler_call *call)
{
    char letter[] = {'-', (char)optopt, '\0'};

    return handler_refuse(call->handler, "%.100s is no option, or one that takes no argument",
                          optopt > FOUND_LONG ? letter : call->argv[optind - 1]);
}

int handler_next(struct handler_call *call)
{
    const struct handler *handler = call->handler;
    struct option rows[HANDLER_OPTIONS_MAX + 2] = {{0}};
    int row = -1, found;

    for (size_t i = 0; i < handler->option_count; i++)
        rows[i] =
            (struct option){handler->options[i].name,
                            handler->options[i].argument != NULL ? required_argument : no_argument, NULL, FOUND_LONG};
    rows[handler->option_count] = (struct option){"help", no_argument, NULL, FOUND_LONG};
    found = getopt_long(call->argc, call->argv, "+:", rows, &row);
    call->argument = optarg;
    if (found == -1)
        return HANDLER_END;
    if (found == FOUND_LONG && row < (int)handler->option_count)
        return row;
    if (found == FOUND_LONG)
        call->status = print_help(handler);
    else if (found == ':')
        call->status = handler_refuse(handler, "an argument is missing behind %.100s", call->argv[optind - 1]);
    else
        call->status = refuse_option(call);
    return HANDLER_STOP;
}

char *handler_operand(struct handler_call *call)
{
    return optind < call->argc ? call->argv[optind++] : NULL;
}

/* ---- saying what is wrong ---- */

__attribute__((format(printf, 2, 0))) static void say(const struct handler *handler, const char *format,
                                                      va_list arguments, const char *end)
{
    char text[2 * ERR_TEXT_SIZE];

    (void)vsnprintf(text, sizeof text, format, arguments);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    (void)fprintf(stderr, "%s: %s%s\n", handler->name, text, end);
}

void handler_say(const struct handler *handler, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(handler, format, arguments, "");
    va_end(arguments);
}

int handler_refuse(const struct handler *handler, const char *format, ...)
{
    char end[64];
    va_list arguments;

    snprintf(end, sizeof end, "; see %s --help", handler->name);
    va_start(arguments, format);
    say(handler, format, arguments, end);
    va_end(arguments);
    return EX_USAGE;
}

int handler_fail(const struct handler *handler, const struct err *err)
{
    handler_say(handler, "%s", err->text);
    switch (err->kind) {
    case ERR_TEMPORARY:
        return EX_TEMPFAIL;
    case ERR_PERMANENT:
    case ERR_PROTOCOL:
        return EX_DATAERR;
    case ERR_NONE:
    case ERR_BUG:
        break;
    }
    return EX_SOFTWARE;
}

/* ---- files ---- */

int handler_print_file(int fd, struct err *err)
{
    char chunk[CHUNK_SIZE];
    off_t at = 0;
    ssize_t got;

    while ((got = pread(fd, chunk, sizeof chunk, at)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading the message");
        if (io_write_all(STDOUT_FILENO, (struct span){chunk, (size_t)got}) != 0)
            return err_system(err, "writing standard output");
        at += got;
    }
    return 0;
}

/* ---- the sandboxed part ---- */

void handler_put_failure(struct buf *answer, const struct err *err)
{
    frame_start(answer, HANDLER_ANSWER_FAILED);
    frame_put_number(answer, err->kind);
    frame_put_text(answer, span_text(err->text));
}

static int take_failure(struct frame_reader *answer, struct err *err)
{
    uint64_t kind = frame_number(answer);
    struct span text = frame_text(answer, ERR_TEXT_SIZE - 1);

    return err_set(err, kind == ERR_TEMPORARY ? ERR_TEMPORARY : ERR_PERMANENT, "%.*s", (int)text.size, text.data);
}

static int run(struct crew *crew, struct handler_work *work, struct err *err)
{
    struct worker *worker = crew_ask(crew, 0, &work->request, err);
    struct pollfd answered = {.events = POLLIN};
    int64_t now_ms = clock_monotonic_ms();

    if (worker == NULL)
        return -1;
    answered.fd = worker->socket;
    while (now_ms < worker->deadline_ms && poll(&answered, 1, (int)(worker->deadline_ms - now_ms)) < 0 &&
           errno == EINTR)
        now_ms = clock_monotonic_ms();
    return crew_take(worker, work->storage, sizeof work->storage, &work->answer, err);
}

int handler_work(struct handler_work *work, struct err *err)
{
    struct crew crew;
    int status;

    (void)charset_open_all();
    work->request.type = 1; /* there is only this one */
    if (crew_open(&crew, &mime_rights, work->job, work->context, err) != 0)
        return -1;
    status = run(&crew, work, err);
    crew_close(&crew);
    charset_close_all();
    if (status == 0 && work->answer.type == HANDLER_ANSWER_FAILED)
        status = take_failure(&work->answer, err);
    return status;
}
