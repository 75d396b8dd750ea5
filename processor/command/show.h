/* What `mailmill show` says of one message, in either of its forms. */
#ifndef PROCESSOR_COMMAND_SHOW_H
#define PROCESSOR_COMMAND_SHOW_H

#include "common/index.h"
#include "processor/command/command.h"
#include "processor/command/json_column.h"

enum { SHOW_PATH_SIZE = 4096 };

/* `message` is at the message's row (processor/command/lookup.h); `file` is its path in the spool, "" when it is
 * gone. */
__attribute__((warn_unused_result)) int show_text(const struct command_call *call, struct query *message,
                                                  const char *file, struct err *err);
__attribute__((warn_unused_result)) int show_json(struct json *json, struct query *message, const char *file,
                                                  struct err *err);

#endif
