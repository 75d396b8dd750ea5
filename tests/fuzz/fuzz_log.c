/*
 * Log lines: whatever a stranger put into a value, a line is one line of printable ASCII, can be read back into the
 * values that were put in (those that fit), and passes through a relay unchanged. A zero byte parts two values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char text[LOG_LINE_SIZE];
    size_t size;
} heard;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void hear(void *context, int level, struct span text)
{
    (void)context;
    require(level == LOG_INFO && text.size < LOG_LINE_SIZE);
    for (size_t i = 0; i < text.size; i++)
        require(text.data[i] >= ' ' && text.data[i] <= '~');
    memcpy(heard.text, text.data, text.size);
    heard.text[text.size] = '\0';
    heard.size = text.size;
}

/* Takes one value off the front of `line` as a reader of the log would, and gives its octets. */
static size_t take_value(struct span *line, char octets[static LOG_LINE_SIZE])
{
    bool quoted = line->size > 0 && line->data[0] == '"';
    size_t count = 0;
    size_t at = quoted;

    while (at < line->size && line->data[at] != (quoted ? '"' : ' ')) {
        unsigned byte = (unsigned char)line->data[at++];

        if (byte == '\\') {
            char digits[3] = "";
            char *end = NULL;

            require(line->size - at >= 3 && line->data[at] == 'x');
            memcpy(digits, line->data + at + 1, 2);
            byte = (unsigned)strtoul(digits, &end, 16);
            require(end == digits + 2);
            at += 3;
        }
        octets[count++] = (char)byte;
    }
    require(!quoted || at < line->size);
    *line = span_slice(*line, at + (quoted ? 1 : 0), line->size);
    return count;
}

static void require_value(struct span *line, const char *key, struct span value)
{
    char octets[LOG_LINE_SIZE];
    size_t key_size = strlen(key);
    size_t count;

    require(line->size >= key_size && memcmp(line->data, key, key_size) == 0);
    *line = span_slice(*line, key_size, line->size);
    count = take_value(line, octets);
    require(span_equal(value, (struct span){octets, count}));
}

static void say_and_read_back(struct span first, struct span second)
{
    struct log_line line;
    struct span rest;

    log_start(&line, LOG_INFO, "said");
    log_text(&line, "first", first);
    log_text(&line, "second", second);
    log_number(&line, "third", 3);
    log_end(&line);
    rest = (struct span){heard.text, heard.size};
    if (heard.size >= 3 && memcmp(heard.text + heard.size - 3, "...", 3) == 0)
        return;
    rest = span_slice(rest, strlen("said"), rest.size);
    require_value(&rest, " first=", first);
    require_value(&rest, " second=", second);
    require_value(&rest, " third=", span_text("3"));
    require(rest.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    size_t middle = span_find(input, '\0');
    char said[LOG_LINE_SIZE];

    log_redirect(hear, NULL);
    say_and_read_back(span_slice(input, 0, middle), span_slice(input, middle + 1, size));
    memcpy(said, heard.text, sizeof said);
    log_relay(LOG_INFO, span_text(said));
    require(strcmp(said, heard.text) == 0);
    log_relay(LOG_INFO, input);
    log_say(LOG_INFO, "%.*s", (int)middle, middle == 0 ? "" : input.data);
    return 0;
}
