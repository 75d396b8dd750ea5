/* mailmill log: what the log says of a message, out of the log file, or of the journal where there is none. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* ---- files ---- */

/* A log rotation puts PATH aside as PATH.1, that as PATH.2, and so on; it may compress them, with one of these names.
 */
static const char *const compressed[] = {".gz", ".xz", ".zst", ".bz2"};

struct search {
    const char *id;
    struct stat newer; /* the file that was opened last */
    size_t count;      /* of files that were opened */
};

/* Number 0 is the file itself. Frees with free(); NULL: no memory. */
static char *name_file(const struct command_call *call, unsigned number, const char *suffix)
{
    char *path = NULL;
    int size = number == 0 ? asprintf(&path, "%s", call->config.log_file)
                           : asprintf(&path, "%s.%u%s", call->config.log_file, number, suffix);

    return size < 0 ? NULL : path;
}

/* Nothing of a message is older than its ID, give or take the grain of a file's time. */
static bool is_too_old(const struct stat *file, const char *id)
{
    return file->st_mtim.tv_sec < id_time_ms(id) / 1000 - 1;
}

/* Says that there is more, where file `number` is there, and not to be read; else false. */
static bool say_compressed(struct command_call *call, const struct search *search, unsigned number)
{
    struct stat status;
    bool found = false;

    for (size_t i = 0; i < sizeof compressed / sizeof compressed[0]; i++) {
        char *path = name_file(call, number, compressed[i]);

        if (path != NULL && stat(path, &status) == 0 && !is_too_old(&status, search->id)) {
            command_say(call, "%s may say more of it, and is not read, as it is compressed", path);
            found = true;
        }
        free(path);
    }
    return found;
}

static int search_files(struct command_call *call, struct search *search, unsigned number, struct err *err);

/*
 * Searches what is older, and then this file. Each is open before the next one is looked for: when they are renamed
 * meanwhile, one is met twice and none is missed.
 */
static int search_file(struct command_call *call, struct search *search, unsigned number, FILE *log, struct err *err)
{
    struct stat file;
    int older, status;

    if (fstat(fileno(log), &file) != 0)
        return err_system(err, "the log");
    if (number > 0 && is_too_old(&file, search->id))
        return LOG_NOTHING;
    if (search->count > 0 && file.st_dev == search->newer.st_dev && file.st_ino == search->newer.st_ino)
        return search_files(call, search, number + 1, err);
    search->newer = file;
    search->count++;
    older = search_files(call, search, number + 1, err);
    status = older < 0 ? -1 : print_lines(call, log, search->id, err);
    return status == LOG_NOTHING ? older : status;
}

/* From this number on, the oldest first. */
static int search_files(struct command_call *call, struct search *search, unsigned number, struct err *err)
{
    char *path = name_file(call, number, "");
    FILE *log = path == NULL ? NULL : fopen(path, "re");
    int status = LOG_NOTHING;

    if (log != NULL) {
        status = search_file(call, search, number, log, err);
        (void)fclose(log);
    } else if (path == NULL || errno != ENOENT) {
        status = path == NULL ? err_system(err, "memory") : err_system(err, "log file %s", path);
    } else if (number == 0) { /* it is made with the next line */
        status = search_files(call, search, 1, err);
        if (status == LOG_NOTHING && search->count == 0) {
            errno = ENOENT;
            status = err_system(err, "log file %s", path);
        }
    } else {
        while (say_compressed(call, search, number))
            number++;
    }
    free(path);
    return status;
}

static int search_log_files(struct command_call *call, const char *id, struct err *err)
{
    struct search search = {.id = id};
    int status = search_files(call, &search, 0, err);

    if (status == LOG_NOTHING && search.count > 1)
        command_say(call, "the log says nothing of %s; it is %s, and %zu older", id, call->config.log_file,
                    search.count - 1);
    else if (status == LOG_NOTHING)
        command_say(call, "the log says nothing of %s; it is %s", id, call->config.log_file);
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
    int output = -1, ended = 0, status = -1;
    FILE *log;
    pid_t child = -1;

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
    if (status == LOG_NOTHING)
        command_say(call, "the log says nothing of %s", id);
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
    status = (call->config.log_file != NULL ? search_log_files : search_journal)(call, id, &err);
    if (status < 0)
        return command_fail(call, &err);
    return status == LOG_FOUND ? COMMAND_OK : COMMAND_NOTHING;
}
