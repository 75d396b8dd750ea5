/*
 * The end of a turn of the loop. All that a turn changes in the index is one transaction, begun by the first change
 * and committed before the loop sleeps (common/index.h: index_gather). With ends of deliveries in it, it is flushed
 * to the disk; starts are not, as after a power cut what ran is run again. What must not be seen before waits for the
 * commit: programs are started, ends are logged, files are moved and letters removed after the commit. When
 * it fails, the turn's changes were never made: starts are forgotten, ends are written down again, mail is taken in
 * again.
 *
 *     for (;;) {
 *         act on what was heard: ledger_..., by way of the runner, intake and filing
 *         turn_end(&turn, now);
 *         sleep
 *     }
 *
 * A crash between a commit and what waited for it is the same as one a moment later: an attempt that is written down
 * as running is tried again at the next start, a message whose deliveries have ended is filed away then.
 */
#ifndef PROCESSOR_TURN_H
#define PROCESSOR_TURN_H

#include <stdint.h>

#include "common/index.h"
#include "processor/clerk.h"
#include "processor/filing.h"
#include "processor/intake.h"
#include "processor/runner.h"
#include "processor/schedule.h"

enum { TURN_PAUSE_MS = 1000 }; /* before anything is started again, after a commit that failed */

struct turn {
    struct index *index;
    struct intake *intake;
    struct runner *runner;
    struct filing *filing;
    struct schedule *schedule;
    struct clerk *clerk;
};

/* Commits, and does what waited for it, which may bring further changes to commit. Leaves no transaction open. */
void turn_end(const struct turn *turn, int64_t now_ms);

#endif
