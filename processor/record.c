#include "processor/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/filing.h"

static void log_attempt(const struct attempt *attempt, const struct ledger_end *end, int64_t now_ms)
{
    bool failed = end->state == STATE_RETRY || end->state == STATE_DEAD;
    struct log_line line;

    log_start(&line, failed ? LOG_WARNING : LOG_INFO, state_word(end->state));
    log_text(&line, "id", span_text(attempt->delivery.message_id));
    log_text(&line, "to", span_text(attempt->delivery.address.text));
    log_text(&line, "handler", span_text(attempt->delivery.handler));
    log_number(&line, "attempt", attempt->delivery.attempts);
    log_number(&line, "ms", now_ms - attempt->started_ms);
    if (attempt->group.count > 0)
        log_number(&line, "coalesced", (int64_t)attempt->group.count + 1);
    if (end->detail[0] != '\0')
        log_text(&line, "detail", span_text(end->detail));
    log_end(&line);
}

/* What can't be done now is done at the next start. */
static void end_message(const struct attempt_context *context, const char *id, int64_t now_ms)
{
    bool ended = false;
    struct err err = {0};

    if (filing_message(context->index, context->spool, id, now_ms, &ended, &err) != 0)
        log_say(LOG_ERR, "%s stays in new/ until the next start: %s", id, err.text);
    else if (ended && outbox_forget(context->outbox, context->index, id, &err) != 0)
        log_say(LOG_ERR, "%s: %s", id, err.text);
}

/* ---- what becomes of it ---- */

/* How often the most tried of those that share the run was tried: they wait together. */
static int64_t tries_of(const struct attempt *attempt)
{
    int64_t tries = attempt->delivery.attempts - attempt->delivery.attempts_before;

    for (size_t i = 0; i < attempt->group.count; i++) {
        const struct ledger_member *member = &attempt->group.members[i];

        if (member->attempts - member->attempts_before > tries)
            tries = member->attempts - member->attempts_before;
    }
    return tries;
}

/*
 * When to try again; false: a delivery's time is over. That counts from its first attempt, however long it had to
 * wait for it, and not while a pause of its handler kept it from the next: no message dies of a pause.
 */
static bool has_time(const struct attempt *attempt, int64_t first_ms, int64_t held_ms, int64_t now_ms,
                     int64_t *due_ms)
{
    int64_t since_ms = (first_ms == 0 ? attempt->started_ms : first_ms) + held_ms;

    return retry_next_ms(&attempt->retry, tries_of(attempt), (uint64_t)attempt->delivery.id, since_ms, now_ms,
                         due_ms);
}

/* The states of the delivery and of those that shared the run. Asked again, it says the same. */
static void decide(struct attempt *attempt, int64_t now_ms, struct ledger_end *end)
{
    static const enum state states[] = {[VERDICT_DONE] = STATE_DONE,
                                        [VERDICT_SKIP] = STATE_DONE,
                                        [VERDICT_RETRY] = STATE_RETRY,
                                        [VERDICT_DEAD] = STATE_DEAD};
    const struct delivery *delivery = &attempt->delivery;

    end->state = end->group_state = states[attempt->outcome.verdict];
    end->due_ms = now_ms;
    /* Stopped by us it is the first thing to run after the next start. */
    if (end->state != STATE_RETRY || attempt->end == RUN_STOPPED)
        return;
    for (size_t i = 0; i < attempt->group.count; i++) {
        struct ledger_member *member = &attempt->group.members[i];

        member->gives_up = !has_time(attempt, member->first_ms, member->held_ms, now_ms, &end->due_ms);
    }
    if (!has_time(attempt, delivery->first_ms, delivery->held_ms, now_ms, &end->due_ms))
        end->state = STATE_DEAD;
}

/* What is said of the delivery. */
static void describe(const struct attempt *attempt, enum state state, struct buf *detail)
{
    if (state == STATE_DEAD && attempt->outcome.verdict == VERDICT_RETRY)
        buf_printf(detail, "given up after %" PRId64 " attempts: ",
                   attempt->delivery.attempts - attempt->delivery.attempts_before);
    buf_put_text(detail, attempt->outcome.detail);
}

/* A letter is needed until it is sent, what a filter made as soon as it is done. */
static bool is_needed(const struct attempt *attempt, enum state state)
{
    return attempt->kind == HANDLER_FILTER ? state == STATE_DONE : state == STATE_RETRY;
}

/* ---- writing it down ---- */

static void log_handler(const struct attempt *attempt, const struct ledger_run *run)
{
    const struct delivery *delivery = &attempt->delivery;

    if (run->change == BREAKER_PAUSES)
        log_say(LOG_WARNING, "handler %s of %s is paused for %" PRId64 " s after %" PRId64 " failures in a row",
                delivery->handler, delivery->route, run->breaker.pause_ms / 1000, run->breaker.failures);
    else if (run->change == BREAKER_RESUMES)
        log_say(LOG_INFO, "handler %s of %s is not paused any more", delivery->handler, delivery->route);
}

/* What shared the run: a line each, and their messages filed away. */
static void finish_group(const struct attempt_context *context, const struct attempt *attempt,
                         const struct ledger_end *end, int64_t now_ms)
{
    for (size_t i = 0; i < attempt->group.count; i++) {
        const struct ledger_member *member = &attempt->group.members[i];
        enum state state = member->gives_up ? STATE_DEAD : end->group_state;
        struct log_line line;

        log_start(&line, state == STATE_DONE ? LOG_INFO : LOG_WARNING, state_word(state));
        log_text(&line, "id", span_text(member->message_id));
        log_text(&line, "handler", span_text(attempt->delivery.handler));
        log_number(&line, "attempt", member->attempts);
        log_text(&line, "with", span_text(attempt->key));
        log_end(&line);
        if (state != STATE_RETRY)
            end_message(context, member->message_id, now_ms);
    }
}

int record_attempt(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct ledger_run run = {
        .event = attempt->outcome.says, .policy = attempt->breaker, .started_ms = attempt->started_ms};
    struct ledger_end end = {.out = capture_tail(&attempt->out_tail), .errors = capture_tail(&attempt->errors_tail)};
    char storage[OUTCOME_DETAIL_SIZE + 64];
    struct buf detail = buf_over(storage, sizeof storage);

    decide(attempt, now_ms, &end);
    describe(attempt, end.state, &detail);
    end.skip_rest = attempt->skip_rest;
    end.go_on = attempt->go_on;
    end.has_exit_code = attempt->end == RUN_EXITED;
    end.exit_code = attempt->end_number;
    end.signal = attempt->end == RUN_SIGNALLED ? attempt->end_number : 0;
    end.detail = storage;
    end.output = attempt->keep_output && is_needed(attempt, end.state) ? attempt->key : NULL;
    end.replied_to = attempt->replied ? attempt->reply_to.text : NULL;
    end.group = &attempt->group;
    end.group_detail = attempt->outcome.detail;
    end.run = &run;
    FAULT_POINT("runner-before-record");
    if (ledger_end(context->index, &attempt->delivery, &end, now_ms, err) != 0)
        return -1;
    FAULT_POINT("runner-recorded");
    log_attempt(attempt, &end, now_ms);
    log_handler(attempt, &run);
    if (attempt->keep_output && end.output == NULL)
        outbox_remove(context->outbox, attempt->key);
    if (end.state != STATE_RETRY)
        end_message(context, attempt->delivery.message_id, now_ms);
    finish_group(context, attempt, &end, now_ms);
    return 0;
}

int record_settled(const struct attempt_context *context, const struct attempt *attempt, enum state state,
                   const char *detail, int64_t now_ms, struct err *err)
{
    const struct delivery *delivery = &attempt->delivery;
    struct ledger_end end = {
        .state = state, .go_on = attempt->go_on, .detail = detail, .out = {"", 0}, .errors = {"", 0}};
    struct log_line line;

    if (ledger_end(context->index, delivery, &end, now_ms, err) != 0)
        return -1;
    log_start(&line, state == STATE_DEAD ? LOG_WARNING : LOG_INFO, state_word(state));
    log_text(&line, "id", span_text(delivery->message_id));
    log_text(&line, "to", span_text(delivery->address.text));
    log_text(&line, "handler", span_text(delivery->handler));
    log_text(&line, "detail", span_text(detail));
    log_end(&line);
    end_message(context, delivery->message_id, now_ms);
    return 0;
}
