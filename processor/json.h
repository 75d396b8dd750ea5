/*
 * JSON (RFC 8259), written as it is thought of: commas and quotes are seen to here.
 *
 *     struct json json = {.out = stdout};
 *     json_open(&json, NULL, '[');
 *     json_open(&json, NULL, '{');
 *     json_text(&json, "id", id);
 *     json_close(&json);
 *     json_close(&json);
 *
 * Within an object each value has a name, within an array NULL. The output is valid whatever the bytes of a text are:
 * what is no UTF-8 becomes U+FFFD, and characters that could harm a terminal are escaped as \uXXXX. Each member of
 * the outermost array stands on a line of its own.
 */
#ifndef PROCESSOR_JSON_H
#define PROCESSOR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

enum { JSON_DEPTH_MAX = 8 };

struct json {
    FILE *out;
    size_t depth;                 /* at most JSON_DEPTH_MAX */
    char closers[JSON_DEPTH_MAX]; /* of what is open */
    bool has_members[JSON_DEPTH_MAX];
};

/* Opens an object or an array, by its bracket. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json); /* the last one also ends the line */

void json_text(struct json *json, const char *name, struct span text);
/* A text of several pieces, each of whole characters. */
void json_open_text(struct json *json, const char *name);
void json_add_text(struct json *json, struct span text);
void json_close_text(struct json *json);
void json_number(struct json *json, const char *name, int64_t number);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
/* An ISO 8601 time in UTC, as in the views of the index. */
void json_time(struct json *json, const char *name, int64_t time_ms);

#endif
