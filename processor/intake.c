#include "processor/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/route.h"
#include "processor/filing.h"
#include "processor/ledger.h"

enum { ADOPT_BATCH = 1000 }; /* rows in one transaction while scanning: the receiver gets its turn in between */

/* ---- a message's file ---- */

/* Reads the trace block of an open file, and the file's size. */
static int read_envelope(int fd, struct envelope *envelope, uint64_t *size_bytes, struct err *err)
{
    static char head[ENVELOPE_TRACE_MAX];
    struct stat status;
    size_t trace_size;
    ssize_t size;

    if (fstat(fd, &status) != 0 || (size = pread(fd, head, sizeof head, 0)) < 0)
        return err_system(err, "reading a message's trace block");
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_PERMANENT, "it is not a regular file");
    *size_bytes = (uint64_t)status.st_size;
    return envelope_read_trace(envelope, (struct span){head, (size_t)size}, &trace_size, err);
}

/* Opens and reads one. The descriptor is put into `fd`, where it is asked for. */
static int open_message(struct intake *intake, const char *id, struct envelope *envelope, uint64_t *size_bytes,
                        int *fd, struct err *err)
{
    int file = spool_open_message(intake->spool, id, err);

    *envelope = (struct envelope){0};
    if (file < 0)
        return -1;
    if (read_envelope(file, envelope, size_bytes, err) != 0 ||
        (strcmp(envelope->id, id) != 0 &&
         err_set(err, ERR_PERMANENT, "its trace block names another message, %s", envelope->id) != 0)) {
        envelope_free(envelope);
        (void)close(file);
        return -1;
    }
    *fd = file;
    return 0;
}

static void leave_file(const char *name, const struct err *err)
{
    log_say(LOG_WARNING, "new/%s is left where it is: %s", name, err->text);
}

/* ---- rows for files that have none ---- */

struct scan {
    struct intake *intake;
    unsigned batch; /* rows in the open transaction */
};

static int has_row(struct index *index, const char *id, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_MESSAGE_IS_QUEUED, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    row = query_next(&query, err);
    query_end(&query);
    return row;
}

static int add_row(struct intake *intake, const char *name, struct err *err)
{
    struct envelope envelope;
    uint64_t size_bytes;
    int status;
    int fd;

    if (open_message(intake, name, &envelope, &size_bytes, &fd, err) != 0) {
        /* One that we may not read does not keep the others waiting. */
        bool is_left = err->kind == ERR_PERMANENT || err->number == EACCES;

        if (is_left)
            leave_file(name, err);
        return is_left ? 0 : -1;
    }
    (void)close(fd);
    status = index_put_message(intake->index, &envelope, size_bytes, err);
    envelope_free(&envelope);
    return status;
}

/* In a transaction of its own: a row with half of its recipients would be worse than none. */
static int add_row_alone(struct intake *intake, const char *name, struct err *err)
{
    if (index_begin(intake->index, err) != 0)
        return -1;
    if (add_row(intake, name, err) == 0)
        return index_commit(intake->index, err);
    index_rollback(intake->index);
    return -1;
}

static int visit(void *context, const char *name, struct err *err)
{
    struct scan *scan = context;
    struct err not_ours;
    int row;

    if (!id_is_valid(span_text(name))) {
        err_set(&not_ours, ERR_PERMANENT, "its name is not a message's ID");
        leave_file(name, &not_ours);
        return 0;
    }
    row = has_row(scan->intake->index, name, err);
    if (row != 0)
        return row < 0 ? -1 : 0;
    if (add_row(scan->intake, name, err) != 0)
        return -1;
    if (++scan->batch < ADOPT_BATCH)
        return 0;
    scan->batch = 0;
    if (index_commit(scan->intake->index, err) != 0)
        return -1;
    return index_begin(scan->intake->index, err);
}

int intake_scan(struct intake *intake, struct err *err)
{
    struct scan scan = {.intake = intake};

    intake->has_backlog = intake->needs_scan = true;
    if (index_begin(intake->index, err) != 0)
        return -1;
    if (spool_each_new(intake->spool, visit, &scan, err) != 0) {
        index_rollback(intake->index);
        return -1;
    }
    if (index_commit(intake->index, err) != 0)
        return -1;
    intake->needs_scan = false;
    return 0;
}

/* ---- one message after the other ---- */

static void pause_intake(struct intake *intake, int64_t now_ms, const char *id, const struct err *err)
{
    log_say(LOG_ERR, "%s is not queued yet: %s", id, err->text);
    /* It may have no row to be found by: the receiver has none of its rows if the index was in trouble. */
    intake->has_backlog = intake->needs_scan = true;
    intake->resume_ms = now_ms + INTAKE_PAUSE_MS;
}

static struct intake_slot *free_slot(struct intake *intake)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (!intake->slots[i].in_use)
            return &intake->slots[i];
    return NULL;
}

static bool is_in_work(const struct intake *intake, const char *id)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use && strcmp(intake->slots[i].envelope.id, id) == 0)
            return true;
    return false;
}

static void free_of_work(struct intake_slot *slot)
{
    envelope_free(&slot->envelope);
    slot->in_use = false;
}

/* A message that can't be read now or ever. What is gone or broken for good must not be asked for again and again. */
static void not_readable(struct intake *intake, const char *id, int64_t now_ms, struct err *err)
{
    struct err second;

    if (err->kind != ERR_PERMANENT) {
        pause_intake(intake, now_ms, id, err);
        return;
    }
    log_say(LOG_ERR, "%s: %s", id, err->text);
    if (ledger_give_up(intake->index, id, now_ms, &second) != 0)
        pause_intake(intake, now_ms, id, &second);
}

/* Only then is all of a message read. */
static bool wants_digest(const struct intake *intake, const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct route_match match = route_find(intake->config, &envelope->recipients[i]);

        if (match.verdict == ROUTE_FOUND && match.route->dedupe_ms > 0)
            return true;
    }
    return false;
}

/* Has the headers of one message read. Nothing to do when it is queued already. */
static void take_up(struct intake *intake, struct intake_slot *slot, const char *id, int64_t now_ms)
{
    struct err err = {0};
    int queued = ledger_is_queued(intake->index, id, &err);
    int fd;

    if (queued != 0) {
        if (queued < 0)
            pause_intake(intake, now_ms, id, &err);
        return;
    }
    if (open_message(intake, id, &slot->envelope, &slot->size_bytes, &fd, &err) != 0) {
        not_readable(intake, id, now_ms, &err);
        return;
    }
    slot->token = ++intake->last_token;
    slot->in_use = true;
    if (message_ask_parse(intake->helper, slot->token, fd, wants_digest(intake, &slot->envelope), &err) != 0) {
        free_of_work(slot);
        pause_intake(intake, now_ms, id, &err);
    }
    (void)close(fd);
}

void intake_arrived(struct intake *intake, const char *name, int64_t now_ms)
{
    struct intake_slot *slot = free_slot(intake);
    struct err err = {0};
    int row;

    if (!id_is_valid(span_text(name))) {
        err_set(&err, ERR_PERMANENT, "its name is not a message's ID");
        leave_file(name, &err);
    } else if (is_in_work(intake, name)) {
        return;
    } else if (slot != NULL && !message_is_busy(intake->helper) && now_ms >= intake->resume_ms) {
        take_up(intake, slot, name, now_ms);
    } else {
        intake->has_backlog = true;
        row = has_row(intake->index, name, &err);
        if (row < 0 || (row == 0 && add_row_alone(intake, name, &err) != 0))
            pause_intake(intake, now_ms, name, &err);
    }
}

/* IDs of messages that wait for being queued, oldest first. */
static int list_waiting(struct intake *intake, char ids[][ID_SIZE], int max, struct err *err)
{
    struct query query;
    int count = 0;
    int row;

    if (query_start(&query, intake->index, STATEMENT_MESSAGE_UNQUEUED, err) != 0)
        return -1;
    query_number(&query, ":limit", max);
    while ((row = query_next(&query, err)) == 1)
        snprintf(ids[count++], ID_SIZE, "%.*s", ID_LENGTH, query_column_text(&query, 0).data);
    return row < 0 ? -1 : count;
}

void intake_continue(struct intake *intake, int64_t now_ms)
{
    char ids[2 * MESSAGE_IN_FLIGHT_MAX][ID_SIZE];
    struct err err = {0};
    struct intake_slot *slot;
    int count;

    if (!intake->has_backlog || now_ms < intake->resume_ms || free_slot(intake) == NULL)
        return;
    if (intake->needs_scan && intake_scan(intake, &err) != 0) {
        pause_intake(intake, now_ms, "the spool", &err);
        return;
    }
    count = list_waiting(intake, ids, 2 * MESSAGE_IN_FLIGHT_MAX, &err);
    if (count < 0) {
        pause_intake(intake, now_ms, "the backlog", &err);
        return;
    }
    intake->has_backlog = false;
    intake->resume_ms = 0;
    for (int i = 0; i < count; i++) {
        slot = free_slot(intake);
        if (slot == NULL || message_is_busy(intake->helper)) {
            intake->has_backlog = true;
            return;
        }
        if (!is_in_work(intake, ids[i]))
            take_up(intake, slot, ids[i], now_ms);
    }
    intake->has_backlog = intake->has_backlog || count == 2 * MESSAGE_IN_FLIGHT_MAX;
}

/* A message without a single delivery has nothing to wait for: it is kept, and that is all. */
static int queue_message(struct intake *intake, const struct intake_slot *slot, const struct message_answer *answer,
                         int64_t now_ms, struct err *err)
{
    const struct message_headers *headers = answer->kind == MESSAGE_PARSED ? &answer->headers : NULL;
    const char *digest = answer->kind == MESSAGE_PARSED ? answer->digest : "";
    bool ended;

    if (ledger_queue(intake->index, intake->config, &slot->envelope, slot->size_bytes, headers, digest, now_ms,
                     err) != 0)
        return -1;
    FAULT_POINT("intake-queued");
    return filing_message(intake->index, intake->spool, slot->envelope.id, now_ms, &ended, err);
}

/*
 * The receiver reads the configuration anew for each connection, and takes mail only for what it finds there: an
 * address without a route means that ours is older. Where it is not (the route was removed since), the mail is kept.
 */
static bool wants_newer_config(struct intake *intake, const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        enum route_verdict verdict = route_find(intake->config, &envelope->recipients[i]).verdict;

        if (verdict == ROUTE_FOUND || verdict == ROUTE_KEPT)
            continue;
        if (config_stamp(intake->config->path) != intake->config_stamp) {
            log_say(LOG_INFO, "%s waits for the changed configuration to be read", envelope->id);
            return true;
        }
        log_say(LOG_WARNING, "%s: no route for %s any more; it is kept", envelope->id, envelope->recipients[i].text);
    }
    return false;
}

static void finish_slot(struct intake *intake, struct intake_slot *slot, const struct message_answer *answer,
                        int64_t now_ms)
{
    bool has_headers = answer->kind == MESSAGE_PARSED;
    struct err err = answer->err;

    FAULT_POINT("intake-parsed");
    if (wants_newer_config(intake, &slot->envelope)) {
        intake->wants_reload = intake->has_backlog = intake->needs_scan = true;
        intake->resume_ms = now_ms + INTAKE_PAUSE_MS;
        free_of_work(slot);
        return;
    }
    if (!has_headers)
        log_say(LOG_WARNING, "%s: no headers: %s", slot->envelope.id, err.text);
    /* A message that breaks its parser is still delivered; it only has no headers. */
    if ((!has_headers && err.kind == ERR_TEMPORARY) || queue_message(intake, slot, answer, now_ms, &err) != 0)
        pause_intake(intake, now_ms, slot->envelope.id, &err);
    else
        intake->queued = true;
    free_of_work(slot);
}

void intake_answered(struct intake *intake, const struct message_answer *answer, int64_t now_ms)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use && intake->slots[i].token == answer->token)
            finish_slot(intake, &intake->slots[i], answer, now_ms);
}

void intake_forget(struct intake *intake)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use) {
            intake->has_backlog = true;
            free_of_work(&intake->slots[i]);
        }
}

int64_t intake_next_ms(const struct intake *intake)
{
    return intake->has_backlog && intake->resume_ms > 0 ? intake->resume_ms : INT64_MAX;
}
