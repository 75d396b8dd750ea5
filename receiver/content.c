#include "receiver/content.h"

#include <assert.h>
#include <string.h>

static const char received[] = "received:";

enum {
    FIELD_NOT_MATCHED = sizeof received, /* one more than a whole match */
    WINDOW = 512, /* bytes searched for a line's end at a time: input of nothing but CR must not be searched again and
                     again */
};

void content_start(struct content *content, enum content_form form, const struct content_limits *limits)
{
    content->verdict = CONTENT_GOOD;
    content->place = CONTENT_LINE_START; /* the CRLF that ended the command itself */
    content->form = form;
    content->limits = *limits;
    content->size_bytes = 0;
    content->in_header = true;
    content->line_is_empty = true;
    content->field_matched = 0;
    content->received_count = 0;
    content->used = 0;
}

/* A fault is worth telling even where the message would have been dropped anyway. */
static void find_fault(struct content *content, enum content_verdict fault)
{
    if (content->verdict == CONTENT_GOOD || content->verdict == CONTENT_DISCARDED)
        content->verdict = fault;
    content->used = 0;
}

void content_discard(struct content *content)
{
    if (content->verdict == CONTENT_GOOD)
        content->verdict = CONTENT_DISCARDED;
    content->used = 0;
}

static void count_octets(struct content *content, size_t count)
{
    const struct content_limits *limits = &content->limits;

    content->size_bytes += count;
    /* Of the two, the one that was gone beyond first, however many octets came at once. */
    if (content->in_header && content->size_bytes > limits->header_bytes && limits->header_bytes < limits->size_bytes)
        find_fault(content, CONTENT_HEADER_TOO_BIG);
    if (content->size_bytes > limits->size_bytes)
        find_fault(content, CONTENT_TOO_BIG);
}

/* Follows the beginning of a header line, as far as it may still be that of a Received field ("Received :" too). */
static void match_field(struct content *content, struct span text)
{
    const size_t name_size = sizeof received - 2;

    for (size_t i = 0; i < text.size && content->field_matched < sizeof received - 1; i++) {
        char byte = text.data[i];
        char folded = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;

        if (folded == received[content->field_matched])
            content->field_matched++;
        else if (content->field_matched != name_size || (byte != ' ' && byte != '\t'))
            content->field_matched = FIELD_NOT_MATCHED;
        if (content->field_matched == sizeof received - 1 && ++content->received_count >= CONTENT_RECEIVED_MAX)
            find_fault(content, CONTENT_LOOP);
    }
}

/* Bytes of a line, as many as there is room for (the caller sees to it that there is some). */
static size_t take_text(struct content *content, struct span text)
{
    if (content->verdict == CONTENT_GOOD)
        text = span_slice(text, 0, CONTENT_AREA_SIZE - content->used);
    /* One by one while a field's name may end in them: which of two faults comes first is then the same for all cuts.
     */
    if (content->in_header && content->field_matched < sizeof received - 1)
        text = span_slice(text, 0, 1);
    content->line_is_empty = false;
    count_octets(content, text.size);
    if (content->in_header)
        match_field(content, text);
    if (content->verdict == CONTENT_GOOD) {
        memcpy(content->area + content->used, text.data, text.size);
        content->used += text.size;
    }
    return text.size;
}

static void end_line(struct content *content)
{
    if (content->line_is_empty)
        content->in_header = false;
    content->line_is_empty = true;
    content->field_matched = 0;
    content->place = CONTENT_LINE_START;
    count_octets(content, 2);
    if (content->verdict == CONTENT_GOOD)
        content->area[content->used++] = '\n';
}

/* The run of ordinary bytes at the front: up to the first CR or LF, or as far as the window goes. */
static struct span ordinary(struct span input)
{
    struct span window = span_slice(input, 0, WINDOW);
    struct span line = span_slice(window, 0, span_find(window, '\n'));

    return span_slice(line, 0, span_find(line, '\r'));
}

/* Whether a line ends at the front of `input`, all of its end is there, and so is room for it. */
static bool line_ends(const struct content *content, struct span input)
{
    return input.size >= 2 && input.data[0] == '\r' && input.data[1] == '\n' && content->used < CONTENT_AREA_SIZE;
}

/* Within a line. Gives how many bytes were used. */
static size_t read_text(struct content *content, struct span input)
{
    struct span text = ordinary(input);

    if (text.size > 0) {
        size_t used = take_text(content, text);

        /* At once, as nearly every line goes by here: the same would come of it byte by byte. */
        if (used == text.size && line_ends(content, span_slice(input, used, input.size))) {
            end_line(content);
            used += 2;
        }
        return used;
    }
    if (input.data[0] == '\r')
        content->place = CONTENT_CR;
    else
        find_fault(content, CONTENT_BARE_LINE_END); /* and it begins no line: a dot after it is only a dot */
    return 1;
}

/*
 * One turn at the front of `input`, which is not empty; gives how many bytes were used. None may be: then only the
 * place has changed, and the byte is looked at again as what it is there.
 */
static size_t read_front(struct content *content, struct span input)
{
    char byte = input.data[0];

    switch (content->place) {
    case CONTENT_LINE_START:
        content->place = byte == '.' && content->form == CONTENT_DOTTED ? CONTENT_DOT : CONTENT_TEXT;
        return content->place == CONTENT_DOT ? 1 : read_text(content, input);
    case CONTENT_DOT: /* either the end, or a dot that was put there and is left out */
        content->place = byte == '\r' ? CONTENT_DOT_CR : CONTENT_TEXT;
        return byte == '\r';
    case CONTENT_DOT_CR:
        content->place = byte == '\n' ? CONTENT_ENDED : CONTENT_TEXT;
        if (byte != '\n')
            find_fault(content, CONTENT_BARE_LINE_END);
        return byte == '\n';
    case CONTENT_CR:
        if (byte == '\n') {
            end_line(content);
            return 1;
        }
        content->place = CONTENT_TEXT;
        find_fault(content, CONTENT_BARE_LINE_END);
        return 0;
    case CONTENT_TEXT:
        return read_text(content, input);
    case CONTENT_ENDED:
        break;
    }
    return 0;
}

enum content_status content_read(struct content *content, struct span *input)
{
    while (content->place != CONTENT_ENDED) {
        if (content->used == CONTENT_AREA_SIZE)
            return CONTENT_FULL;
        if (input->size == 0)
            return CONTENT_MORE;
        *input = span_slice(*input, read_front(content, *input), input->size);
    }
    return CONTENT_END;
}

void content_end(struct content *content)
{
    assert(content->used < CONTENT_AREA_SIZE); /* else the status was CONTENT_FULL */
    if (content->place == CONTENT_CR)
        find_fault(content, CONTENT_BARE_LINE_END);
    else if (!content->line_is_empty)
        end_line(content);
    content->place = CONTENT_ENDED;
}

struct span content_bytes(const struct content *content)
{
    return (struct span){content->area, content->used};
}

void content_emptied(struct content *content)
{
    content->used = 0;
}
