/*
 * The writer's rights, given up for good: from then on it makes files in the spool's tmp/, renames them into new/ and
 * works with the index and what lies beside it. It removes nothing from new/, reads no message, runs nothing, has no
 * network and connects to the processor's desk alone (common/desk.h). A writer of many sessions is so from its start;
 * that of one only before it looks at the first message, as a client that brings none is to touch no folder: of that
 * one it reads the lengths of a few texts, and puts these into the log and the journal of rejections.
 *
 *     spool_open(&spool, config->spool, true, &err);       the folders must be there
 *     writer_enter_sandbox(config, &err);
 */
#ifndef RECEIVER_WRITER_SANDBOX_H
#define RECEIVER_WRITER_SANDBOX_H

#include "common/config.h"
#include "common/err.h"

/* An index whose folder is missing fails for good when it is opened; the spool does not depend on it. */
__attribute__((warn_unused_result)) int writer_enter_sandbox(const struct config *config, struct err *err);

#endif
