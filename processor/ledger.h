/*
 * The ledger: what the processor and the operator's command write down about deliveries, in the index's own words.
 * Each function is one step of a delivery's life and one transaction, but for those named otherwise.
 */
#ifndef PROCESSOR_LEDGER_H
#define PROCESSOR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/config.h"
#include "common/envelope.h"
#include "common/index.h"
#include "common/state.h"
#include "processor/breaker.h"
#include "processor/message.h"

enum {
    LEDGER_KEY_SIZE = ID_SIZE + 8 + CONFIG_NAME_MAX + 2, /* "ID.recipient.handler" */
    LEDGER_REPLY_WINDOW_MS = 3600 * 1000,                /* what `reply-limit` counts within */
};

/* One delivery with what its attempt needs of the message. */
struct delivery {
    int64_t id;
    char message_id[ID_SIZE];
    int64_t recipient; /* its position in the envelope, from 1 */
    struct address address;
    char route[ADDRESS_SIZE];
    char handler[CONFIG_NAME_MAX + 1];
    int64_t position;
    int64_t attempts;        /* made so far */
    int64_t attempts_before; /* of them, before the last replay */
    int64_t queued_ms;
    int64_t first_ms;             /* when it was first tried since it was queued; 0: not yet */
    int64_t held_ms;              /* how long pauses kept it from being tried again */
    int64_t replay;               /* how often the operator asked for it again */
    char output[LEDGER_KEY_SIZE]; /* the finished letter that waits to be sent; or empty */
    struct address sender;
    char client_address[ENVELOPE_CLIENT_SIZE];
    char client_helo[ENVELOPE_HELO_SIZE];
    char client_protocol[ENVELOPE_PROTOCOL_SIZE];
    char tls[ENVELOPE_TLS_SIZE];
    struct message_headers headers;
};

/* The stable name of a delivery, which its handler gets as MAILMILL_DELIVERY. */
void ledger_key(const struct delivery *delivery, char key[static LEDGER_KEY_SIZE]);

/* ---- messages ---- */

/* Whether the message has been queued: 1 yes, 0 no or unknown, -1 error. */
__attribute__((warn_unused_result)) int ledger_is_queued(struct index *index, const char *id, struct err *err);

/*
 * Queues a message: its row (where the receiver has not put it), its headers, and a delivery for each handler of each
 * recipient's route. Queued already: nothing is changed. `headers` NULL: they could not be read. With a `digest` that
 * is not empty, the deliveries by a route that asks for it are skipped when the message is a copy of an earlier one.
 */
__attribute__((warn_unused_result)) int ledger_queue(struct index *index, const struct config *config,
                                                     const struct envelope *envelope, uint64_t size_bytes,
                                                     const struct message_headers *headers, const char *digest,
                                                     int64_t now_ms, struct err *err);

/*
 * The same for a message with one recipient, whose route asks for no digest, but that the delivery to the first
 * handler is not due: it runs, with its first attempt, and is put into `id`. That is 1; with 0 nothing was changed,
 * as the handler is paused, or the message queued already.
 */
__attribute__((warn_unused_result)) int ledger_queue_started(struct index *index, const struct config_route *route,
                                                             const struct envelope *envelope, uint64_t size_bytes,
                                                             const struct message_headers *headers, int64_t now_ms,
                                                             int64_t *id, struct err *err);

/* Marks a message as queued and ended whose file is gone: there is nothing to run. */
__attribute__((warn_unused_result)) int ledger_give_up(struct index *index, const char *id, int64_t now_ms,
                                                       struct err *err);

/*
 * Notes a message whose row is there as ended at `ended_ms`, and the deliveries that the configuration has for it as
 * in `state`, STATE_DONE or STATE_DEAD; with STATE_SKIPPED it has none. Within a transaction of the caller's.
 */
__attribute__((warn_unused_result)) int ledger_put_ended(struct index *index, const struct config *config,
                                                         const struct envelope *envelope, enum state state,
                                                         int64_t ended_ms, struct err *err);

/* What has become of a message's deliveries, for the flag of its file. */
struct ledger_tally {
    int64_t deliveries;
    int64_t waiting; /* not ended */
    int64_t dead;
};
__attribute__((warn_unused_result)) int ledger_tally(struct index *index, const char *id, struct ledger_tally *tally,
                                                     struct err *err);
__attribute__((warn_unused_result)) int ledger_message_ended(struct index *index, const char *id, int64_t now_ms,
                                                             struct err *err);

/* ---- deliveries ---- */

/* The oldest of a handler's that is due: 1 found, 0 none, -1 error. */
__attribute__((warn_unused_result)) int ledger_due(struct index *index, const char *route, const char *handler,
                                                   int64_t now_ms, int64_t *id, struct err *err);
/* Reads one whole. A missing one is a bug. */
__attribute__((warn_unused_result)) int ledger_load(struct index *index, int64_t id, struct delivery *delivery,
                                                    struct err *err);

/* pending or retry -> running, and a new attempt; delivery->attempts counts it. 1: the operator has called it off
 * since it was found, and nothing is changed. */
__attribute__((warn_unused_result)) int ledger_start(struct index *index, struct delivery *delivery, int64_t now_ms,
                                                     struct err *err);

/* What a run says of its handler, and what that did to the handler. */
struct ledger_run {
    enum breaker_event event;
    struct breaker_policy policy;
    int64_t started_ms;
    enum breaker_change change; /* filled in by ledger_end, as is what follows */
    struct breaker breaker;     /* as it is after it */
};

struct ledger_group;

/* How an attempt ended, to be written down. */
struct ledger_end {
    enum state state;   /* that the delivery goes to */
    bool skip_rest;     /* with STATE_DONE or STATE_RETRY: the handlers after it need not run */
    bool go_on;         /* with STATE_DEAD: the handlers after it run all the same */
    bool on_dead;       /* with STATE_DEAD: a program is to be told */
    int64_t due_ms;     /* with STATE_RETRY */
    bool has_exit_code; /* else it ended by the signal, or was never started when that is 0 */
    int64_t exit_code;
    int64_t signal;
    const char *detail;      /* in words; "" when there is nothing to say */
    const char *output;      /* keep this file: for the next attempt, or the handlers after a filter; NULL: none */
    const char *replied_to;  /* an automatic reply went there; NULL: none */
    struct span out, errors; /* the last of stdout and stderr */
    const struct ledger_group *group; /* those that shared the run, and end with it; NULL: none */
    enum state group_state;           /* that those go to which do not give up */
    const char *group_detail;         /* what is said of them */
    struct ledger_run *run;           /* NULL: nothing ran */
    struct ledger_tally *left;        /* filled in by ledger_end: what has become of the message; NULL: nobody asks */
};

/*
 * running -> end->state, with what follows for the handlers after it; or, without an attempt, pending or retry ->
 * end->state. What has ended by the operator's word stays as it is.
 */
__attribute__((warn_unused_result)) int ledger_end(struct index *index, const struct delivery *delivery,
                                                   const struct ledger_end *end, int64_t now_ms, struct err *err);

/*
 * What the last filter before this delivery made of the message: 1 and the file's name in the outbox, 0 when there is
 * none, -1 error.
 */
__attribute__((warn_unused_result)) int ledger_filtered(struct index *index, const struct delivery *delivery,
                                                        char output[static LEDGER_KEY_SIZE], struct err *err);

/* How many automatic replies went to an address within the last hour. */
__attribute__((warn_unused_result)) int ledger_replies(struct index *index, const char *address, int64_t now_ms,
                                                       unsigned *count, struct err *err);

/* ---- what is put right, at a start and when the clock was set ---- */

/* The clock was set back by so much: what waits does not wait longer for that. */
__attribute__((warn_unused_result)) int ledger_set_back(struct index *index, int64_t by_ms, struct err *err);

/*
 * What was left running becomes retry, due now; so do runs of on-dead programs. Nor is what was queued by a clock
 * that was set back since due later.
 */
__attribute__((warn_unused_result)) int ledger_recover(struct index *index, int64_t now_ms, struct err *err);

#endif
