#include "processor/intake.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/route.h"
#include "processor/arrival.h"
#include "processor/intake_step.h"
#include "processor/ledger.h"

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
    slot->in_use = slot->is_queued = false;
}

/*
 * A message that can't be read now or ever. What is gone or broken for good must not be asked for again and again. Of
 * one that is queued its deliveries will say so, if there is anything to be done.
 */
static void not_readable(struct intake *intake, const char *id, int64_t now_ms, struct err *err)
{
    struct err second;

    if (err->kind != ERR_PERMANENT) {
        pause_intake(intake, now_ms, id, err);
        return;
    }
    if (ledger_is_queued(intake->index, id, &second) == 1)
        return;
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

/* Has the headers of one message read. One that is queued already is not queued again. */
static void take_up(struct intake *intake, struct intake_slot *slot, const char *id, int64_t now_ms)
{
    struct err err = {0};
    int fd;

    if (intake_open(intake, id, &slot->envelope, &slot->size_bytes, &fd, &err) != 0) {
        not_readable(intake, id, now_ms, &err);
        return;
    }
    slot->token = ++intake->last_token;
    slot->in_use = true;
    slot->is_queued = false;
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
        intake_leave(name, &err);
    } else if (is_in_work(intake, name)) {
        return;
    } else if (slot != NULL && !message_is_busy(intake->helper) && now_ms >= intake->resume_ms) {
        take_up(intake, slot, name, now_ms);
    } else {
        intake->has_backlog = true;
        row = intake_has_row(intake->index, name, &err);
        if (row < 0 || (row == 0 && intake_add_row(intake, name, &err) != 0))
            pause_intake(intake, now_ms, name, &err);
    }
}

/* The receiver closes each file after it has moved it: most are known by then. */
void intake_closed(struct intake *intake, const char *name, int64_t now_ms)
{
    struct err err = {0};

    if (!is_in_work(intake, name) && ledger_is_queued(intake->index, name, &err) != 1)
        intake_arrived(intake, name, now_ms);
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

/* Asks about what waits for as long as somebody has time for it. */
static void take_up_waiting(struct intake *intake, char ids[][ID_SIZE], int count, int64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        struct intake_slot *slot = free_slot(intake);

        if (slot == NULL || message_is_busy(intake->helper)) {
            intake->has_backlog = true;
            return;
        }
        if (!is_in_work(intake, ids[i]))
            take_up(intake, slot, ids[i], now_ms);
    }
}

void intake_continue(struct intake *intake, int64_t now_ms)
{
    char ids[2 * MESSAGE_IN_FLIGHT_MAX][ID_SIZE];
    struct err err = {0};
    int count;

    if (!intake->has_backlog || now_ms < intake->resume_ms)
        return;
    intake->resume_ms = 0;
    if (intake->needs_scan && intake_scan_some(intake, &err) != 0) {
        pause_intake(intake, now_ms, "the spool", &err);
        return;
    }
    if (free_slot(intake) == NULL)
        return;
    count = list_waiting(intake, ids, 2 * MESSAGE_IN_FLIGHT_MAX, &err);
    if (count < 0) {
        pause_intake(intake, now_ms, "the backlog", &err);
        return;
    }
    intake->has_backlog = intake->needs_scan || count == 2 * MESSAGE_IN_FLIGHT_MAX;
    take_up_waiting(intake, ids, count, now_ms);
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

/* Whether an older message is still being read. */
static bool has_older(const struct intake *intake, const struct intake_slot *slot)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        const struct intake_slot *other = &intake->slots[i];

        if (other->in_use && !other->is_queued && strcmp(other->envelope.id, slot->envelope.id) < 0)
            return true;
    }
    return false;
}

/* Whether it is known before an older one, and for a handler that takes them one by one: the older is to go first. */
static bool is_early(const struct intake *intake, const struct intake_slot *slot)
{
    if (!has_older(intake, slot))
        return false;
    for (size_t i = 0; i < slot->envelope.recipient_count; i++) {
        struct route_match match = route_find(intake->config, &slot->envelope.recipients[i]);

        if (match.verdict == ROUTE_FOUND && match.route->handler_count > 0 &&
            match.route->handlers[0].concurrency == 1)
            return true;
    }
    return false;
}

/* Writes the message down: it is started at once, or queued. A message that breaks its parser is still delivered; it
 * only has no headers. */
static int write_down(struct intake *intake, struct intake_slot *slot, const struct message_answer *answer,
                      int64_t now_ms, struct err *err)
{
    bool is_parsed = answer->kind == MESSAGE_PARSED;
    bool early = is_early(intake, slot);
    int started = 0;

    if (intake->arrival != NULL && is_parsed && !early && !intake->queued && intake->early_ms == 0)
        started = arrival_start(intake->arrival, &slot->envelope, slot->size_bytes, &answer->headers, now_ms, err);
    slot->left = (struct ledger_tally){.waiting = started};
    if (started != 0)
        return started == 1 ? 0 : -1;
    if (ledger_queue(intake->index, intake->config, &slot->envelope, slot->size_bytes,
                     is_parsed ? &answer->headers : NULL, is_parsed ? answer->digest : "", now_ms, err) != 0)
        return -1;
    if (!early)
        intake->queued = true;
    else if (intake->early_ms == 0)
        intake->early_ms = now_ms + INTAKE_EARLY_MS;
    return ledger_tally(intake->index, slot->envelope.id, &slot->left, err);
}

static void finish_slot(struct intake *intake, struct intake_slot *slot, const struct message_answer *answer,
                        int64_t now_ms)
{
    bool is_parsed = answer->kind == MESSAGE_PARSED;
    struct err err = answer->err;

    FAULT_POINT("intake-parsed");
    if (wants_newer_config(intake, &slot->envelope)) {
        intake->wants_reload = intake->has_backlog = intake->needs_scan = true;
        intake->resume_ms = now_ms + INTAKE_PAUSE_MS;
        free_of_work(slot);
        return;
    }
    if (!is_parsed)
        log_say(LOG_WARNING, "%s: no headers: %s", slot->envelope.id, err.text);
    if ((!is_parsed && err.kind == ERR_TEMPORARY) || write_down(intake, slot, answer, now_ms, &err) != 0) {
        pause_intake(intake, now_ms, slot->envelope.id, &err);
        free_of_work(slot);
        return;
    }
    slot->is_queued = true;
}

void intake_answered(struct intake *intake, const struct message_answer *answer, int64_t now_ms)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use && intake->slots[i].token == answer->token)
            finish_slot(intake, &intake->slots[i], answer, now_ms);
}

bool intake_has_queued(struct intake *intake, int64_t now_ms)
{
    bool has_queued = intake->queued || (intake->early_ms != 0 && intake->early_ms <= now_ms);

    if (has_queued)
        intake->early_ms = 0;
    intake->queued = false;
    return has_queued;
}

void intake_committed(struct intake *intake, int64_t now_ms)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++) {
        struct intake_slot *slot = &intake->slots[i];

        if (!slot->in_use || !slot->is_queued)
            continue;
        FAULT_POINT("intake-queued");
        /* A message without a single delivery has nothing to wait for: it is kept, and that is all. */
        filing_note(intake->filing, slot->envelope.id, &slot->left, now_ms);
        free_of_work(slot);
    }
}

void intake_lost(struct intake *intake, int64_t now_ms)
{
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use && intake->slots[i].is_queued)
            free_of_work(&intake->slots[i]);
    /* Which files got a row and have none now, nobody has kept in mind. */
    spool_walk_end(&intake->walk);
    intake->has_backlog = intake->needs_scan = true;
    intake->resume_ms = now_ms + INTAKE_PAUSE_MS;
}

void intake_hurry(struct intake *intake)
{
    intake->resume_ms = intake->resume_ms > 0 ? 1 : 0;
    intake->early_ms = intake->early_ms > 0 ? 1 : 0;
}

void intake_forget(struct intake *intake)
{
    spool_walk_end(&intake->walk);
    for (size_t i = 0; i < MESSAGE_IN_FLIGHT_MAX; i++)
        if (intake->slots[i].in_use) {
            intake->has_backlog = true;
            free_of_work(&intake->slots[i]);
        }
}

int64_t intake_next_ms(const struct intake *intake)
{
    int64_t early_ms = intake->early_ms == 0 ? INT64_MAX : intake->early_ms;

    /* Nobody wakes us for the rest of a scan; for what waits for the helper, its answers do. */
    if (intake->has_backlog && (intake->needs_scan || intake->resume_ms > 0) && intake->resume_ms < early_ms)
        return intake->resume_ms;
    return early_ms;
}
