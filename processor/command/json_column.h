/* Columns of a query's row as JSON (processor/json.h): null where they are NULL. */
#ifndef PROCESSOR_COMMAND_JSON_COLUMN_H
#define PROCESSOR_COMMAND_JSON_COLUMN_H

#include "common/index.h"
#include "processor/json.h"

void json_column_text(struct json *json, const char *name, struct query *query, int column);
void json_column_number(struct json *json, const char *name, struct query *query, int column);
void json_column_time(struct json *json, const char *name, struct query *query, int column);

#endif
