/* How attempts begin: written down in the turn's transaction, launched when that is durable. */
#include <stdio.h>
#include <stdlib.h>

#include "common/fault.h"
#include "processor/intake.h"
#include "processor/letter.h"
#include "processor/on_dead.h"
#include "processor/record.h"
#include "processor/runner_step.h"

/* Makes room for one more, so that keeping it can't fail once its program runs. */
static int make_room(struct runner *runner, struct err *err)
{
    size_t capacity = runner->capacity == 0 ? 16 : runner->capacity * 2;
    struct attempt **attempts;

    if (runner->count < runner->capacity)
        return 0;
    attempts = reallocarray(runner->attempts, capacity, sizeof(struct attempt *));
    if (attempts == NULL)
        return err_system(err, "memory for attempts");
    runner->attempts = attempts;
    runner->capacity = capacity;
    return 0;
}

struct attempt *runner_prepare(struct runner *runner, const struct config_handler *handler, int64_t now_ms,
                               struct err *err)
{
    struct attempt *attempt;

    if (make_room(runner, err) != 0)
        return NULL;
    attempt = attempt_new(handler, ++runner->last_number | INTAKE_NOT_MINE, now_ms, err);
    if (attempt != NULL)
        attempt->program = handler->number;
    return attempt;
}

static void keep_attempt(struct runner *runner, struct attempt *attempt)
{
    runner->attempts[runner->count++] = attempt;
}

/* The delivery need not run, or never can: its message is gone. */
static int settle(struct runner *runner, struct attempt *attempt, enum state state, const char *detail,
                  int64_t now_ms, struct err *err)
{
    attempt->is_settled = true;
    attempt->state = state;
    snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "%.*s", OUTCOME_DETAIL_SIZE - 1, detail);
    if (record_attempt(&runner->context, attempt, now_ms, err) != 0)
        return -1;
    attempt->stage = ATTEMPT_RECORDED;
    runner->changed = true;
    keep_attempt(runner, attempt);
    return 0;
}

/*
 * The attempt is written down first: what runs without being written down would run a second time after a crash. 1:
 * it was called off, and the attempt never was.
 */
static int start(struct runner *runner, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct index *index = runner->context.index;
    /* A letter that waits is one delivery's alone. */
    bool shares = attempt->coalesces && !attempt->keep_output;
    int status = shares ? ledger_group_start(index, &attempt->delivery, now_ms, &attempt->group, err)
                        : ledger_start(index, &attempt->delivery, now_ms, err);

    if (status != 0)
        return status;
    attempt->stage = ATTEMPT_STARTING;
    keep_attempt(runner, attempt);
    return 0;
}

static int start_handler(struct runner *runner, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    bool needs_file = attempt->kind != HANDLER_RUN;
    struct err why;
    int status;

    attempt->message = attempt_open_message(&runner->context, attempt, err);
    why = *err;
    if (attempt->message < 0 && why.kind == ERR_PERMANENT)
        return settle(runner, attempt, STATE_DEAD, why.text, now_ms, err);
    if (attempt->message >= 0 && needs_file)
        attempt->whole = outbox_scratch(runner->context.outbox, &why);
    status = start(runner, attempt, now_ms, err);
    if (status != 0)
        return status;
    /* What is wrong with this delivery is its own attempt's failure: the others must not wait for it. */
    if (attempt->message < 0 || (needs_file && attempt->whole < 0))
        runner_fail_by(runner, attempt, &why, now_ms);
    return 0;
}

/* 0: the attempt is the runner's; 1: it was called off; -1: trouble. */
static int start_attempt(struct runner *runner, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    const char *refusal = letter_refusal(&runner->context, attempt, now_ms, err);
    char detail[OUTCOME_DETAIL_SIZE];

    if (err->kind != ERR_NONE)
        return -1;
    attempt->may_reply = refusal == NULL;
    /* A letter that is finished was allowed when it was asked for, and only waits to be sent. */
    attempt->keep_output = attempt->kind == HANDLER_REPLY && attempt->delivery.output[0] != '\0';
    if (attempt->keep_output)
        return start(runner, attempt, now_ms, err);
    if (attempt->kind != HANDLER_REPLY || refusal == NULL)
        return start_handler(runner, attempt, now_ms, err);
    snprintf(detail, sizeof detail, "no reply: %.*s", OUTCOME_DETAIL_SIZE - 16, refusal);
    return settle(runner, attempt, STATE_SKIPPED, detail, now_ms, err);
}

/* Lets an attempt go that was not started; what was called off has left its handler free for another. */
static int let_go(struct runner *runner, struct attempt *attempt, int status)
{
    attempt_free(attempt);
    runner->changed = runner->changed || status == 1;
    return status == 1 ? 0 : -1;
}

int runner_start(struct runner *runner, const struct config_handler *handler, int64_t delivery, int64_t now_ms,
                 struct err *err)
{
    struct attempt *attempt = runner_prepare(runner, handler, now_ms, err);
    int status;

    if (attempt == NULL)
        return -1;
    status = ledger_load(runner->context.index, delivery, &attempt->delivery, err);
    if (status == 0) {
        ledger_key(&attempt->delivery, attempt->key);
        status = start_attempt(runner, attempt, now_ms, err);
    }
    return status == 0 ? 0 : let_go(runner, attempt, status);
}

int runner_start_on_dead(struct runner *runner, const struct config_handler *handler, int64_t delivery,
                         int64_t now_ms, struct err *err)
{
    struct attempt *attempt = runner_prepare(runner, handler, now_ms, err);
    int status;

    if (attempt == NULL)
        return -1;
    status = on_dead_begin(&runner->context, attempt, delivery, now_ms, err);
    if (status != 0)
        return let_go(runner, attempt, status);
    attempt->program = handler->number | LAUNCH_ON_DEAD;
    attempt->stage = ATTEMPT_STARTING;
    keep_attempt(runner, attempt);
    return 0;
}

void runner_adopt(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_STARTING;
    keep_attempt(runner, attempt);
    attempt->may_reply = letter_refusal(&runner->context, attempt, now_ms, &err) == NULL;
    if (err.kind != ERR_NONE)
        runner_fail_by(runner, attempt, &err, now_ms);
}

/* ---- what the turn's transaction has come to ---- */

static void launch_on_dead(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    FAULT_POINT("on-dead-started");
    if (on_dead_launch(&runner->context, attempt, &err) != 0)
        runner_fail_by(runner, attempt, &err, now_ms);
}

static void launch_handler(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    FAULT_POINT("runner-started");
    if (attempt->keep_output) {
        runner_send_letter(runner, attempt, now_ms);
        return;
    }
    attempt->stage = ATTEMPT_HANDLER;
    if (attempt_launch_handler(&runner->context, attempt, &err) != 0)
        runner_fail_by(runner, attempt, &err, now_ms);
}

static void launch(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    (attempt->is_on_dead ? launch_on_dead : launch_handler)(runner, attempt, now_ms);
    attempt_close_fd(&attempt->message);
}

static void follow_up(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    if (attempt->is_on_dead)
        on_dead_follow_up(attempt);
    else
        record_follow_up(&runner->context, attempt, now_ms);
    runner_drop(runner, attempt);
}

void runner_committed(struct runner *runner, int64_t now_ms)
{
    /* Backwards: an attempt that goes is replaced by the last one, which has been looked at. */
    for (size_t i = runner->count; i > 0; i--) {
        struct attempt *attempt = runner->attempts[i - 1];

        attempt->is_durable = true;
        if (attempt->stage == ATTEMPT_STARTING)
            launch(runner, attempt, now_ms);
        else if (attempt->stage == ATTEMPT_RECORDED)
            follow_up(runner, attempt, now_ms);
    }
}

void runner_lost(struct runner *runner, int64_t now_ms)
{
    for (size_t i = runner->count; i > 0; i--) {
        struct attempt *attempt = runner->attempts[i - 1];

        if (!attempt->is_durable) {
            runner_drop(runner, attempt);
        } else if (attempt->stage == ATTEMPT_RECORDED) {
            attempt->stage = ATTEMPT_RECORD;
            attempt->record_ms = now_ms + RUNNER_PAUSE_MS;
        }
    }
}
