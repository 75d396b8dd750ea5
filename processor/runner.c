#include "processor/runner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/intake.h"
#include "processor/letter.h"
#include "processor/on_dead.h"
#include "processor/record.h"

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

/* With room for it; its delivery is still to be loaded. */
static struct attempt *new_attempt(struct runner *runner, const struct config_handler *handler, int64_t now_ms,
                                   struct err *err)
{
    return make_room(runner, err) != 0 ? NULL
                                       : attempt_new(handler, ++runner->last_number | INTAKE_NOT_MINE, now_ms, err);
}

static void drop_attempt(struct runner *runner, struct attempt *attempt)
{
    for (size_t i = 0; i < runner->count; i++)
        if (runner->attempts[i] == attempt) {
            runner->attempts[i] = runner->attempts[--runner->count];
            break;
        }
    attempt_free(attempt);
}

static struct attempt *find_attempt(const struct runner *runner, uint64_t number)
{
    for (size_t i = 0; i < runner->count; i++)
        if (runner->attempts[i]->number == number)
            return runner->attempts[i];
    return NULL;
}

/* ---- writing down ---- */

static void record(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_RECORD;
    if ((attempt->is_on_dead ? on_dead_record : record_attempt)(&runner->context, attempt, now_ms, &err) != 0) {
        log_say(LOG_ERR, "%s: what handler %s did is not written down yet: %s", attempt->delivery.message_id,
                attempt->delivery.handler, err.text);
        attempt->record_ms = now_ms + RUNNER_PAUSE_MS;
        return;
    }
    runner->changed = true;
    drop_attempt(runner, attempt);
}

/* Ends an attempt for a reason that is not a program's exit. */
static void fail(struct runner *runner, struct attempt *attempt, enum verdict verdict, const char *detail,
                 int64_t now_ms)
{
    attempt->outcome.verdict = verdict;
    snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "%.*s", OUTCOME_DETAIL_SIZE - 1, detail);
    record(runner, attempt, now_ms);
}

static void fail_by(struct runner *runner, struct attempt *attempt, const struct err *err, int64_t now_ms)
{
    fail(runner, attempt, err->kind == ERR_PERMANENT ? VERDICT_DEAD : VERDICT_RETRY, err->text, now_ms);
}

/* ---- replies ---- */

static void send_letter(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_SEND;
    if (letter_send(&runner->context, attempt, &err) != 0)
        fail_by(runner, attempt, &err, now_ms);
}

static void compose(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_COMPOSE;
    if (letter_compose(&runner->context, attempt, now_ms, &err) != 0)
        fail_by(runner, attempt, &err, now_ms);
}

void runner_answered(struct runner *runner, const struct message_answer *answer, int64_t now_ms)
{
    struct attempt *attempt = find_attempt(runner, answer->token);
    struct err err = {0};

    if (attempt == NULL || attempt->stage != ATTEMPT_COMPOSE)
        return;
    if (letter_composed(&runner->context, attempt, answer, &err) != 0)
        fail_by(runner, attempt, &err, now_ms);
    else
        send_letter(runner, attempt, now_ms);
}

/* ---- what programs say ---- */

/* Gives false when nothing was there. */
static bool drain(struct runner *runner, struct attempt *attempt, int *fd)
{
    struct span bytes;
    struct err err;

    if (!attempt_read(attempt, fd, &bytes))
        return false;
    if (fd == &attempt->out && attempt->whole >= 0 && !attempt->is_too_much && attempt->save_errno == 0 &&
        !attempt_save(attempt, bytes, runner->context.config->max_message_size) &&
        launcher_stop(runner->context.launcher, attempt->number, &err) != 0)
        log_say(LOG_ERR, "%s", err.text);
    return true;
}

void runner_readable(struct runner *runner, int fd)
{
    for (size_t i = 0; i < runner->count; i++) {
        struct attempt *attempt = runner->attempts[i];

        if (attempt->out == fd)
            (void)drain(runner, attempt, &attempt->out);
        else if (attempt->errors == fd)
            (void)drain(runner, attempt, &attempt->errors);
    }
}

/* ---- the ends of programs ---- */

/*
 * Nothing that the program started lives any more, so what is in the pipe, which is at most full, is all there will
 * be. A stranger who has it open may go on writing, and is not listened to.
 */
static void finish_pipe(struct runner *runner, struct attempt *attempt, int *fd)
{
    int left = *fd < 0 ? 0 : fcntl(*fd, F_GETPIPE_SZ);

    /* A read either takes as much as it can or empties the pipe. */
    while (left > 0 && drain(runner, attempt, fd))
        left -= ATTEMPT_READ_SIZE;
    attempt_close_fd(fd);
}

static void finish_pipes(struct runner *runner, struct attempt *attempt)
{
    finish_pipe(runner, attempt, &attempt->out);
    finish_pipe(runner, attempt, &attempt->errors);
}

/* What a filter printed is the message from now on; durable before the delivery is done. */
static void keep_filtered(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    if (outbox_keep(runner->context.outbox, attempt->key, attempt->whole, &err) != 0) {
        fail_by(runner, attempt, &err, now_ms);
        return;
    }
    attempt->keep_output = true;
    record(runner, attempt, now_ms);
}

static void handler_ended(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    bool done;

    attempt->outcome = outcome_of(attempt->end, attempt->end_number, attempt->exit_codes);
    attempt->skip_rest = attempt->outcome.verdict == VERDICT_SKIP;
    done = attempt->outcome.verdict == VERDICT_DONE || attempt->outcome.verdict == VERDICT_SKIP;
    if (done && attempt->kind == HANDLER_REPLY && attempt->whole_size > 0)
        compose(runner, attempt, now_ms);
    else if (done && attempt->kind == HANDLER_FILTER)
        keep_filtered(runner, attempt, now_ms);
    else
        record(runner, attempt, now_ms);
}

static void sendmail_ended(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct outcome sent = outcome_of(attempt->end, attempt->end_number, NULL);
    bool done = sent.verdict == VERDICT_DONE || sent.verdict == VERDICT_SKIP;

    if (done) {
        attempt->replied = true;
        snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "replied to %.*s", OUTCOME_DETAIL_SIZE - 16,
                 attempt->reply_to.text);
    } else {
        attempt->outcome.verdict = sent.verdict;
        snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "sendmail: %.*s", OUTCOME_DETAIL_SIZE - 16,
                 sent.detail);
    }
    record(runner, attempt, now_ms);
}

void runner_ended(struct runner *runner, const struct launcher_answer *answer, int64_t now_ms)
{
    struct attempt *attempt = find_attempt(runner, answer->run);

    if (attempt == NULL)
        return;
    FAULT_POINT("runner-ended");
    finish_pipes(runner, attempt);
    attempt_take_end(attempt, answer->end, answer->number);
    if (attempt->stage == ATTEMPT_SEND)
        sendmail_ended(runner, attempt, now_ms);
    else if (attempt->stage == ATTEMPT_ON_DEAD)
        record(runner, attempt, now_ms);
    else
        handler_ended(runner, attempt, now_ms);
}

/* The delivery need not run, or never can: its message is gone. */
static int settle(struct runner *runner, struct attempt *attempt, enum state state, const char *detail,
                  int64_t now_ms, struct err *err)
{
    if (record_settled(&runner->context, &attempt->delivery, state, detail, now_ms, err) != 0)
        return -1;
    runner->changed = true;
    attempt_free(attempt);
    return 0;
}

/* What ledger_start gave, with an attempt that was called off let go: 0 or -1. */
static int called_off(struct runner *runner, struct attempt *attempt, int status)
{
    if (status != 1)
        return status;
    runner->changed = true;
    attempt_free(attempt);
    return 0;
}

/* The attempt is written down first: what runs without being written down would run a second time after a crash. */
static int start_handler(struct runner *runner, struct attempt *attempt, uint64_t program, bool may_reply,
                         int64_t now_ms, struct err *err)
{
    int message = attempt_open_message(&runner->context, attempt, err);
    struct err why;
    bool is_ready;
    int status;

    why = *err;
    if (message < 0 && why.kind == ERR_PERMANENT)
        return settle(runner, attempt, STATE_DEAD, why.text, now_ms, err);
    if (message >= 0 && attempt->kind != HANDLER_RUN)
        attempt->whole = outbox_scratch(runner->context.outbox, err);
    is_ready = message >= 0 && (attempt->kind == HANDLER_RUN || attempt->whole >= 0);
    why = *err;
    status = ledger_start(runner->context.index, &attempt->delivery, now_ms, err);
    if (status == 0) {
        FAULT_POINT("runner-started");
        attempt->stage = ATTEMPT_HANDLER;
        attempt->end = RUN_NOT_STARTED;
        runner->attempts[runner->count++] = attempt;
        /* What is wrong with this delivery is its own attempt's failure: the others must not wait for it. */
        if (!is_ready || attempt_launch_handler(&runner->context, attempt, program, message, may_reply, &why) != 0)
            fail_by(runner, attempt, &why, now_ms);
    }
    if (message >= 0)
        (void)close(message);
    return called_off(runner, attempt, status);
}

/* A letter that is finished was allowed when it was asked for, and only waits to be sent. */
static int start_sending(struct runner *runner, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    int status = ledger_start(runner->context.index, &attempt->delivery, now_ms, err);

    if (status != 0)
        return called_off(runner, attempt, status);
    attempt->keep_output = true;
    runner->attempts[runner->count++] = attempt;
    send_letter(runner, attempt, now_ms);
    return 0;
}

static int start_attempt(struct runner *runner, struct attempt *attempt, const struct config_handler *handler,
                         int64_t now_ms, struct err *err)
{
    const char *refusal = letter_refusal(&runner->context, attempt, now_ms, err);
    char detail[OUTCOME_DETAIL_SIZE];

    if (err->kind != ERR_NONE)
        return -1;
    if (attempt->kind == HANDLER_REPLY && attempt->delivery.output[0] != '\0')
        return start_sending(runner, attempt, now_ms, err);
    if (attempt->kind != HANDLER_REPLY || refusal == NULL)
        return start_handler(runner, attempt, handler->number, refusal == NULL, now_ms, err);
    snprintf(detail, sizeof detail, "no reply: %.*s", OUTCOME_DETAIL_SIZE - 16, refusal);
    return settle(runner, attempt, STATE_SKIPPED, detail, now_ms, err);
}

int runner_start(struct runner *runner, const struct config_handler *handler, int64_t delivery, int64_t now_ms,
                 struct err *err)
{
    struct attempt *attempt = new_attempt(runner, handler, now_ms, err);

    if (attempt == NULL)
        return -1;
    if (ledger_load(runner->context.index, delivery, &attempt->delivery, err) == 0) {
        ledger_key(&attempt->delivery, attempt->key);
        if (start_attempt(runner, attempt, handler, now_ms, err) == 0)
            return 0;
    }
    attempt_free(attempt);
    return -1;
}

int runner_start_on_dead(struct runner *runner, const struct config_handler *handler, int64_t delivery,
                         int64_t now_ms, struct err *err)
{
    struct attempt *attempt = new_attempt(runner, handler, now_ms, err);
    struct err why = {0};
    int status;

    if (attempt == NULL)
        return -1;
    status = on_dead_begin(&runner->context, attempt, delivery, now_ms, err);
    if (status < 0)
        attempt_free(attempt);
    if (status != 0)
        return called_off(runner, attempt, status);
    FAULT_POINT("on-dead-started");
    runner->attempts[runner->count++] = attempt;
    if (on_dead_launch(&runner->context, attempt, handler->number, &why) != 0)
        fail_by(runner, attempt, &why, now_ms);
    return 0;
}

/* ---- the loop's calls ---- */

void runner_continue(struct runner *runner, int64_t now_ms)
{
    /* Backwards: an attempt that goes is replaced by the last one, which has been looked at. */
    for (size_t i = runner->count; i > 0; i--) {
        struct attempt *attempt = runner->attempts[i - 1];

        if (attempt->stage == ATTEMPT_COMPOSE)
            compose(runner, attempt, now_ms);
        else if (attempt->stage == ATTEMPT_RECORD && attempt->record_ms <= now_ms)
            record(runner, attempt, now_ms);
    }
}

void runner_forget(struct runner *runner)
{
    for (size_t i = 0; i < runner->count; i++)
        runner->attempts[i]->asked = false;
}

void runner_stop(struct runner *runner, int64_t now_ms)
{
    struct err err;

    for (size_t i = runner->count; i > 0; i--) {
        struct attempt *attempt = runner->attempts[i - 1];

        if (attempt->stage == ATTEMPT_COMPOSE) {
            /* There is nothing to stop, and the helper that is waited for may never come. */
            attempt_take_end(attempt, RUN_STOPPED, 0);
            fail(runner, attempt, VERDICT_RETRY, "stopped together with the processor", now_ms);
        } else if (attempt->stage != ATTEMPT_RECORD &&
                   launcher_stop(runner->context.launcher, attempt->number, &err) != 0) {
            log_say(LOG_ERR, "%s", err.text);
        }
    }
}

void runner_free(struct runner *runner)
{
    for (size_t i = 0; i < runner->count; i++)
        attempt_free(runner->attempts[i]);
    free(runner->attempts);
    runner->attempts = NULL;
    runner->count = runner->capacity = 0;
}
