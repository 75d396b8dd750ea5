#include "processor/command/exposition.h"

#include <inttypes.h>

#include "processor/text.h"

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_value(FILE *out, struct span value)
{
    struct text_character character;

    for (; value.size > 0; value = span_slice(value, character.size, value.size)) {
        character = text_decode(value);
        if (!character.is_valid)
            (void)fputs("\uFFFD", out);
        else if (character.code == '\n')
            (void)fputs("\\n", out);
        else if (character.code == '"' || character.code == '\\')
            (void)fprintf(out, "\\%c", (int)character.code);
        else
            (void)fwrite(value.data, 1, character.size, out);
    }
}

static void write_name(FILE *out, const char *name, const struct exposition_label *labels)
{
    const char *before = "{";

    (void)fputs(name, out);
    for (; labels != NULL && labels->name != NULL; labels++) {
        (void)fprintf(out, "%s%s=\"", before, labels->name);
        write_value(out, labels->value);
        (void)fputc('"', out);
        before = ",";
    }
    (void)fputs(before[0] == ',' ? "} " : " ", out);
}

void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels, int64_t value)
{
    write_name(out, name, labels);
    (void)fprintf(out, "%" PRId64 "\n", value);
}

void exposition_put_seconds(struct buf *text, int64_t value_ms)
{
    uint64_t ms = value_ms < 0 ? -(uint64_t)value_ms : (uint64_t)value_ms;
    uint64_t rest = ms % 1000;

    buf_printf(text, "%s%" PRIu64, value_ms < 0 ? "-" : "", ms / 1000);
    if (rest % 100 == 0 && rest > 0)
        buf_printf(text, ".%" PRIu64, rest / 100);
    else if (rest % 10 == 0 && rest > 0)
        buf_printf(text, ".%02" PRIu64, rest / 10);
    else if (rest > 0)
        buf_printf(text, ".%03" PRIu64, rest);
}

void exposition_seconds(FILE *out, const char *name, const struct exposition_label *labels, int64_t value_ms)
{
    char storage[EXPOSITION_SECONDS_SIZE];
    struct buf text = buf_over(storage, sizeof storage);

    exposition_put_seconds(&text, value_ms);
    write_name(out, name, labels);
    (void)fprintf(out, "%s\n", text.data);
}
