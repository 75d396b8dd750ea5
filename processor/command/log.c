/* mailmill log: what the log says of a message, out of the log file, or of the journal where there is none. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/id.h"
#include "processor/command/commands.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"
#include "processor/text.h"

enum { LOG_FOUND = 0, LOG_NOTHING = 1 };

/* ---- the message ---- */

/* A whole ID need not be in the index: the log may know of what it has forgotten. */
static int find_id(struct command_call *call, const char *typed, char id[static ID_SIZE])
{
    struct err err = {0};
    bool is_missing;
    int status;

    if (id_prefix(span_text(typed), id) && strlen(id) == ID_LENGTH)
        return COMMAND_GO_ON;
    if ((status = command_open_index(call, INDEX_READER, &is_missing)) != COMMAND_GO_ON)
        return status;
    if (is_missing)
        err_set(&err, ERR_PERMANENT, "there is no message yet: the index %s is made when the first one comes",
                call->config.index);
    else if (lookup_id(&call->index, typed, id, &err) == 0)
        return COMMAND_GO_ON;
    return command_fail(call, &err);
}

/* ---- its lines ---- */

/* "id=" and the ID as a word of its own. */
static bool is_about(struct span line, struct span wanted)
{
    for (size_t at = 0; at < line.size; at++) {
        const char *found = memmem(line.data + at, line.size - at, wanted.data, wanted.size);
        size_t end;

        if (found == NULL)
            return false;
        at = (size_t)(found - line.data);
        end = at + wanted.size;
        if ((at == 0 || line.data[at - 1] == ' ') && (end == line.size || line.data[end] == ' '))
            return true;
    }
    return false;
}

/* Prints the lines of a log that are about the message. LOG_FOUND, LOG_NOTHING, or -1. */
static int print_lines(struct command_call *call, FILE *log, const char *id, struct err *err)
{
    char wanted[ID_SIZE + 3], *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int status = LOG_NOTHING;

    snprintf(wanted, sizeof wanted, "id=%s", id);
    while ((size = getline(&line, &capacity, log)) > 0) {
        struct span text = {line, (size_t)size - (line[size - 1] == '\n')};

        if (!is_about(text, span_text(wanted)))
            continue;
        text_write(call->out.out, text);
        (void)fputc('\n', call->out.out);
        status = LOG_FOUND;
    }
    free(line);
    return ferror(log) != 0 ? err_system(err, "reading the log") : status;
}

static int search_file(struct command_call *call, const char *id, struct err *err)
{
    FILE *log = fopen(call->config.log_file, "re");
    int status;

    if (log == NULL)
        return err_system(err, "log file %s", call->config.log_file);
    status = print_lines(call, log, id, err);
    (void)fclose(log);
    return status;
}

/* ---- the journal ---- */

/* Nothing of a message is older than its ID. */
static int start_journal(const char *id, pid_t *child, int *output, struct err *err)
{
    char since[40];
    char *arguments[] = {"journalctl",
                         "--no-pager",
                         "--quiet",
                         "--output=short-iso",
                         "--identifier=mailmill-receiver",
                         "--identifier=mailmill-processor",
                         since,
                         NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status;

    snprintf(since, sizeof since, "--since=@%lld", (long long)(id_time_ms(id) / 1000 - 1));
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_system(err, "pipe");
    status = posix_spawn_file_actions_init(&actions);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (status == 0)
        status = posix_spawnp(child, "journalctl", &actions, NULL, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    *output = ends[0];
    if (status == 0)
        return 0;
    (void)close(ends[0]);
    errno = status;
    if (status == ENOENT)
        return err_set(err, ERR_PERMANENT,
                       "there is no journalctl; the log is where syslog puts what mail programs say: look there for "
                       "id=%s, or set log-file",
                       id);
    return err_system(err, "starting journalctl");
}

static int search_journal(struct command_call *call, const char *id, struct err *err)
{
    int output = -1, ended, status = -1;
    FILE *log;
    pid_t child;

    if (start_journal(id, &child, &output, err) != 0)
        return -1;
    log = fdopen(output, "r");
    if (log == NULL) {
        err_system(err, "the journal");
        (void)close(output);
    } else {
        status = print_lines(call, log, id, err);
        (void)fclose(log);
    }
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        continue;
    if (status == LOG_NOTHING && (!WIFEXITED(ended) || WEXITSTATUS(ended) > 1))
        return err_set(err, ERR_TEMPORARY, "journalctl failed");
    return status;
}

int command_log(struct command_call *call)
{
    struct options options = options_start(call, NULL, 0);
    char id[ID_SIZE];
    struct err err = {0};
    int status;

    if (options_next(&options) == OPTIONS_STOP)
        return options.status;
    if (options.operand_count != 1)
        return options_refuse(call, "the ID of one message is wanted");
    if ((status = command_open_config(call)) != COMMAND_GO_ON ||
        (status = find_id(call, options.operands[0], id)) != COMMAND_GO_ON)
        return status;
    status = (call->config.log_file != NULL ? search_file : search_journal)(call, id, &err);
    if (status < 0)
        return command_fail(call, &err);
    if (status == LOG_NOTHING)
        command_say(call, "the log says nothing of %s%s%s", id, call->config.log_file != NULL ? "; it is " : "",
                    call->config.log_file != NULL ? call->config.log_file : "");
    return status == LOG_FOUND ? COMMAND_OK : COMMAND_NOTHING;
}
