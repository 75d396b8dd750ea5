/*
 * Filing: when a message's last delivery has ended, its file goes to cur/, marked F when a delivery is dead, S when
 * all is done, and with no flag when there was nothing to do; then its row says that it has ended.
 */
#ifndef PROCESSOR_FILING_H
#define PROCESSOR_FILING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/index.h"
#include "common/spool.h"

/*
 * Files one message away, if all its deliveries have ended, which is put into `ended`. A file that is gone is no
 * error, only worth a line in the log.
 */
__attribute__((warn_unused_result)) int filing_message(struct index *index, const struct spool *spool, const char *id,
                                                       int64_t now_ms, bool *ended, struct err *err);

/* Files away what an earlier processor could not: all messages whose deliveries have ended. */
__attribute__((warn_unused_result)) int filing_rest(struct index *index, const struct spool *spool, int64_t now_ms,
                                                    struct err *err);

#endif
