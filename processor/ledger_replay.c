/* Has deliveries run again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"
#include "common/route.h"
#include "common/state.h"
#include "processor/ledger.h"
#include "processor/ledger_change.h"
#include "processor/ledger_step.h"

enum { STATE_SIZE = 16 };

/* Reads the recipients of a message into an envelope, in their order. */
static int load_recipients(struct index *index, const char *id, struct envelope *envelope, struct err *err)
{
    struct query query;
    int row;

    if (query_start(&query, index, STATEMENT_RECIPIENT_LIST, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(id));
    while ((row = query_next(&query, err)) == 1) {
        struct address address;

        if (address_parse(&address, query_column_text(&query, 1), err) != 0 ||
            envelope_add_recipient(envelope, &address, err) != 0) {
            query_end(&query);
            return -1;
        }
    }
    if (row == 0 && envelope->recipient_count == 0)
        return err_set(err, ERR_PERMANENT, "there is no message %s", id);
    return row;
}

/* One that is still to be queued for the first time has nothing to be queued again. */
static int refuse_unqueued(struct index *index, const char *id, struct err *err)
{
    int queued = ledger_is_queued(index, id, err);

    if (queued == 0)
        return err_set(err, ERR_PERMANENT, "%s has not been processed for the first time yet", id);
    return queued == 1 ? 0 : -1;
}

int ledger_refuse_gone(struct index *index, const char *id, struct err *err)
{
    struct query query;
    bool is_gone;

    if (query_start(&query, index, STATEMENT_MESSAGE_IS_GONE, err) != 0)
        return -1;
    query_text(&query, ":id", span_text(id));
    if (query_next(&query, err) != 1)
        return -1;
    is_gone = query_column_number(&query, 0) != 0;
    query_end(&query);
    return !is_gone ? 0
                    : err_set(err, ERR_PERMANENT, "%s: its file was removed, as its time to be kept was over", id);
}

/* The state of a delivery, empty when there is none. */
static int find_state(struct index *index, const struct ledger_addition *what, size_t i,
                      char state[static STATE_SIZE], struct err *err)
{
    struct query query;
    int row;

    state[0] = '\0';
    if (query_start(&query, index, STATEMENT_DELIVERY_STATE, err) != 0)
        return -1;
    query_text(&query, ":message_id", span_text(what->message_id));
    query_number(&query, ":recipient", what->recipient);
    query_text(&query, ":route", span_text(what->route->pattern));
    query_text(&query, ":handler", span_text(what->route->handlers[i].name));
    row = query_next(&query, err);
    if (row == 1)
        snprintf(state, STATE_SIZE, "%.*s", (int)query_column_text(&query, 0).size,
                 query_column_text(&query, 0).data);
    query_end(&query);
    return row < 0 ? -1 : 0;
}

static bool is_chosen(const struct ledger_choice *choice, const struct ledger_addition *what, size_t i,
                      const char *state)
{
    return (choice->handler == NULL || strcmp(choice->handler, what->route->handlers[i].name) == 0) &&
           (choice->route == NULL || span_equal_nocase(span_text(choice->route), span_text(what->route->pattern))) &&
           (choice->state == NULL || strcmp(choice->state, state) == 0);
}

/*
 * The states of one recipient's deliveries, and which of them are to be queued: what was chosen, and each filter
 * whose output a chosen one reads. One of them that runs would end as what it was started as: the operator has to
 * wait.
 */
static int choose(struct index *index, const struct ledger_change *change, const struct ledger_addition *what,
                  char (*states)[STATE_SIZE], bool *wanted, struct err *err)
{
    bool is_read = false;

    for (size_t i = what->route->handler_count; i-- > 0;) {
        const struct config_handler *handler = &what->route->handlers[i];

        if (find_state(index, what, i, states[i], err) != 0)
            return -1;
        wanted[i] = is_chosen(&change->choice, what, i, states[i]) || (is_read && handler->kind == HANDLER_FILTER);
        is_read = is_read || wanted[i];
        if (wanted[i] && strcmp(states[i], state_word(STATE_RUNNING)) == 0)
            return err_set(err, ERR_PERMANENT, "%s: handler %s is running; wait until it has ended", what->message_id,
                           handler->name);
    }
    return 0;
}

static int queue_chosen(struct index *index, const struct ledger_change *change, const struct ledger_addition *what,
                        const struct address *recipient, char (*states)[STATE_SIZE], const bool *wanted, int *queued,
                        struct err *err)
{
    bool is_first = true;

    for (size_t i = 0; i < what->route->handler_count; i++) {
        if (!wanted[i])
            continue;
        if (!change->dry_run && ledger_add_delivery(index, what, i, is_first, err) != 0)
            return -1;
        if (change->visit != NULL &&
            change->visit(change->context, what->message_id, recipient, what->route->pattern,
                          what->route->handlers[i].name, states[i][0] == '\0' ? NULL : states[i], err) != 0)
            return -1;
        is_first = false;
        (*queued)++;
    }
    return 0;
}

/* Looks at one recipient's deliveries, and with `queued` queues those that are wanted. */
static int replay_recipient(struct index *index, const struct ledger_change *change, const char *id,
                            const struct envelope *envelope, size_t i, int *queued, struct err *err)
{
    struct route_match match = route_find(change->config, &envelope->recipients[i]);
    struct ledger_addition what = {.message_id = id,
                                   .recipient = (int64_t)i + 1,
                                   .route = match.route,
                                   .now_ms = change->now_ms,
                                   .replay = true};
    size_t count = match.verdict == ROUTE_FOUND ? match.route->handler_count : 0;
    char(*states)[STATE_SIZE];
    bool *wanted;
    int status = -1;

    if (count == 0)
        return 0;
    states = calloc(count, sizeof *states);
    wanted = calloc(count, sizeof *wanted);
    if (states == NULL || wanted == NULL)
        err_system(err, "memory for deliveries");
    else
        status = choose(index, change, &what, states, wanted, err);
    if (status == 0 && queued != NULL)
        status = queue_chosen(index, change, &what, &envelope->recipients[i], states, wanted, queued, err);
    free(states);
    free(wanted);
    return status;
}

/* Two rounds: what may refuse the message is asked before anything is changed. */
static int replay_recipients(struct index *index, const struct ledger_change *change, const char *id,
                             const struct envelope *envelope, int *queued, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (replay_recipient(index, change, id, envelope, i, NULL, err) != 0)
            return -1;
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (replay_recipient(index, change, id, envelope, i, queued, err) != 0)
            return -1;
    return 0;
}

static int refuse_empty(const struct ledger_change *change, const char *id, struct err *err)
{
    const struct ledger_choice *choice = &change->choice;

    if (choice->state != NULL || choice->route != NULL)
        return err_set(err, ERR_PERMANENT, "%s: its routes have no such delivery any more", id);
    if (choice->handler != NULL)
        return err_set(err, ERR_PERMANENT, "%s: no route has a handler %s for its recipients", id, choice->handler);
    return err_set(err, ERR_PERMANENT, "%s: no route has a handler for its recipients", id);
}

int ledger_replay_within(struct index *index, const struct ledger_change *change, const char *id, int *queued,
                         struct err *err)
{
    struct envelope envelope = {0};
    struct query query;
    int count = 0;
    int status = load_recipients(index, id, &envelope, err);

    if (status == 0)
        status = refuse_unqueued(index, id, err);
    if (status == 0)
        status = replay_recipients(index, change, id, &envelope, &count, err);
    envelope_free(&envelope);
    if (status == 0 && count == 0)
        status = refuse_empty(change, id, err);
    if (status == 0 && !change->dry_run) {
        status = query_start(&query, index, STATEMENT_MESSAGE_REOPEN, err);
        if (status == 0) {
            query_text(&query, ":id", span_text(id));
            status = query_run(&query, err);
        }
    }
    if (status == 0)
        *queued += count;
    return status;
}

int ledger_replay(struct index *index, const struct ledger_change *change, const char *id, int *queued,
                  struct err *err)
{
    if (index_begin(index, err) != 0)
        return -1;
    return ledger_finish(index, ledger_replay_within(index, change, id, queued, err), err);
}
