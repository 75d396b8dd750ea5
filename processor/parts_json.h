/*
 * What a message is made of, as a JSON object: for `mailmill parse --json` and handlers that hand it on. The README's
 * "The command" has its members.
 *
 *     struct json json = {.out = stdout};
 *     json_open(&json, NULL, '{');
 *     parts_write_json(&json, &parts, &files, &err)
 *     json_close(&json);
 */
#ifndef PROCESSOR_PARTS_JSON_H
#define PROCESSOR_PARTS_JSON_H

#include "processor/filename.h"
#include "processor/json.h"
#include "processor/parts.h"

/* The names under which attachments were saved, by the number of their part; "" where one was not. */
struct parts_files {
    char (*names)[FILENAME_SIZE]; /* NULL: none was asked for */
    size_t count;
};

/* The name of a part's file, or NULL. */
const char *parts_saved_as(const struct parts_files *files, const struct parts_record *part);
/* It counts as an attachment, and has contents. */
bool parts_is_attachment(const struct parts_record *record);

/* Writes the members of an object that is open. Whether writing failed is the stream's to say. */
__attribute__((warn_unused_result)) int parts_write_json(struct json *json, struct parts *parts,
                                                         const struct parts_files *files, struct err *err);

#endif
