/*
 * Any bytes as a body, with dots or counted, cut anywhere, held to a second and simpler reading of the rules. The
 * first byte steers the cuts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 100 * 1000, SIZE_MAX_BYTES = 60 * 1000, HEADER_MAX_BYTES = 2000 };

struct outcome {
    bool ended;
    size_t used; /* of the input, where it ended */
    bool good;   /* as far as line ends and sizes go */
    struct buf body;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool starts(struct span text, const char *start)
{
    return span_equal(span_slice(text, 0, strlen(start)), span_text(start));
}

/* The rules, one byte at a time over the whole input. */
static void read_by_the_rules(struct span input, bool dotted, struct outcome *outcome)
{
    bool line_start = true;
    bool in_header = true;
    size_t octets = 0;
    size_t at = 0;

    while (at < input.size) {
        struct span rest = span_slice(input, at, input.size);

        outcome->ended = dotted && line_start && starts(rest, ".\r\n");
        if (outcome->ended)
            break;
        if (dotted && line_start && rest.data[0] == '.') {
            line_start = false;
            at++;
            continue;
        }
        in_header = in_header && !(line_start && starts(rest, "\r\n"));
        line_start = starts(rest, "\r\n");
        if (!line_start && (rest.data[0] == '\r' || rest.data[0] == '\n'))
            outcome->good = false;
        buf_put_byte(&outcome->body, line_start ? '\n' : rest.data[0]);
        octets += line_start ? 2 : 1;
        at += line_start ? 2 : 1;
        if (in_header && octets > HEADER_MAX_BYTES)
            outcome->good = false;
    }
    if (!dotted && !line_start) {
        buf_put_byte(&outcome->body, '\n');
        octets += 2;
        outcome->good = outcome->good && (!in_header || octets <= HEADER_MAX_BYTES);
    }
    outcome->used = outcome->ended ? at + 3 : at;
    outcome->ended = outcome->ended || !dotted;
    outcome->good = outcome->good && octets <= SIZE_MAX_BYTES;
}

static void take_bytes(struct content *content, struct outcome *outcome)
{
    require(content->verdict == CONTENT_GOOD || content_bytes(content).size == 0);
    buf_put(&outcome->body, content_bytes(content));
    content_emptied(content);
}

/* The module, in pieces. */
static void read_in_pieces(struct span input, bool dotted, unsigned steering, struct content *content,
                           struct outcome *outcome)
{
    const struct content_limits limits = {SIZE_MAX_BYTES, HEADER_MAX_BYTES};
    enum content_status status = CONTENT_MORE;
    size_t whole = input.size;

    content_start(content, dotted ? CONTENT_DOTTED : CONTENT_COUNTED, &limits);
    while (status != CONTENT_END && (status == CONTENT_FULL || input.size > 0)) {
        struct span piece;
        size_t given;

        steering = steering * 1103515245 + 12345;
        piece = span_slice(input, 0, 1 + (steering >> 16) % (steering % 3 == 0 ? 5000 : 7));
        given = piece.size;
        status = content_read(content, &piece);
        input = span_slice(input, given - piece.size, input.size);
        require(status != CONTENT_FULL || content_bytes(content).size == CONTENT_AREA_SIZE);
        require(status != CONTENT_MORE || piece.size == 0);
        if (status != CONTENT_MORE)
            take_bytes(content, outcome);
    }
    require(dotted || status != CONTENT_END);
    if (!dotted) {
        content_end(content);
        take_bytes(content, outcome);
        status = content_read(content, &input);
    }
    outcome->ended = status == CONTENT_END;
    outcome->used = whole - input.size;
    outcome->good = content->verdict == CONTENT_GOOD;
}

static void check(struct span input, bool dotted, unsigned steering)
{
    static char wanted_storage[INPUT_MAX + 3];
    static char storage[INPUT_MAX + 3];
    static struct content content;
    struct outcome wanted = {.good = true, .body = buf_over(wanted_storage, sizeof wanted_storage)};
    struct outcome outcome = {.body = buf_over(storage, sizeof storage)};

    read_by_the_rules(input, dotted, &wanted);
    read_in_pieces(input, dotted, steering, &content, &outcome);
    require(outcome.ended == wanted.ended);
    if (!outcome.ended)
        return;
    require(outcome.used == wanted.used);
    if (content.verdict == CONTENT_LOOP) /* which the rules above leave out; other faults may follow it */
        return;
    require(outcome.good == wanted.good);
    if (outcome.good)
        require(span_equal(buf_span(&outcome.body), buf_span(&wanted.body)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input;

    if (size < 1 || size > INPUT_MAX)
        return 0;
    input = span_slice((struct span){(const char *)data, size}, 1, size);
    check(input, true, data[0]);
    check(input, false, data[0]);
    return 0;
}
