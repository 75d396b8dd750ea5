/* What `mailmill parse` says of a message, in either of its forms. */
#ifndef PROCESSOR_COMMAND_PARSE_H
#define PROCESSOR_COMMAND_PARSE_H

#include "processor/command/command.h"
#include "processor/parts_json.h"

__attribute__((warn_unused_result)) int parse_text(const struct command_call *call, struct parts *parts,
                                                   const struct parts_files *files, struct err *err);

#endif
