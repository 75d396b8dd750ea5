#include "processor/command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "processor/text.h"

const struct command_exit command_exits[] = {
    {COMMAND_OK, "done"},
    {COMMAND_NOTHING, "nothing was found, or what was asked for was refused"},
    {COMMAND_USAGE, "the command line is wrong"},
    {COMMAND_DATA, "the input is no message, or can't be parsed"},
    {COMMAND_BUG, "a bug in mailmill"},
    {COMMAND_OUTPUT, "the output could not be written"},
    {COMMAND_LATER, "not now: a lock, the disk, memory; trying again may help"},
    {COMMAND_FORBIDDEN, "you lack the rights: be root, or in group mailmill"},
    {COMMAND_MISTAKEN, "the configuration has mistakes, or is missing"},
};
const size_t command_exit_count = sizeof command_exits / sizeof command_exits[0];

/* ---- saying what is wrong ---- */

void command_say(struct command_call *call, const char *format, ...)
{
    char text[2 * ERR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* What was printed before this belongs before it. */
    (void)fflush(call->out.out);
    (void)fputs("mailmill: ", call->err.out);
    text_write(call->err.out, span_text(text));
    (void)fputc('\n', call->err.out);
}

int command_fail(struct command_call *call, const struct err *err)
{
    bool is_forbidden = err->number == EACCES || err->number == EPERM;

    command_say(call, "%s%s", err->text, is_forbidden ? "; you need to be root or in group mailmill" : "");
    if (is_forbidden)
        return COMMAND_FORBIDDEN;
    switch (err->kind) {
    case ERR_TEMPORARY:
        return COMMAND_LATER;
    case ERR_PERMANENT:
    case ERR_PROTOCOL:
        return COMMAND_NOTHING;
    case ERR_NONE:
    case ERR_BUG:
        break;
    }
    return COMMAND_BUG;
}

void command_list_errors(struct command_call *call, const struct config_errors *errors, const char *word,
                         enum term_colour colour)
{
    (void)fflush(call->out.out);
    for (size_t i = 0; i < errors->count; i++) {
        term_write(&call->err, colour, word);
        (void)fputs(": ", call->err.out);
        text_write(call->err.out, span_text(errors->list[i]));
        (void)fputc('\n', call->err.out);
    }
}

/* ---- opening and closing ---- */

int command_open_config(struct command_call *call)
{
    struct config_errors errors = {0};
    int status = config_load(&call->config, call->config_path, &errors);

    if (status != 0)
        command_list_errors(call, &errors, "error", TERM_RED);
    config_errors_free(&errors);
    return status == 0 ? COMMAND_GO_ON : COMMAND_MISTAKEN;
}

int command_open_index(struct command_call *call, enum index_access access, bool *is_missing)
{
    const char *path = call->config.index;
    struct err err = {0};
    struct query query;

    *is_missing = false;
    /* SQLite would not tell a missing right from a missing file; and a file made here would be of the wrong owner. */
    if (faccessat(AT_FDCWD, path, access == INDEX_READER ? R_OK : R_OK | W_OK, AT_EACCESS) != 0) {
        *is_missing = errno == ENOENT;
        if (*is_missing)
            return COMMAND_GO_ON;
        err_system(&err, "index %s", path);
        return command_fail(call, &err);
    }
    if (index_open(&call->index, path, access, &err) != 0)
        return command_fail(call, &err);
    if (access != INDEX_READER)
        return COMMAND_GO_ON;
    if (query_start(&query, &call->index, STATEMENT_COMMAND_SNAPSHOT, &err) != 0 || query_run(&query, &err) != 0)
        return command_fail(call, &err);
    return COMMAND_GO_ON;
}

void command_say_no_index(struct command_call *call)
{
    command_say(call,
                "there is no message yet, as there is no index %s; if it was lost, mailmill reindex makes it anew",
                call->config.index);
}

int command_open_spool(struct command_call *call, bool *is_missing)
{
    struct err err = {0};

    if (is_missing != NULL)
        *is_missing = false;
    if (spool_open(&call->spool, call->config.spool, SPOOL_READER, &err) == 0)
        return COMMAND_GO_ON;
    if (err.number != ENOENT)
        return command_fail(call, &err);
    if (is_missing == NULL) {
        command_say(call, "there is no spool %s yet; mailmill-processor makes it when it starts", call->config.spool);
        return COMMAND_LATER;
    }
    *is_missing = true;
    return COMMAND_GO_ON;
}

void command_close(struct command_call *call)
{
    if (call->index.db != NULL) {
        index_rollback(&call->index); /* a reader's transaction, or what was not finished */
        index_close(&call->index);
    }
    spool_close(&call->spool);
    if (call->config.path != NULL)
        config_free(&call->config);
}
