#include "processor/mime/headers.h"

#include <gmime/gmime.h>
#include <string.h>

#include "processor/headers/block.h"
#include "processor/mime/decode.h"

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

static bool decode(void *context, enum reading reading, struct span value, char kept[static MESSAGE_TEXT_SIZE])
{
    char *decoded = decode_value(context, reading, value);

    keep(kept, decoded);
    g_free(decoded);
    return true;
}

int headers_parse(int fd, struct message_headers *headers, struct err *err)
{
    GMimeParserOptions *options = decode_options();
    int status;

    memset(headers, 0, sizeof *headers);
    status = block_read(fd, decode, options, headers, err);
    g_mime_parser_options_free(options);
    return status < 0 ? -1 : 0;
}
