/* What `mailmill parse` says of a message, in either of its forms. */
#ifndef PROCESSOR_COMMAND_PARSE_H
#define PROCESSOR_COMMAND_PARSE_H

#include "processor/command/command.h"
#include "processor/message.h"
#include "processor/parts_json.h"

/* Waits for the helper's answer. */
__attribute__((warn_unused_result)) int parse_await(struct message_helper *helper, struct message_answer *answer,
                                                    struct err *err);

__attribute__((warn_unused_result)) int parse_text(const struct command_call *call, struct parts *parts,
                                                   const struct parts_files *files, struct err *err);

#endif
