/*
 * What list-filter's rules say of a whole message, and the message with its tags. For use inside the sandbox.
 *
 *     charset_open_all();
 *     judge_message(message_fd, output_fd, &rules, &verdict, &err);
 */
#ifndef PROCESSOR_HANDLERS_JUDGE_H
#define PROCESSOR_HANDLERS_JUDGE_H

#include "common/err.h"
#include "processor/handlers/rules.h"

struct judge_verdict {
    size_t rule; /* that decided; rules->count: none */
    bool is_dropped;
    bool is_changed; /* the tagged message stands in the output file */
};

/*
 * Reads the file `message`, whose position is lost. Headers and text are decoded, unfolded and compared without
 * regard to case. A message that stays, and matched a rule with a tag that its subject does not have yet, is written
 * to the empty file `output`: the tags stand before the subject, everything else is as it was, byte for byte.
 * Permanent: it is no message. Temporary: reading or writing failed.
 */
__attribute__((warn_unused_result)) int judge_message(int message, int output, const struct rules *rules,
                                                      struct judge_verdict *verdict, struct err *err);

#endif
