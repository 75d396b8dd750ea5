#include "processor/command/inject_body.h"

#include <ctype.h>

static const char received[] = "received:";

enum {
    NAME_SIZE = sizeof received - 2,
    FIELD_SIZE = sizeof received - 1,
    NOT_MATCHED = FIELD_SIZE + 1,
};

void inject_body_start(struct inject_body *body, uint64_t size_max, uint64_t header_max)
{
    *body = (struct inject_body){.size_max = size_max, .header_max = header_max, .in_header = true};
}

static void find_fault(struct inject_body *body, enum inject_verdict fault)
{
    if (body->verdict == INJECT_GOOD)
        body->verdict = fault;
}

static void count_octets(struct inject_body *body, uint64_t count)
{
    body->size_bytes += count;
    if (body->in_header && body->size_bytes > body->header_max && body->header_max < body->size_max)
        find_fault(body, INJECT_HEADER_TOO_BIG);
    if (body->size_bytes > body->size_max)
        find_fault(body, INJECT_TOO_BIG);
}

/* Follows the line's beginning, as far as it may still be that of a Received field; "Received :" is one, too. */
static void match_field(struct inject_body *body, char byte)
{
    if (body->field_matched >= FIELD_SIZE)
        return;
    if (tolower((unsigned char)byte) == received[body->field_matched])
        body->field_matched++;
    else if (body->field_matched != NAME_SIZE || (byte != ' ' && byte != '\t'))
        body->field_matched = NOT_MATCHED;
    if (body->field_matched == FIELD_SIZE && ++body->received_count >= INJECT_RECEIVED_MAX)
        find_fault(body, INJECT_LOOP);
}

static void end_line(struct inject_body *body, struct buf *output)
{
    if (body->line_size == 0)
        body->in_header = false;
    body->has_cr = false;
    body->line_size = 0;
    body->field_matched = 0;
    count_octets(body, 2);
    if (body->verdict == INJECT_GOOD)
        buf_put_byte(output, '\n');
}

static void take_byte(struct inject_body *body, char byte, struct buf *output)
{
    body->line_size++;
    count_octets(body, 1);
    if (body->in_header)
        match_field(body, byte);
    if (body->verdict == INJECT_GOOD)
        buf_put_byte(output, byte);
}

void inject_body_take(struct inject_body *body, struct span piece, struct buf *output)
{
    for (size_t i = 0; i < piece.size && body->verdict == INJECT_GOOD; i++) {
        char byte = piece.data[i];

        if (byte == '\n')
            end_line(body, output);
        else if (body->has_cr)
            find_fault(body, INJECT_BARE_CR);
        else if (byte == '\r')
            body->has_cr = true;
        else
            take_byte(body, byte, output);
    }
}

void inject_body_end(struct inject_body *body, struct buf *output)
{
    if (body->has_cr)
        find_fault(body, INJECT_BARE_CR);
    else if (body->line_size > 0)
        end_line(body, output);
    else if (body->size_bytes == 0)
        find_fault(body, INJECT_EMPTY);
}

const char *inject_body_fault(enum inject_verdict verdict)
{
    static const char *const words[] = {
        [INJECT_GOOD] = "",
        [INJECT_EMPTY] = "standard input is empty: a message is wanted there",
        [INJECT_BARE_CR] = "the message has a CR by itself; its lines must end with LF or CR LF",
        [INJECT_TOO_BIG] = "the message is larger than max-message-size",
        [INJECT_HEADER_TOO_BIG] = "the header of the message is larger than max-header-size",
        [INJECT_LOOP] = "the message has 100 Received fields: it goes round in a loop",
    };

    return words[verdict];
}
