/*
 * The writer's rights, given up for good before it looks at anything that a session wrote: from then on it makes
 * files in the spool's tmp/, renames them into new/ and works with the index. It removes nothing from new/, reads no
 * message, runs nothing and connects nowhere.
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
