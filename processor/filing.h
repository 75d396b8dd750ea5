/*
 * Filing: when a message's last delivery has ended, its file goes to cur/, marked F when a delivery is dead, S when
 * all is done, and with no flag when there was nothing to do; then its row says that it has ended.
 *
 *     filing_note(&filing, id, &tally, now);           once an end is durable: moves the file
 *     filing_continue(&filing, now);            in every turn of the loop: from time to time, makes the moves of many
 *                                               messages durable by one flush and marks their rows
 *     filing_committed(&filing);                what the index had gathered is durable,
 *     filing_lost(&filing, now);                or was not made
 *
 * Nobody waits for the mark: after a crash filing_rest makes it.
 */
#ifndef PROCESSOR_FILING_H
#define PROCESSOR_FILING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/index.h"
#include "common/spool.h"
#include "processor/ledger.h"
#include "processor/outbox.h"

enum {
    FILING_BATCH = 64,      /* so many are not waited with */
    FILING_DELAY_MS = 100,  /* that the first of them may wait for others */
    FILING_PAUSE_MS = 1000, /* before trying again what failed */
};

struct filing {
    struct index *index;
    const struct spool *spool;
    const struct outbox *outbox;

    /* Moved and not marked yet: as many as ended lately, of which one run may have a thousand. */
    char (*ids)[ID_SIZE];
    size_t count, capacity;
    size_t marked;  /* of them, the first so many, in what the index has gathered */
    int64_t due_ms; /* wall clock: when they are to be marked */
};

/*
 * A delivery of the message has ended, or it has none. What can't be done now is done at the next start. `tally`:
 * what the transaction that is durable by now left of it; NULL: that is looked up.
 */
void filing_note(struct filing *filing, const char *id, const struct ledger_tally *tally, int64_t now_ms);
void filing_continue(struct filing *filing, int64_t now_ms);
/* Marks what was moved without waiting any longer, for the end of the processor. */
void filing_hurry(struct filing *filing, int64_t now_ms);
void filing_committed(struct filing *filing);
void filing_lost(struct filing *filing, int64_t now_ms);
void filing_free(struct filing *filing);
/* When filing_continue wants to be called by itself: INT64_MAX for never. */
int64_t filing_next_ms(const struct filing *filing);

/*
 * Files one message away at once, if all its deliveries have ended, which is put into `ended`. A file that is gone is
 * no error, only worth a line in the log.
 */
__attribute__((warn_unused_result)) int filing_message(struct index *index, const struct spool *spool, const char *id,
                                                       int64_t now_ms, bool *ended, struct err *err);

/* Files away what an earlier processor could not: all messages whose deliveries have ended. */
__attribute__((warn_unused_result)) int filing_rest(struct index *index, const struct spool *spool, int64_t now_ms,
                                                    struct err *err);

#endif
