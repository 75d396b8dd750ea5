#include "processor/on_dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "processor/ledger_dead.h"

bool on_dead_is_wanted(const struct config *config, const struct delivery *delivery)
{
    const struct config_handler *handler =
        config_handler_named(config, span_text(delivery->route), span_text(delivery->handler));

    return handler != NULL && handler->on_dead_program != NULL;
}

/* ---- when ---- */

int on_dead_pass(struct runner *runner, const struct config_handler *handler, const char *route, int64_t now_ms,
                 int64_t *next_ms, struct err *err)
{
    struct index *index = runner->context.index;
    int64_t delivery, due_ms;
    int found;

    /* The end of a run, or a free place, is what brings us back. */
    if (handler->on_dead_program == NULL || runner_has_on_dead(runner, route, handler->name) ||
        !runner_has_place(runner))
        return 0;
    found = ledger_dead_due(index, route, handler->name, now_ms, &delivery, err);
    if (found == 1)
        return runner_start_on_dead(runner, handler, delivery, now_ms, err);
    if (found < 0 || ledger_dead_next_due(index, route, handler->name, &due_ms, err) != 0)
        return -1;
    if (due_ms < *next_ms)
        *next_ms = due_ms;
    return 0;
}

/* ---- a run ---- */

/* What a program's output, or a file's name, has brought into it is no reason to break the reader's lines. */
static void clean(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

int on_dead_begin(const struct attempt_context *context, struct attempt *attempt, int64_t delivery, int64_t now_ms,
                  struct err *err)
{
    struct ledger_death death;
    int status = ledger_load(context->index, delivery, &attempt->delivery, err);

    if (status == 0)
        status = ledger_dead_start(context->index, delivery, now_ms, &death, err);
    if (status != 0)
        return status;
    ledger_key(&attempt->delivery, attempt->key);
    attempt->is_on_dead = true;
    attempt->died_ms = death.died_ms;
    attempt->run = death.run;
    attempt->tries = death.tries;
    memcpy(attempt->reason, death.reason, sizeof attempt->reason);
    clean(attempt->reason);
    return 0;
}

int on_dead_launch(const struct attempt_context *context, struct attempt *attempt, struct err *err)
{
    attempt->stage = ATTEMPT_ON_DEAD;
    attempt->message = spool_open_message(context->spool, attempt->delivery.message_id, err);
    if (attempt->message < 0)
        return -1;
    return attempt_launch_handler(context, attempt, err);
}

/* ---- its end ---- */

/* By the usual meaning of exit codes: `exit-codes` is said of the handler. One that never ran was judged already. */
static void judge(struct attempt *attempt)
{
    if (attempt->outcome.detail[0] == '\0')
        attempt->outcome = outcome_of(attempt->end, attempt->end_number, NULL);
}

/* Done, to be run again, or given up, which is called dead as well. */
static enum state next_state(const struct attempt *attempt, int64_t now_ms, int64_t *due_ms)
{
    if (attempt->outcome.verdict == VERDICT_DONE || attempt->outcome.verdict == VERDICT_SKIP)
        return STATE_DONE;
    *due_ms = now_ms;
    if (attempt->end == RUN_STOPPED)
        return STATE_RETRY; /* our doing */
    if (attempt->outcome.verdict == VERDICT_DEAD || attempt->tries >= ON_DEAD_TRIES ||
        !retry_next_ms(&attempt->retry, attempt->tries, (uint64_t)attempt->delivery.id, attempt->died_ms, now_ms,
                       due_ms))
        return STATE_DEAD;
    return STATE_RETRY;
}

int on_dead_record(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    struct ledger_end end = {.out = capture_tail(&attempt->out_tail), .errors = capture_tail(&attempt->errors_tail)};
    const struct ledger_death death = {.died_ms = attempt->died_ms, .run = attempt->run};

    judge(attempt);
    end.state = attempt->state = next_state(attempt, now_ms, &end.due_ms);
    end.has_exit_code = attempt->end == RUN_EXITED;
    end.exit_code = attempt->end_number;
    end.signal = attempt->end == RUN_SIGNALLED ? attempt->end_number : 0;
    end.detail = attempt->outcome.detail;
    FAULT_POINT("on-dead-before-record");
    return ledger_dead_end(context->index, attempt->delivery.id, &death, &end, now_ms, err);
}

void on_dead_follow_up(const struct attempt *attempt)
{
    static const char *const words[] = {
        [STATE_DONE] = "on-dead done", [STATE_RETRY] = "on-dead retry", [STATE_DEAD] = "on-dead given up"};
    enum state state = attempt->state;
    struct log_line line;

    FAULT_POINT("on-dead-recorded");
    log_start(&line, state == STATE_DONE ? LOG_INFO : state == STATE_DEAD ? LOG_ERR : LOG_WARNING, words[state]);
    log_text(&line, "id", span_text(attempt->delivery.message_id));
    log_text(&line, "to", span_text(attempt->delivery.address.text));
    log_text(&line, "handler", span_text(attempt->delivery.handler));
    log_number(&line, "run", attempt->run);
    if (attempt->outcome.detail[0] != '\0')
        log_text(&line, "detail", span_text(attempt->outcome.detail));
    log_end(&line);
}
