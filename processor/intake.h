/*
 * Intake: from a file in new/ to queued deliveries. Each message has its headers read by the helper, and then gets
 * its row (where the receiver put none), its headers and its deliveries in one transaction.
 *
 *     intake_scan(&intake, &err);               at start
 *     intake_want_scan(&intake);                when events were lost
 *     intake_arrived(&intake, name, now);       for each file that was moved in,
 *     intake_closed(&intake, name, now);        or written there, or whose writer is done with it
 *     intake_answered(&intake, &answer, now);   for each answer with intake's token
 *     intake_continue(&intake, now);            in every turn of the loop: takes up what waits, scans a bit more
 *     intake_has_queued(&intake, now);          then: whether the schedule has something new to look at
 *     intake_committed(&intake, now);           what was queued in the turn is durable,
 *     intake_lost(&intake, now);                or was not written
 *
 * At most MESSAGE_IN_FLIGHT_MAX messages are in work at a time; what comes meanwhile gets a row only, and is found
 * again by it.
 */
#ifndef PROCESSOR_INTAKE_H
#define PROCESSOR_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/envelope.h"
#include "common/index.h"
#include "common/spool.h"
#include "processor/filing.h"
#include "processor/ledger.h"
#include "processor/message.h"

/* Tokens with this bit are the runner's, those without it intake's. */
#define INTAKE_NOT_MINE (UINT64_C(1) << 63)

enum {
    INTAKE_PAUSE_MS = 1000, /* before trying again what failed temporarily */
    INTAKE_EARLY_MS = 50,   /* the longest wait for an older message that takes longer to be read */
};

struct arrival;

struct intake_slot {
    bool in_use;
    uint64_t token;
    struct envelope envelope;
    uint64_t size_bytes;
    bool is_queued;           /* written down, and not durable yet, */
    struct ledger_tally left; /* with what is left to be done */
};

struct intake {
    const struct config *config;
    struct index *index;
    const struct spool *spool;
    struct filing *filing;
    struct message_helper *helper;
    const struct arrival *arrival; /* starts what may be started at once; NULL: all is queued first */

    struct intake_slot slots[MESSAGE_IN_FLIGHT_MAX];
    uint64_t last_token;
    bool has_backlog; /* the index may have messages that are not queued */
    bool needs_scan;  /* new/ may have files that are not in the index */
    bool scan_again;  /* they may be where the scan under way has been */
    struct spool_walk walk;
    int64_t resume_ms; /* wall clock: not before, after trouble; 0: at once */
    bool queued;       /* something was queued that the schedule has not been told of: intake_has_queued() */
    int64_t early_ms;  /* wall clock: when it is told of what was queued before an older one; 0: there is none */

    int64_t config_stamp; /* of the configuration's file when it was last read: config_stamp() */
    bool wants_reload;    /* a message is for a route that only a newer configuration has */
};

/*
 * Gives a row to each message in new/ that has none. Files that are no messages of ours are left, and named in the
 * log. The second looks at a bounded number of files; once needs_scan is false it has seen them all.
 */
__attribute__((warn_unused_result)) int intake_scan(struct intake *intake, struct err *err);
__attribute__((warn_unused_result)) int intake_scan_some(struct intake *intake, struct err *err);
void intake_want_scan(struct intake *intake);
void intake_arrived(struct intake *intake, const char *name, int64_t now_ms);
void intake_closed(struct intake *intake, const char *name, int64_t now_ms);
void intake_continue(struct intake *intake, int64_t now_ms);
void intake_answered(struct intake *intake, const struct message_answer *answer, int64_t now_ms);
/*
 * Whether something was queued since this was last asked. The headers of one message are read sooner than those of
 * another: for a handler that takes one at a time, one that is known before an older one is only told of with that,
 * or after INTAKE_EARLY_MS.
 */
bool intake_has_queued(struct intake *intake, int64_t now_ms);
void intake_committed(struct intake *intake, int64_t now_ms);
void intake_lost(struct intake *intake, int64_t now_ms);
/* The clock was set: a pause has an end. */
void intake_hurry(struct intake *intake);
/* The helper was started anew: what it was asked must be asked again. */
void intake_forget(struct intake *intake);
/* When intake_continue and intake_has_queued want to be called by themselves: INT64_MAX for never. */
int64_t intake_next_ms(const struct intake *intake);

#endif
