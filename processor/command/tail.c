/* mailmill tail: attempts as they end. Nothing is asked while nothing is written: the files of the index are watched.
 */
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "processor/command/commands.h"
#include "processor/command/json_column.h"
#include "processor/command/options.h"
#include "processor/text.h"

enum { LINES_DEFAULT = 10, LINES_MAX = 100000, PATH_SIZE = 4096 };

enum { TAIL_LINES, TAIL_JSON, TAIL_OPTIONS };
static const struct option_row rows[TAIL_OPTIONS] = {
    [TAIL_LINES] = {'n', "lines", "N", "begin with the last N attempts; 10 if not given"},
    [TAIL_JSON] = {0, "json", NULL, "print JSON objects, one a line"},
};

/* Columns of the statement tail_attempts. */
enum column {
    COLUMN_ATTEMPT,
    COLUMN_STARTED_MS,
    COLUMN_ENDED_MS,
    COLUMN_MESSAGE,
    COLUMN_SENDER,
    COLUMN_RECIPIENT,
    COLUMN_SUBJECT,
    COLUMN_ROUTE,
    COLUMN_HANDLER,
    COLUMN_NUMBER,
    COLUMN_OUTCOME,
    COLUMN_EXIT_CODE,
    COLUMN_SIGNAL,
    COLUMN_DETAIL,
};

/*
 * A write to the index is heard of a moment before it can be read: behind the last one heard of it is looked again,
 * after so many milliseconds.
 */
static const int looks_ms[] = {0, 100, 1000};
enum { LOOKS = sizeof looks_ms / sizeof looks_ms[0], RETRY_MS = 1000 };

struct tail {
    struct command_call *call;
    int64_t lines;
    bool as_json;
    int watch;
    const char *name; /* of the index, in its folder */
    int64_t last_id;  /* of the attempts that were looked at */
    int64_t *running; /* those of them that had not ended */
    size_t running_count, running_capacity;
    bool is_opened_anew; /* another file has come in the index's place */
    dev_t device;        /* of the file that was read last; with inode 0 none was yet */
    ino_t inode;
};

/* ---- one attempt ---- */

static void print_text(const struct tail *tail, struct query *query)
{
    FILE *out = tail->call->out.out;
    char time[TEXT_TIME_SIZE], took[TEXT_DURATION_SIZE], outcome[16];

    text_time(query_column_number(query, COLUMN_ENDED_MS), time);
    text_duration(query_column_number(query, COLUMN_ENDED_MS) - query_column_number(query, COLUMN_STARTED_MS), took);
    snprintf(outcome, sizeof outcome, "%.*s", (int)query_column_text(query, COLUMN_OUTCOME).size,
             query_column_text(query, COLUMN_OUTCOME).data);
    (void)fprintf(out, "%s %.*s ", time, (int)query_column_text(query, COLUMN_MESSAGE).size,
                  query_column_text(query, COLUMN_MESSAGE).data);
    term_write(&tail->call->out, term_state_colour(outcome), outcome);
    (void)fputc(' ', out);
    text_write(out, query_column_text(query, COLUMN_RECIPIENT));
    (void)fputc(' ', out);
    text_write(out, query_column_text(query, COLUMN_HANDLER));
    (void)fprintf(out, " attempt %lld, %s", (long long)query_column_number(query, COLUMN_NUMBER), took);
    if (query_column_text(query, COLUMN_DETAIL).size > 0) {
        (void)fputs(": ", out);
        text_write(out, query_column_text(query, COLUMN_DETAIL));
    }
    (void)fputc('\n', out);
}

static void print_json(const struct tail *tail, struct query *query)
{
    struct json json = {.out = tail->call->out.out};

    json_open(&json, NULL, '{');
    json_column_time(&json, "started", query, COLUMN_STARTED_MS);
    json_column_time(&json, "ended", query, COLUMN_ENDED_MS);
    json_column_text(&json, "id", query, COLUMN_MESSAGE);
    json_column_text(&json, "sender", query, COLUMN_SENDER);
    json_column_text(&json, "recipient", query, COLUMN_RECIPIENT);
    json_column_text(&json, "subject", query, COLUMN_SUBJECT);
    json_column_text(&json, "route", query, COLUMN_ROUTE);
    json_column_text(&json, "handler", query, COLUMN_HANDLER);
    json_column_number(&json, "attempt", query, COLUMN_NUMBER);
    json_column_text(&json, "outcome", query, COLUMN_OUTCOME);
    json_column_number(&json, "exit_code", query, COLUMN_EXIT_CODE);
    json_column_number(&json, "signal", query, COLUMN_SIGNAL);
    json_column_text(&json, "detail", query, COLUMN_DETAIL);
    json_close(&json);
}

/* ---- what is new ---- */

static int remember(struct tail *tail, int64_t id, struct err *err)
{
    if (tail->running_count == tail->running_capacity) {
        size_t capacity = tail->running_capacity == 0 ? 64 : tail->running_capacity * 2;
        int64_t *larger = reallocarray(tail->running, capacity, sizeof *larger);

        if (larger == NULL)
            return err_system(err, "memory for attempts");
        tail->running = larger;
        tail->running_capacity = capacity;
    }
    tail->running[tail->running_count++] = id;
    return 0;
}

/* Prints those that have ended, and remembers the others. */
static int print_range(struct tail *tail, int64_t first, int64_t last, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, &tail->call->index, STATEMENT_TAIL_ATTEMPTS, err) != 0)
        return -1;
    query_number(&query, ":first", first);
    query_number(&query, ":last", last);
    while ((row = query_next(&query, err)) == 1) {
        int64_t id = query_column_number(&query, COLUMN_ATTEMPT);

        if (id > tail->last_id)
            tail->last_id = id;
        if (!query_column_is_null(&query, COLUMN_ENDED_MS)) {
            (tail->as_json ? print_json : print_text)(tail, &query);
        } else if (remember(tail, id, err) != 0) {
            query_end(&query);
            return -1;
        }
    }
    return row;
}

static int look(struct tail *tail, struct err *err)
{
    size_t count = tail->running_count;

    tail->running_count = 0; /* those that still run are put back, each in a place that was looked at */
    for (size_t i = 0; i < count; i++)
        if (print_range(tail, tail->running[i], tail->running[i], err) != 0)
            return -1;
    if (print_range(tail, tail->last_id + 1, INT64_MAX, err) != 0)
        return -1;
    if (fflush(tail->call->out.out) != 0)
        return err_system(err, "writing the output");
    return 0;
}

/* ---- the index ---- */

/* Where to begin in the file that was opened: with the last lines of the first one, where one that could not be read
 * for a while was left, and of one in its place with all, as nothing in it is old news. */
static int find_beginning(struct tail *tail, const struct stat *status, struct err *err)
{
    bool is_first = tail->inode == 0;
    struct query query;

    if (!is_first && status->st_dev == tail->device && status->st_ino == tail->inode)
        return 0;
    if (query_start(&query, &tail->call->index, STATEMENT_TAIL_LAST, err) != 0 || query_next(&query, err) != 1)
        return -1;
    tail->last_id = is_first ? query_column_number(&query, 0) - tail->lines : 0;
    query_end(&query);
    tail->running_count = 0;
    tail->device = status->st_dev;
    tail->inode = status->st_ino;
    return 0;
}

/* Nothing is left open that would keep others from clearing up behind themselves while we wait. */
static int open_index(struct tail *tail, struct err *err)
{
    struct command_call *call = tail->call;
    struct stat status;

    if (call->index.db != NULL)
        index_close(&call->index);
    call->index = (struct index){0};
    if (access(call->config.index, R_OK) != 0 || stat(call->config.index, &status) != 0)
        return errno == ENOENT ? 0 : err_system(err, "index %s", call->config.index);
    if (index_open(&call->index, call->config.index, INDEX_READER, err) != 0)
        return -1;
    return find_beginning(tail, &status, err);
}

static int start_watch(struct tail *tail, struct err *err)
{
    char folder[PATH_SIZE];

    tail->name = strrchr(tail->call->config.index, '/') + 1;
    if (snprintf(folder, sizeof folder, "%s", tail->call->config.index) >= (int)sizeof folder)
        return err_set(err, ERR_PERMANENT, "the path %s is too long", tail->call->config.index);
    tail->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (tail->watch < 0 ||
        inotify_add_watch(tail->watch, dirname(folder), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        return err_system(err, "watching the folder of %s", tail->call->config.index);
    return 0;
}

/* Takes what was heard; whether any of it is about the index. */
static bool hear(struct tail *tail)
{
    char bytes[4096] __attribute__((aligned(8)));
    size_t name_size = strlen(tail->name);
    bool is_ours = false;
    ssize_t size;

    while ((size = read(tail->watch, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            const char *rest = event->len > 0 ? event->name + name_size : "";

            at += (ssize_t)(sizeof *event + event->len);
            if ((event->mask & IN_Q_OVERFLOW) != 0) {
                is_ours = true;
            } else if (event->len > name_size && strncmp(event->name, tail->name, name_size) == 0) {
                is_ours |= rest[0] == '\0' || strcmp(rest, "-wal") == 0;
                tail->is_opened_anew |= rest[0] == '\0' && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
            }
        }
    return is_ours;
}

/*
 * One look, at the file that may have come in the index's place. One that is only being made, or was taken away, can
 * be read a moment later, or with the next thing that is heard of it.
 */
static void look_again(struct tail *tail, bool may_wait)
{
    struct err err = {0};
    int status = tail->is_opened_anew ? open_index(tail, &err) : 0;

    if (status == 0)
        tail->is_opened_anew = false;
    if (status == 0 && tail->call->index.db != NULL)
        status = look(tail, &err);
    if (status == 0)
        return;
    tail->is_opened_anew = true;
    if (!may_wait && err.kind != ERR_TEMPORARY)
        command_say(tail->call, "%s", err.text);
}

/* ---- the command ---- */

/* Until nobody reads our output any more. */
static int follow(struct tail *tail, struct err *err)
{
    struct pollfd fds[] = {{.fd = tail->watch, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
    int looks = 0;

    for (;;) {
        look_again(tail, looks + 1 != LOOKS);
        if (ferror(tail->call->out.out) != 0)
            return err_set(err, ERR_TEMPORARY, "the output could not be written");
        if (looks < LOOKS)
            looks++;
        /* Nothing is heard of an index that can be read again. */
        if (poll(fds, 2, looks < LOOKS ? looks_ms[looks] : tail->is_opened_anew ? RETRY_MS : -1) < 0)
            return err_system(err, "poll");
        if ((fds[1].revents & (POLLERR | POLLHUP)) != 0)
            return 0;
        if (fds[0].revents != 0 && hear(tail))
            looks = 0;
    }
}

static int run(struct tail *tail)
{
    struct err err = {0};
    int status = start_watch(tail, &err);

    if (status == 0)
        status = open_index(tail, &err);
    if (status == 0)
        status = follow(tail, &err);
    if (tail->watch >= 0)
        (void)close(tail->watch);
    free(tail->running);
    return status == 0 ? COMMAND_OK : command_fail(tail->call, &err);
}

int command_tail(struct command_call *call)
{
    struct options options = options_start(call, rows, TAIL_OPTIONS);
    struct tail tail = {.call = call, .lines = LINES_DEFAULT, .watch = -1};
    unsigned long long lines;
    int option, status;

    while ((option = options_next(&options)) >= 0) {
        if (option == TAIL_JSON)
            tail.as_json = true;
        else if (span_number(span_text(options.argument), LINES_MAX, &lines) != 0)
            return options_refuse(call, "--lines is a number up to %d", LINES_MAX);
        else
            tail.lines = (int64_t)lines;
    }
    if (option == OPTIONS_STOP)
        return options.status;
    if ((status = options_no_operands(&options)) != COMMAND_GO_ON ||
        (status = command_open_config(call)) != COMMAND_GO_ON)
        return status;
    return run(&tail);
}
