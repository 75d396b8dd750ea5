/*
 * How things stand, gathered from the configuration, the spool and the index, for `mailmill status`.
 *
 *     struct overview overview = {0};
 *     overview_gather(&overview, call, &err);
 *     overview_free(&overview);
 */
#ifndef PROCESSOR_COMMAND_OVERVIEW_H
#define PROCESSOR_COMMAND_OVERVIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/id.h"
#include "common/state.h"
#include "processor/command/command.h"

enum { OVERVIEW_FILES_MAX = 100000 }; /* counted in new/; beyond it, "more than" */

/* Why nothing of a handler is started. */
struct overview_pause {
    char by[16]; /* "failures" or "operator"; "": it is not paused */
    int64_t since_ms;
    bool has_until; /* until_ms is when one run may show whether it works again */
    int64_t until_ms;
    int64_t failures; /* in a row */
    char reason[ERR_TEXT_SIZE];
};

struct overview_handler {
    char route[ADDRESS_SIZE];
    char handler[CONFIG_NAME_MAX + 1];
    bool is_configured;          /* else its deliveries are held until it is again */
    int64_t coalesce_ms;         /* it gathers what is due for so long */
    bool never_trips;            /* by its pause-after: it is not paused for failures, whatever the index has */
    int64_t counts[STATE_COUNT]; /* of deliveries, by state */
    bool is_due;                 /* something waits for its time, due_ms, when it is to be started */
    int64_t due_ms;
    struct overview_pause pause;
};

struct overview {
    bool is_alive; /* the processor */
    long pid;      /* its process, or 0 where unknown */
    bool has_spool;
    int files; /* in new/, at most OVERVIEW_FILES_MAX */
    uint64_t free_bytes;
    int64_t waiting_bytes;          /* of messages that have not ended */
    int64_t kept_files, kept_bytes; /* of those that have */
    bool has_index;
    int64_t messages, messages_new, messages_open; /* all; not taken in yet; not ended, the new ones included */
    int64_t deliveries[STATE_COUNT];
    bool has_waiting;
    char oldest[ID_SIZE];              /* what has waited longest */
    int64_t oldest_ms;                 /* since when */
    struct overview_handler *handlers; /* the configured ones in their order, then those held */
    size_t handler_count;
};

/* Reads it all out of what call has open: its spool and its index, where there are any. */
__attribute__((warn_unused_result)) int overview_gather(struct overview *overview, struct command_call *call,
                                                        struct err *err);
void overview_free(struct overview *overview);

#endif
