#include "processor/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/filing.h"
#include "processor/on_dead.h"

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
static void decide(struct attempt *attempt, int64_t now_ms, int64_t *due_ms)
{
    static const enum state states[] = {[VERDICT_DONE] = STATE_DONE,
                                        [VERDICT_SKIP] = STATE_DONE,
                                        [VERDICT_RETRY] = STATE_RETRY,
                                        [VERDICT_DEAD] = STATE_DEAD};
    const struct delivery *delivery = &attempt->delivery;

    attempt->state = attempt->group_state = states[attempt->outcome.verdict];
    *due_ms = now_ms;
    /* Stopped by us it is the first thing to run after the next start. */
    if (attempt->state != STATE_RETRY || attempt->end == RUN_STOPPED)
        return;
    for (size_t i = 0; i < attempt->group.count; i++) {
        struct ledger_member *member = &attempt->group.members[i];

        member->gives_up = !has_time(attempt, member->first_ms, member->held_ms, now_ms, due_ms);
    }
    if (!has_time(attempt, delivery->first_ms, delivery->held_ms, now_ms, due_ms))
        attempt->state = STATE_DEAD;
}

/* What is said of the delivery. */
static void describe(struct attempt *attempt)
{
    struct buf detail = buf_over(attempt->detail, sizeof attempt->detail);

    if (!attempt->is_settled && attempt->state == STATE_DEAD && attempt->outcome.verdict == VERDICT_RETRY)
        buf_printf(&detail, "given up after %" PRId64 " attempts: ",
                   attempt->delivery.attempts - attempt->delivery.attempts_before);
    buf_put_text(&detail, attempt->outcome.detail);
}

/* A letter is needed until it is sent, what a filter made as soon as it is done. */
static bool keeps_output(const struct attempt *attempt)
{
    return attempt->keep_output && attempt->state == (attempt->kind == HANDLER_FILTER ? STATE_DONE : STATE_RETRY);
}

/* ---- writing it down ---- */

static int record_settled(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms,
                          struct err *err)
{
    struct ledger_end end = {.state = attempt->state,
                             .go_on = attempt->go_on,
                             .detail = attempt->detail,
                             .out = {"", 0},
                             .errors = {"", 0}};

    end.on_dead = on_dead_is_wanted(context->config, &attempt->delivery);
    end.left = &attempt->left;
    describe(attempt);
    return ledger_end(context->index, &attempt->delivery, &end, now_ms, err);
}

int record_attempt(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct ledger_end end = {.out = capture_tail(&attempt->out_tail), .errors = capture_tail(&attempt->errors_tail)};

    attempt->ended_ms = now_ms;
    if (attempt->is_settled)
        return record_settled(context, attempt, now_ms, err);
    decide(attempt, now_ms, &end.due_ms);
    describe(attempt);
    attempt->said = (struct ledger_run){
        .event = attempt->outcome.says, .policy = attempt->breaker, .started_ms = attempt->started_ms};
    end.state = attempt->state;
    end.skip_rest = attempt->skip_rest;
    end.go_on = attempt->go_on;
    end.has_exit_code = attempt->end == RUN_EXITED;
    end.exit_code = attempt->end_number;
    end.signal = attempt->end == RUN_SIGNALLED ? attempt->end_number : 0;
    end.detail = attempt->detail;
    end.output = keeps_output(attempt) ? attempt->key : NULL;
    end.replied_to = attempt->replied ? attempt->reply_to.text : NULL;
    end.group = &attempt->group;
    end.group_state = attempt->group_state;
    end.group_detail = attempt->outcome.detail;
    end.run = &attempt->said;
    end.left = &attempt->left;
    end.on_dead = on_dead_is_wanted(context->config, &attempt->delivery);
    FAULT_POINT("runner-before-record");
    return ledger_end(context->index, &attempt->delivery, &end, now_ms, err);
}

/* ---- what follows ---- */

static void log_attempt(const struct attempt *attempt)
{
    bool failed = attempt->state == STATE_RETRY || attempt->state == STATE_DEAD;
    struct log_line line;

    log_start(&line, failed ? LOG_WARNING : LOG_INFO, state_word(attempt->state));
    log_text(&line, "id", span_text(attempt->delivery.message_id));
    log_text(&line, "to", span_text(attempt->delivery.address.text));
    log_text(&line, "handler", span_text(attempt->delivery.handler));
    if (!attempt->is_settled) {
        log_number(&line, "attempt", attempt->delivery.attempts);
        log_number(&line, "ms", attempt->ended_ms - attempt->started_ms);
    }
    if (attempt->group.count > 0)
        log_number(&line, "coalesced", (int64_t)attempt->group.count + 1);
    if (attempt->detail[0] != '\0')
        log_text(&line, "detail", span_text(attempt->detail));
    log_end(&line);
}

static void log_handler(const struct attempt *attempt)
{
    const struct delivery *delivery = &attempt->delivery;
    const struct ledger_run *run = &attempt->said;

    if (run->change == BREAKER_PAUSES)
        log_say(LOG_WARNING, "handler %s of %s is paused for %" PRId64 " s after %" PRId64 " failures in a row",
                delivery->handler, delivery->route, run->breaker.pause_ms / 1000, run->breaker.failures);
    else if (run->change == BREAKER_RESUMES)
        log_say(LOG_INFO, "handler %s of %s is not paused any more", delivery->handler, delivery->route);
}

static void finish_member(const struct attempt_context *context, const struct attempt *attempt,
                          const struct ledger_member *member, int64_t now_ms)
{
    enum state state = member->gives_up ? STATE_DEAD : attempt->group_state;
    struct log_line line;

    log_start(&line, state == STATE_DONE ? LOG_INFO : LOG_WARNING, state_word(state));
    log_text(&line, "id", span_text(member->message_id));
    log_text(&line, "handler", span_text(attempt->delivery.handler));
    log_number(&line, "attempt", member->attempts);
    log_text(&line, "with", span_text(attempt->key));
    log_end(&line);
    if (state != STATE_RETRY)
        filing_note(context->filing, member->message_id, NULL, now_ms);
}

void record_follow_up(const struct attempt_context *context, const struct attempt *attempt, int64_t now_ms)
{
    FAULT_POINT("runner-recorded");
    log_attempt(attempt);
    log_handler(attempt);
    if (attempt->keep_output && !keeps_output(attempt))
        outbox_remove(context->outbox, attempt->key);
    if (attempt->state != STATE_RETRY)
        filing_note(context->filing, attempt->delivery.message_id, &attempt->left, now_ms);
    for (size_t i = 0; i < attempt->group.count; i++)
        finish_member(context, attempt, &attempt->group.members[i], now_ms);
}
