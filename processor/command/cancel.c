/* mailmill cancel: calls off deliveries that wait, and wakes the processor, which files their messages away. */
#include <string.h>

#include "common/state.h"
#include "processor/command/bulk.h"
#include "processor/command/commands.h"

static const struct option_row rows[FILTER_OPTIONS] = {FILTER_ROWS};

static int cancel(struct bulk *bulk, const char *id, int *count, struct err *err)
{
    return ledger_cancel_within(&bulk->call->index, &bulk->change, id, count, err);
}

int command_cancel(struct command_call *call)
{
    struct bulk bulk = {.call = call, .step = cancel, .word = "cancelled", .is_waiting = true};
    int status = bulk_read(&bulk, rows, FILTER_OPTIONS);

    if (status != COMMAND_GO_ON)
        return status;
    if (bulk.filter.state != NULL && strcmp(bulk.filter.state, state_word(STATE_PENDING)) != 0 &&
        strcmp(bulk.filter.state, state_word(STATE_RETRY)) != 0)
        return options_refuse(call, "only what is pending or to be retried can be cancelled");
    if ((status = command_open_config(call)) != COMMAND_GO_ON || (status = bulk_open(&bulk)) != COMMAND_GO_ON)
        return status;
    return bulk_run(&bulk);
}
