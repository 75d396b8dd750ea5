#include "processor/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/filing.h"
#include "processor/on_dead.h"

static void log_attempt(const struct attempt *attempt, enum state state, int64_t now_ms)
{
    bool failed = state == STATE_RETRY || state == STATE_DEAD;
    struct log_line line;

    log_start(&line, failed ? LOG_WARNING : LOG_INFO, state_word(state));
    log_text(&line, "id", span_text(attempt->delivery.message_id));
    log_text(&line, "to", span_text(attempt->delivery.address.text));
    log_text(&line, "handler", span_text(attempt->delivery.handler));
    log_number(&line, "attempt", attempt->delivery.attempts);
    log_number(&line, "ms", now_ms - attempt->started_ms);
    if (attempt->outcome.detail[0] != '\0')
        log_text(&line, "detail", span_text(attempt->outcome.detail));
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
static bool is_needed(const struct attempt *attempt, enum state state)
{
    return attempt->kind == HANDLER_FILTER ? state == STATE_DONE : state == STATE_RETRY;
}

int record_attempt(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct ledger_end end = {.out = capture_tail(&attempt->out_tail), .errors = capture_tail(&attempt->errors_tail)};

    end.state = next_state(attempt, now_ms, &end.due_ms);
    end.skip_rest = attempt->skip_rest;
    end.has_exit_code = attempt->end == RUN_EXITED;
    end.exit_code = attempt->end_number;
    end.signal = attempt->end == RUN_SIGNALLED ? attempt->end_number : 0;
    end.detail = attempt->outcome.detail;
    end.output = attempt->keep_output && is_needed(attempt, end.state) ? attempt->key : NULL;
    end.replied_to = attempt->replied ? attempt->reply_to.text : NULL;
    end.on_dead = on_dead_is_wanted(context->config, &attempt->delivery);
    FAULT_POINT("runner-before-record");
    if (ledger_end(context->index, &attempt->delivery, &end, now_ms, err) != 0)
        return -1;
    FAULT_POINT("runner-recorded");
    log_attempt(attempt, end.state, now_ms);
    if (attempt->keep_output && end.output == NULL)
        outbox_remove(context->outbox, attempt->key);
    if (end.state != STATE_RETRY)
        end_message(context, attempt->delivery.message_id, now_ms);
    return 0;
}

int record_settled(const struct attempt_context *context, const struct delivery *delivery, enum state state,
                   const char *detail, int64_t now_ms, struct err *err)
{
    struct ledger_end end = {.state = state, .detail = detail, .out = {"", 0}, .errors = {"", 0}};
    struct log_line line;

    end.on_dead = on_dead_is_wanted(context->config, delivery);
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
