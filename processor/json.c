#include "processor/json.h"

#include <assert.h>

#include "common/clock.h"
#include "processor/text.h"

static void write_characters(FILE *out, struct span text)
{
    struct text_character character;

    for (; text.size > 0; text = span_slice(text, character.size, text.size)) {
        character = text_decode(text);
        if (!character.is_valid)
            (void)fputs("\uFFFD", out);
        else if (character.code == '"' || character.code == '\\')
            (void)fprintf(out, "\\%c", (int)character.code);
        else if (character.code == '\n')
            (void)fputs("\\n", out);
        else if (text_is_harmful(character.code)) /* all of them have four digits */
            (void)fprintf(out, "\\u%04x", (unsigned)character.code);
        else
            (void)fwrite(text.data, 1, character.size, out);
    }
}

static void write_string(FILE *out, struct span text)
{
    (void)fputc('"', out);
    write_characters(out, text);
    (void)fputc('"', out);
}

/* What stands before every value: a comma behind the one before it, and its name. */
static void begin_value(struct json *json, const char *name)
{
    if (json->depth > 0) {
        bool *has_members = &json->has_members[json->depth - 1];
        bool own_line = json->depth == 1 && json->closers[0] == ']';

        (void)fputs(*has_members ? "," : "", json->out);
        (void)fputs(own_line ? "\n" : "", json->out);
        *has_members = true;
    }
    if (name != NULL) {
        write_string(json->out, span_text(name));
        (void)fputc(':', json->out);
    }
}

void json_open(struct json *json, const char *name, char bracket)
{
    assert(json->depth < JSON_DEPTH_MAX);
    begin_value(json, name);
    (void)fputc(bracket, json->out);
    json->closers[json->depth] = bracket == '{' ? '}' : ']';
    json->has_members[json->depth] = false;
    json->depth++;
}

void json_close(struct json *json)
{
    assert(json->depth > 0);
    json->depth--;
    if (json->depth == 0 && json->closers[0] == ']' && json->has_members[0])
        (void)fputc('\n', json->out);
    (void)fputc(json->closers[json->depth], json->out);
    if (json->depth == 0)
        (void)fputc('\n', json->out);
}

void json_text(struct json *json, const char *name, struct span text)
{
    begin_value(json, name);
    write_string(json->out, text);
}

void json_open_text(struct json *json, const char *name)
{
    begin_value(json, name);
    (void)fputc('"', json->out);
}

void json_add_text(struct json *json, struct span text)
{
    write_characters(json->out, text);
}

void json_close_text(struct json *json)
{
    (void)fputc('"', json->out);
}

void json_number(struct json *json, const char *name, int64_t number)
{
    begin_value(json, name);
    (void)fprintf(json->out, "%lld", (long long)number);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_value(json, name);
    (void)fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name)
{
    begin_value(json, name);
    (void)fputs("null", json->out);
}

void json_time(struct json *json, const char *name, int64_t time_ms)
{
    char text[CLOCK_ISO8601_SIZE];

    clock_iso8601(time_ms, text);
    json_text(json, name, span_text(text));
}
