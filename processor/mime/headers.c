#include "processor/mime/headers.h"

#include <assert.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "processor/mime/automatic.h"
#include "processor/mime/decode.h"
#include "processor/mime/field.h"

struct wanted {
    const char *name;
    enum decode_reading reading;
    size_t offset; /* in struct message_headers */
};

static const struct wanted table[] = {
    {"Subject", DECODE_TEXT, offsetof(struct message_headers, subject)},
    {"From", DECODE_ADDRESSES, offsetof(struct message_headers, from)},
    {"To", DECODE_ADDRESSES, offsetof(struct message_headers, to)},
    {"Date", DECODE_PLAIN, offsetof(struct message_headers, date)},
    {"Reply-To", DECODE_ADDRESSES, offsetof(struct message_headers, reply_to)},
    {"Message-ID", DECODE_PLAIN, offsetof(struct message_headers, message_id)},
    {"References", DECODE_PLAIN, offsetof(struct message_headers, references)},
    {"List-Id", DECODE_TEXT, offsetof(struct message_headers, list_id)},
};

enum { WANTED_COUNT = sizeof table / sizeof table[0] };
static_assert((WANTED_COUNT + 1) * MESSAGE_TEXT_SIZE == sizeof(struct message_headers),
              "every text but no_reply has a row");

/* Line and paragraph separators are line ends to some readers, if not controls to Unicode. */
static bool is_unwanted(gunichar character)
{
    return g_unichar_iscntrl(character) || character == 0x2028 || character == 0x2029;
}

/* What is kept: valid UTF-8, no controls, trimmed, cut between two characters. */
static void keep(char kept[static MESSAGE_TEXT_SIZE], const char *decoded)
{
    static const gunichar replacement = 0xfffd;
    size_t used = 0;

    while (*decoded != '\0') {
        gunichar character = g_utf8_get_char_validated(decoded, -1);
        bool is_valid = character != (gunichar)-1 && character != (gunichar)-2;
        char bytes[6];
        size_t size;

        decoded += is_valid ? g_unichar_to_utf8(character, NULL) : 1;
        if (!is_valid)
            character = replacement;
        else if (is_unwanted(character))
            character = ' ';
        if (character == ' ' && used == 0)
            continue;
        size = (size_t)g_unichar_to_utf8(character, bytes);
        if (used + size > MESSAGE_TEXT_MAX)
            break;
        memcpy(kept + used, bytes, size);
        used += size;
    }
    while (used > 0 && kept[used - 1] == ' ')
        used--;
    kept[used] = '\0';
}

static void keep_if_wanted(GMimeParserOptions *options, const struct field *field, bool seen[static WANTED_COUNT],
                           struct message_headers *headers)
{
    for (size_t i = 0; i < WANTED_COUNT; i++) {
        char *decoded;

        if (seen[i] || !span_equal_nocase(field->name, span_text(table[i].name)))
            continue;
        seen[i] = true;
        decoded = decode_value(options, table[i].reading, field->value);
        keep((char *)headers + table[i].offset, decoded);
        g_free(decoded);
    }
}

static void parse_block(struct span block, struct message_headers *headers)
{
    GMimeParserOptions *options = decode_options();
    struct buf reason = buf_over(headers->no_reply, sizeof headers->no_reply);
    bool seen[WANTED_COUNT] = {false};
    struct field field;

    while (field_next(&block, &field)) {
        keep_if_wanted(options, &field, seen, headers);
        if (reason.size == 0)
            (void)automatic_judge(field.name, field.value, &reason);
    }
    g_mime_parser_options_free(options);
}

int headers_parse(int fd, struct message_headers *headers, struct err *err)
{
    char *block = malloc(FIELD_BLOCK_MAX);
    size_t size = 0;
    int status;

    memset(headers, 0, sizeof *headers);
    if (block == NULL)
        return err_system(err, "reading a message");
    status = field_read_block(fd, block, &size, err);
    if (status == 0)
        parse_block((struct span){block, size}, headers);
    free(block);
    return status;
}
