/* Small steps that the ledger's files share, all within a transaction of the caller's. */
#ifndef PROCESSOR_LEDGER_STEP_H
#define PROCESSOR_LEDGER_STEP_H

#include <stdint.h>

#include "common/index.h"

/* Runs a statement whose parameters are a message's ID, where `id` is given, and a time. */
__attribute__((warn_unused_result)) int ledger_touch(struct index *index, enum statement statement, const char *id,
                                                     int64_t now_ms, struct err *err);

/* Ends the caller's transaction, by its result so far. */
__attribute__((warn_unused_result)) int ledger_finish(struct index *index, int status, struct err *err);

#endif
