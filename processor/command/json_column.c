#include "processor/command/json_column.h"

void json_column_text(struct json *json, const char *name, struct query *query, int column)
{
    if (query_column_is_null(query, column))
        json_null(json, name);
    else
        json_text(json, name, query_column_text(query, column));
}

void json_column_number(struct json *json, const char *name, struct query *query, int column)
{
    if (query_column_is_null(query, column))
        json_null(json, name);
    else
        json_number(json, name, query_column_number(query, column));
}

void json_column_time(struct json *json, const char *name, struct query *query, int column)
{
    if (query_column_is_null(query, column))
        json_null(json, name);
    else
        json_time(json, name, query_column_number(query, column));
}
