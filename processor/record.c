#include "processor/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/filing.h"

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
    if (attempt->outcome.detail[0] != '\0')
        log_text(&line, "detail", span_text(attempt->outcome.detail));
    log_end(&line);
}

static enum state next_state(struct attempt *attempt, int64_t now_ms, int64_t *due_ms)
{
    const struct delivery *delivery = &attempt->delivery;
    int64_t tries = delivery->attempts - delivery->attempts_before;
    char before[OUTCOME_DETAIL_SIZE];

    if (attempt->outcome.verdict == VERDICT_DONE || attempt->outcome.verdict == VERDICT_SKIP)
        return STATE_DONE;
    if (attempt->outcome.verdict == VERDICT_DEAD)
        return STATE_DEAD;
    *due_ms = now_ms;
    if (attempt->end == RUN_STOPPED)
        return STATE_RETRY; /* our doing: it is the first thing to run after the next start */
    if (retry_next_ms(&attempt->retry, tries, (uint64_t)delivery->id, delivery->queued_ms, now_ms, due_ms))
        return STATE_RETRY;
    memcpy(before, attempt->outcome.detail, sizeof before);
    snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "given up after %" PRId64 " attempts: %.*s",
             tries, (int)sizeof before - 64, before);
    attempt->outcome.verdict = VERDICT_DEAD;
    return STATE_DEAD;
}

/* A letter is needed until it is sent, what a filter made as soon as it is done. */
static bool keeps_output(const struct attempt *attempt)
{
    return attempt->keep_output && attempt->state == (attempt->kind == HANDLER_FILTER ? STATE_DONE : STATE_RETRY);
}

static int record_settled(const struct attempt_context *context, const struct attempt *attempt, int64_t now_ms,
                          struct err *err)
{
    const struct ledger_end end = {
        .state = attempt->state, .detail = attempt->outcome.detail, .out = {"", 0}, .errors = {"", 0}};

    return ledger_end(context->index, &attempt->delivery, &end, now_ms, err);
}

int record_attempt(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct ledger_end end = {.out = capture_tail(&attempt->out_tail), .errors = capture_tail(&attempt->errors_tail)};

    attempt->ended_ms = now_ms;
    if (attempt->is_settled)
        return record_settled(context, attempt, now_ms, err);
    end.state = attempt->state = next_state(attempt, now_ms, &end.due_ms);
    end.skip_rest = attempt->skip_rest;
    end.has_exit_code = attempt->end == RUN_EXITED;
    end.exit_code = attempt->end_number;
    end.signal = attempt->end == RUN_SIGNALLED ? attempt->end_number : 0;
    end.detail = attempt->outcome.detail;
    end.output = keeps_output(attempt) ? attempt->key : NULL;
    end.replied_to = attempt->replied ? attempt->reply_to.text : NULL;
    FAULT_POINT("runner-before-record");
    return ledger_end(context->index, &attempt->delivery, &end, now_ms, err);
}

void record_follow_up(const struct attempt_context *context, const struct attempt *attempt, int64_t now_ms)
{
    FAULT_POINT("runner-recorded");
    log_attempt(attempt);
    if (attempt->keep_output && !keeps_output(attempt))
        outbox_remove(context->outbox, attempt->key);
    if (attempt->state != STATE_RETRY)
        filing_note(context->filing, attempt->delivery.message_id, now_ms);
}
