/*
 * One attempt of a delivery, while it is under way: what it needs, what its program says, how it ended. The steps it
 * goes through are the runner's (processor/runner.h).
 */
#ifndef PROCESSOR_ATTEMPT_H
#define PROCESSOR_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/index.h"
#include "common/spool.h"
#include "processor/capture.h"
#include "processor/environment.h"
#include "processor/filing.h"
#include "processor/launcher.h"
#include "processor/ledger.h"
#include "processor/ledger_group.h"
#include "processor/message.h"
#include "processor/outbox.h"
#include "processor/outcome.h"
#include "processor/retry.h"

/* What attempts work with; all of it the engine's. */
struct attempt_context {
    const struct config *config;
    struct index *index;
    const struct spool *spool;
    const struct outbox *outbox;
    struct filing *filing;
    const struct launcher *launcher;
    struct message_helper *helper;
};

enum {
    ATTEMPT_READ_SIZE = 64 * 1024,                 /* what attempt_read() takes at once */
    ATTEMPT_DETAIL_SIZE = OUTCOME_DETAIL_SIZE + 64 /* the outcome's, after how many attempts it was given up */
};

enum attempt_stage {
    ATTEMPT_STARTING, /* written down, and its program starts as soon as that is durable */
    ATTEMPT_HANDLER,  /* the handler runs */
    ATTEMPT_COMPOSE,  /* the helper makes, or is to be asked for, the letter */
    ATTEMPT_SEND,     /* the sendmail command runs */
    ATTEMPT_ON_DEAD,  /* no attempt, but the run of an on-dead program */
    ATTEMPT_RECORD,   /* over; to be written down */
    ATTEMPT_RECORDED, /* over and written down; what follows from it waits until that is durable */
};

struct attempt {
    enum attempt_stage stage;
    uint64_t number; /* names it to the launcher and the helper */
    char key[LEDGER_KEY_SIZE];
    struct ledger_group group; /* the deliveries that share the run */

    bool is_durable;  /* its start is: otherwise it never was */
    uint64_t program; /* starting: the handler's number, */
    int message;      /* what it reads, or -1, */
    bool may_reply;   /* and whether it may be answered automatically */

    /* What the configuration said when it started; it may be another by now. */
    enum handler_kind kind;
    struct retry_policy retry;
    struct breaker_policy breaker;
    uint8_t exit_codes[256];
    bool coalesces, go_on;

    int out, errors; /* read ends of the running program's pipes, or -1 */
    int whole;       /* reply and filter: a file with all of the handler's stdout, as long as it is needed; else -1 */
    uint64_t whole_size;
    bool is_too_much;
    int save_errno; /* why some of it is not in the file; 0: all is */
    bool asked;     /* compose: the helper has been asked */
    int composed;   /* compose: the file being written, or -1 */
    struct address reply_to;

    /* Only of a run of an on-dead program (processor/on_dead.h). */
    bool is_on_dead;
    char reason[ERR_TEXT_SIZE];
    int64_t died_ms;
    int64_t run;   /* its number among those of the delivery, from 1 */
    int64_t tries; /* since the delivery died */

    /* How it ended. */
    enum run_end end;
    int64_t end_number;
    struct outcome outcome;
    bool skip_rest;   /* the handler said so, even if its letter is still to be sent */
    bool keep_output; /* the outbox holds the letter, or what the filter made, under our key */
    bool replied;
    bool is_settled;  /* there was nothing to run: no attempt is written down, only what became of the delivery */
    enum state state; /* that the delivery went to; of one settled, that it is to go to */
    enum state group_state;           /* that those which share the run went to, but for those which gave up */
    char detail[ATTEMPT_DETAIL_SIZE]; /* what is said of the delivery */
    struct ledger_run said;           /* what the run said of its handler, and did to it */
    struct ledger_tally left;         /* what has become of its message */
    int64_t started_ms;
    int64_t ended_ms;
    int64_t record_ms; /* when to try again to write it down */

    /* Large, and so only set where something is put into them. */
    struct delivery delivery;
    struct capture out_tail, errors_tail;
};

/* An attempt for a handler, its delivery still to be loaded. NULL (temporary): no memory. */
struct attempt *attempt_new(const struct config_handler *handler, uint64_t number, int64_t now_ms, struct err *err);
void attempt_free(struct attempt *attempt);

/*
 * Opens what the handler is to read: the message as it was received, or as the last filter before it left it. -1 when
 * missing (permanent) or unreadable.
 */
__attribute__((warn_unused_result)) int attempt_open_message(const struct attempt_context *context,
                                                             const struct attempt *attempt, struct err *err);

/* Has the launcher start the handler, or its on-dead program, told all it may know of the message and the delivery.
 */
__attribute__((warn_unused_result)) int attempt_launch_handler(const struct attempt_context *context,
                                                               struct attempt *attempt, struct err *err);

/* Has the launcher start a program with `in` as its standard input and its output on pipes to us. */
__attribute__((warn_unused_result)) int attempt_launch(struct attempt *attempt, const struct launcher *launcher,
                                                       uint64_t program, int in,
                                                       const struct environment *environment, struct err *err);

/*
 * Reads what is there on one of the attempt's two descriptors, a bounded share of it, into its capture, and closes
 * the descriptor at its end. `bytes` is what was read, borrowed until the next call. Gives false when nothing was.
 */
bool attempt_read(struct attempt *attempt, int *fd, struct span *bytes);

/* Adds bytes of the handler's output to `whole`. Gives false once they are more than `max`, or than there is room
 * for. */
__attribute__((warn_unused_result)) bool attempt_save(struct attempt *attempt, struct span bytes, uint64_t max);

/* Takes note of how its program ended: as the launcher says, or of what was wrong with its output. */
void attempt_take_end(struct attempt *attempt, enum run_end end, int64_t number);

/* Closes a descriptor that may be -1, and makes it that. */
void attempt_close_fd(int *fd);

#endif
