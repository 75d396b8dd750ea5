/* What `mailmill parse` says of a message, in either of its forms. */
#ifndef PROCESSOR_COMMAND_PARSE_H
#define PROCESSOR_COMMAND_PARSE_H

#include "processor/command/command.h"
#include "processor/command/json.h"
#include "processor/filename.h"
#include "processor/message.h"
#include "processor/parts.h"

/* The names under which attachments were saved, by the number of their part; "" where one was not. */
struct parse_files {
    char (*names)[FILENAME_SIZE]; /* NULL: none was asked for */
    size_t count;
};

/* Waits for the helper's answer. */
__attribute__((warn_unused_result)) int parse_await(struct message_helper *helper, struct message_answer *answer,
                                                    struct err *err);

/* The name of a part's file, or NULL. */
const char *parse_file(const struct parse_files *files, const struct parts_record *part);
/* It counts as an attachment, and has contents. */
bool parse_is_attachment(const struct parts_record *record);

__attribute__((warn_unused_result)) int parse_text(const struct command_call *call, struct parts *parts,
                                                   const struct parse_files *files, struct err *err);
__attribute__((warn_unused_result)) int parse_json(struct json *json, struct parts *parts,
                                                   const struct parse_files *files, struct err *err);

#endif
