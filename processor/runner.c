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
#include "processor/runner_step.h"

void runner_drop(struct runner *runner, struct attempt *attempt)
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

    if ((attempt->is_on_dead ? on_dead_record : record_attempt)(&runner->context, attempt, now_ms, &err) == 0) {
        attempt->stage = ATTEMPT_RECORDED;
        runner->changed = true;
        return;
    }
    log_say(LOG_ERR, "%s: what handler %s did is not written down yet: %s", attempt->delivery.message_id,
            attempt->delivery.handler, err.text);
    attempt->stage = ATTEMPT_RECORD;
    attempt->record_ms = now_ms + RUNNER_PAUSE_MS;
}

/* Ends an attempt for a reason that is not a program's exit. */
static void fail(struct runner *runner, struct attempt *attempt, enum verdict verdict, const char *detail,
                 int64_t now_ms)
{
    attempt->outcome = (struct outcome){.verdict = verdict, .says = BREAKER_SILENT};
    snprintf(attempt->outcome.detail, sizeof attempt->outcome.detail, "%.*s", OUTCOME_DETAIL_SIZE - 1, detail);
    record(runner, attempt, now_ms);
}

void runner_fail_by(struct runner *runner, struct attempt *attempt, const struct err *err, int64_t now_ms)
{
    fail(runner, attempt, err->kind == ERR_PERMANENT ? VERDICT_DEAD : VERDICT_RETRY, err->text, now_ms);
}

/* ---- replies ---- */

void runner_send_letter(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_SEND;
    if (letter_send(&runner->context, attempt, &err) != 0)
        runner_fail_by(runner, attempt, &err, now_ms);
}

static void compose(struct runner *runner, struct attempt *attempt, int64_t now_ms)
{
    struct err err = {0};

    attempt->stage = ATTEMPT_COMPOSE;
    if (letter_compose(&runner->context, attempt, now_ms, &err) != 0)
        runner_fail_by(runner, attempt, &err, now_ms);
}

void runner_answered(struct runner *runner, const struct message_answer *answer, int64_t now_ms)
{
    struct attempt *attempt = find_attempt(runner, answer->token);
    struct err err = {0};

    if (attempt == NULL || attempt->stage != ATTEMPT_COMPOSE)
        return;
    if (letter_composed(&runner->context, attempt, answer, &err) != 0)
        runner_fail_by(runner, attempt, &err, now_ms);
    else
        runner_send_letter(runner, attempt, now_ms);
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
        runner_fail_by(runner, attempt, &err, now_ms);
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

    attempt->outcome.says = sent.says;
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

/* ---- the loop's calls ---- */

void runner_continue(struct runner *runner, int64_t now_ms)
{
    for (size_t i = 0; i < runner->count; i++) {
        struct attempt *attempt = runner->attempts[i];

        if (attempt->stage == ATTEMPT_COMPOSE)
            compose(runner, attempt, now_ms);
        else if (attempt->stage == ATTEMPT_RECORD && attempt->record_ms <= now_ms)
            record(runner, attempt, now_ms);
    }
}

void runner_hurry(struct runner *runner)
{
    for (size_t i = 0; i < runner->count; i++)
        runner->attempts[i]->record_ms = 0;
}

void runner_forget(struct runner *runner)
{
    for (size_t i = 0; i < runner->count; i++)
        runner->attempts[i]->asked = false;
}

void runner_stop(struct runner *runner, int64_t now_ms)
{
    struct err err;

    for (size_t i = 0; i < runner->count; i++) {
        struct attempt *attempt = runner->attempts[i];

        if (attempt->stage == ATTEMPT_COMPOSE) {
            /* There is nothing to stop, and the helper that is waited for may never come. */
            attempt_take_end(attempt, RUN_STOPPED, 0);
            fail(runner, attempt, VERDICT_RETRY, "stopped together with the processor", now_ms);
        } else if (attempt->stage < ATTEMPT_RECORD &&
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
