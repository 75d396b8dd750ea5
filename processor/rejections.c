#include "processor/rejections.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger_step.h"

enum {
    BLOCK_SIZE = 256 * 1024, /* more than a batch of usual lines */
    NUMBERING_SIZE = 32,
};

/* The line behind all others; it begins with an end of line, as the last of them may have none. */
static const char numbering_format[] = "\nN\t%019lld\n";
enum { NUMBERING_LENGTH = 1 + 2 + 19 + 1 };

static const unsigned long long last_id = INT64_MAX / 2;

/* ---- waking ---- */

/* The folder that the index lies in. */
static int watch_folder(const struct rejections *rejections, struct err *err)
{
    char folder[REJECTION_PATH_SIZE];
    const char *journal = rejections->paths.journal;
    struct buf path = buf_over(folder, sizeof folder);
    const char *slash = strrchr(journal, '/');

    buf_put(&path, (struct span){journal, slash == journal ? 1 : (size_t)(slash - journal)});
    if (inotify_add_watch(rejections->watch, folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        return err_system(err, "watching %s", folder);
    return 0;
}

void rejections_open(struct rejections *rejections, struct index *index)
{
    struct err err;

    *rejections = (struct rejections){.index = index, .watch = -1, .file = -1, .due_ms = INT64_MAX};
    if (rejection_paths(&rejections->paths, index->path, &err) != 0) {
        log_say(LOG_ERR, "no rejections in the history: %s", err.text);
        return;
    }
    rejections->due_ms = 0;
    rejections->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (rejections->watch < 0)
        err_system(&err, "inotify");
    else if (watch_folder(rejections, &err) == 0)
        return;
    log_say(LOG_ERR, "rejections are seen at the next start only: %s", err.text);
}

static void come_again(struct rejections *rejections, int64_t when_ms)
{
    if (when_ms < rejections->due_ms)
        rejections->due_ms = when_ms;
}

void rejections_wake(struct rejections *rejections, int64_t now_ms)
{
    char bytes[4096] __attribute__((aligned(8)));
    const char *name = strrchr(rejections->paths.journal, '/') + 1;
    ssize_t size = read(rejections->watch, bytes, sizeof bytes);

    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(bytes + at);

        if ((event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && strcmp(event->name, name) == 0))
            come_again(rejections, now_ms + REJECTIONS_DELAY_MS);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

void rejections_hurry(struct rejections *rejections)
{
    if (rejections->due_ms != INT64_MAX)
        rejections->due_ms = 0;
}

/* ---- numbering ---- */

/* Where the lines end, and their first ID, out of a journal that an earlier processor had in hand. */
static bool read_numbering(const struct rejections *rejections, int64_t size, int64_t *first_id)
{
    char text[NUMBERING_SIZE];
    struct span line = {text, NUMBERING_LENGTH};
    unsigned long long number;

    if (size < NUMBERING_LENGTH ||
        pread(rejections->file, text, NUMBERING_LENGTH, size - NUMBERING_LENGTH) != NUMBERING_LENGTH)
        return false;
    if (!span_equal(span_slice(line, 0, 3), span_text("\nN\t")) || text[NUMBERING_LENGTH - 1] != '\n' ||
        span_number(span_slice(line, 3, NUMBERING_LENGTH - 1), last_id, &number) != 0 || number == 0)
        return false;
    *first_id = (int64_t)number;
    return true;
}

static int find_next_id(struct rejections *rejections, struct err *err)
{
    struct query query;

    if (query_start(&query, rejections->index, STATEMENT_REJECTION_NEXT, err) != 0 || query_next(&query, err) != 1)
        return -1;
    rejections->next_id = query_column_number(&query, 0);
    query_end(&query);
    return 0;
}

/* Safe on the disk before the first line is: a power cut takes neither without the other. */
static int write_numbering(struct rejections *rejections, struct err *err)
{
    char text[NUMBERING_SIZE];
    int length;

    if (find_next_id(rejections, err) != 0)
        return -1;
    length = snprintf(text, sizeof text, numbering_format, (long long)rejections->next_id);
    if (pwrite(rejections->file, text, (size_t)length, rejections->end) != length || fdatasync(rejections->file) != 0)
        return err_system(err, "%s", rejections->paths.taken);
    FAULT_POINT("rejections-numbered");
    return 0;
}

/* ---- one journal ---- */

static void let_go(struct rejections *rejections)
{
    if (rejections->file >= 0)
        (void)close(rejections->file);
    rejections->file = -1;
}

/* 1: a journal is in hand; 0: there is none, or not yet. */
static int take(struct rejections *rejections, int64_t now_ms, struct err *err)
{
    struct stat status;

    *err = (struct err){0};
    rejections->file = rejection_take(&rejections->paths, err);
    if (rejections->file < 0 && err->number == EAGAIN)
        come_again(rejections, now_ms + REJECTIONS_DELAY_MS);
    if (rejections->file < 0)
        return err->kind == ERR_NONE || err->number == EAGAIN ? 0 : -1;
    if (fstat(rejections->file, &status) != 0)
        return err_system(err, "%s", rejections->paths.taken);
    rejections->at = 0;
    rejections->end = status.st_size;
    rejections->damaged = 0;
    if (read_numbering(rejections, status.st_size, &rejections->next_id))
        rejections->end -= NUMBERING_LENGTH;
    else if (write_numbering(rejections, err) != 0)
        return -1;
    return 1;
}

static int add(struct rejections *rejections, const struct rejection *rejection, struct err *err)
{
    struct query query;

    if (query_start(&query, rejections->index, STATEMENT_REJECTION_ADD, err) != 0)
        return -1;
    query_number(&query, ":id", rejections->next_id);
    query_number(&query, ":rejected_ms", rejection->time_ms);
    query_text(&query, ":client", rejection->client);
    query_text(&query, ":helo", rejection->helo);
    query_text(&query, ":sender", rejection->sender);
    query_text(&query, ":recipient", rejection->recipient);
    query_text(&query, ":reply", rejection->reply);
    if (query_run(&query, err) != 0)
        return -1;
    rejections->next_id++;
    return 0;
}

static int add_line(struct rejections *rejections, struct span line, struct err *err)
{
    struct rejection rejection;

    if (rejection_read(line, &rejection) == 0)
        return add(rejections, &rejection, err);
    rejections->damaged++;
    return 0;
}

/* Adds the lines of a block up to a batch of them, and takes them off it. A last one without an end has none coming.
 */
static int add_lines(struct rejections *rejections, struct span *block, bool is_last, struct err *err)
{
    for (int count = 0; count < REJECTIONS_BATCH && block->size > 0; count++) {
        size_t size = span_find(*block, '\n');

        /* Nothing that we write is as long as a block. */
        if (size == block->size && !is_last && count > 0)
            return 0;
        if (add_line(rejections, span_slice(*block, 0, size), err) != 0)
            return -1;
        *block = span_slice(*block, size + 1, block->size);
    }
    return 0;
}

static int trim(struct rejections *rejections, struct err *err)
{
    struct query query;

    if (query_start(&query, rejections->index, STATEMENT_REJECTION_TRIM, err) != 0)
        return -1;
    query_number(&query, ":keep", REJECTIONS_KEPT);
    return query_run(&query, err);
}

static int add_block(struct rejections *rejections, struct span *block, struct err *err)
{
    bool is_last = rejections->at + (int64_t)block->size >= rejections->end;
    int status;

    if (index_begin(rejections->index, err) != 0)
        return -1;
    status = add_lines(rejections, block, is_last, err);
    if (status == 0)
        status = trim(rejections, err);
    return ledger_finish(rejections->index, status, err);
}

/* The next batch: 1 when there is more. */
static int bring_in(struct rejections *rejections, struct err *err)
{
    static char bytes[BLOCK_SIZE];
    int64_t left = rejections->end - rejections->at;
    ssize_t size = pread(rejections->file, bytes, left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE, rejections->at);
    struct span block = {bytes, size < 0 ? 0 : (size_t)size};
    int status;

    if (size < 0)
        return err_system(err, "%s", rejections->paths.taken);
    if (size == 0)
        return 0;
    status = add_block(rejections, &block, err);
    rejections->at += size - (int64_t)block.size;
    /* Behind the last line the journal goes: all of it is to be on the disk by then. */
    if (rejections->at >= rejections->end)
        index_must_last(rejections->index);
    if (ledger_settle(rejections->index, status, err) != 0)
        return -1;
    FAULT_POINT("rejections-added");
    return rejections->at < rejections->end;
}

static int finish(struct rejections *rejections, int64_t now_ms, struct err *err)
{
    int file = rejections->file;

    if (rejections->damaged > 0)
        log_say(LOG_WARNING, "%s: %llu damaged lines left out", rejections->paths.journal,
                (unsigned long long)rejections->damaged);
    rejections->file = -1;
    rejections->in_trouble = false;
    /* What was in hand may have been left over from before, with a journal already behind it. */
    come_again(rejections, now_ms + REJECTIONS_DELAY_MS);
    return rejection_drop(&rejections->paths, file, err);
}

/* 1: more can be done at once. */
static int go_on(struct rejections *rejections, int64_t now_ms, struct err *err)
{
    int status = rejections->file >= 0 ? 1 : take(rejections, now_ms, err);

    if (status == 1)
        status = bring_in(rejections, err);
    if (status == 0 && rejections->file >= 0)
        status = finish(rejections, now_ms, err);
    return status;
}

void rejections_continue(struct rejections *rejections, int64_t now_ms)
{
    struct err err = {0};
    int status;

    if (rejections->due_ms > now_ms)
        return;
    rejections->due_ms = INT64_MAX;
    status = go_on(rejections, now_ms, &err);
    if (status == 1)
        rejections->due_ms = now_ms;
    if (status >= 0)
        return;
    /* Begun anew, it goes over the same lines with the same IDs. */
    let_go(rejections);
    if (!rejections->in_trouble)
        log_say(LOG_ERR, "rejections wait for their place in the history: %s", err.text);
    rejections->in_trouble = true;
    rejections->due_ms = now_ms + REJECTIONS_PAUSE_MS;
}

void rejections_close(struct rejections *rejections)
{
    let_go(rejections);
    if (rejections->watch >= 0)
        (void)close(rejections->watch);
    rejections->watch = -1;
}
