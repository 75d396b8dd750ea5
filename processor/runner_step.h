/* What the runner's files share. */
#ifndef PROCESSOR_RUNNER_STEP_H
#define PROCESSOR_RUNNER_STEP_H

#include "processor/runner.h"

/* An attempt with room in the list for it, its delivery still to be filled in. It is the caller's until it is
 * adopted, which can't fail. */
struct attempt *runner_prepare(struct runner *runner, const struct config_handler *handler, int64_t now_ms,
                               struct err *err);
/* Takes one whose start is written down, with its message open. */
void runner_adopt(struct runner *runner, struct attempt *attempt, int64_t now_ms);

/* Takes an attempt out of the list, and frees it. */
void runner_drop(struct runner *runner, struct attempt *attempt);

/* Ends an attempt for a reason that is not a program's exit: for good, if that is permanent. */
void runner_fail_by(struct runner *runner, struct attempt *attempt, const struct err *err, int64_t now_ms);

/* Has the sendmail command take the attempt's letter. */
void runner_send_letter(struct runner *runner, struct attempt *attempt, int64_t now_ms);

#endif
