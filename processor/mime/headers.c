#include "processor/mime/headers.h"

#include <assert.h>
#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "processor/mime/automatic.h"
#include "processor/mime/charset.h"

enum {
    CHUNK_SIZE = 16 * 1024,
    VALUE_SIZE_MAX = 64 * 1024, /* of a header as written; far more than what is kept of it */
};

struct field {
    struct span name;
    struct span value; /* with its folds */
};

/* How a header's value is brought to UTF-8. */
enum reading {
    READ_TEXT,      /* encoded words anywhere */
    READ_ADDRESSES, /* encoded words in names, which are quoted again where they need it */
    READ_PLAIN,     /* no encoded words */
};

struct wanted {
    const char *name;
    enum reading reading;
    size_t offset; /* in struct message_headers */
};

static const struct wanted table[] = {
    {"Subject", READ_TEXT, offsetof(struct message_headers, subject)},
    {"From", READ_ADDRESSES, offsetof(struct message_headers, from)},
    {"To", READ_ADDRESSES, offsetof(struct message_headers, to)},
    {"Date", READ_PLAIN, offsetof(struct message_headers, date)},
    {"Reply-To", READ_ADDRESSES, offsetof(struct message_headers, reply_to)},
    {"Message-ID", READ_PLAIN, offsetof(struct message_headers, message_id)},
    {"References", READ_PLAIN, offsetof(struct message_headers, references)},
    {"List-Id", READ_TEXT, offsetof(struct message_headers, list_id)},
};

enum { WANTED_COUNT = sizeof table / sizeof table[0] };
static_assert((WANTED_COUNT + 1) * MESSAGE_TEXT_SIZE == sizeof(struct message_headers),
              "every text but no_reply has a row");

/* ---- reading the block ---- */

/* Where the first empty line is among `size` bytes; SIZE_MAX: nowhere. `from` was searched before. */
static size_t find_end(const char *block, size_t from, size_t size)
{
    for (size_t at = from; at + 1 < size; at++) {
        if (block[at] != '\n')
            continue;
        if (block[at + 1] == '\n' || (block[at + 1] == '\r' && at + 2 < size && block[at + 2] == '\n'))
            return at + 1;
    }
    return SIZE_MAX;
}

/* Reads until an empty line was seen, at most HEADERS_SIZE_MAX bytes, and gives the size of the headers among them.
 */
static int read_block(int fd, char block[static HEADERS_SIZE_MAX], size_t *block_size, struct err *err)
{
    size_t size = 0;
    size_t end = SIZE_MAX;

    while (size < HEADERS_SIZE_MAX && end == SIZE_MAX) {
        size_t room = HEADERS_SIZE_MAX - size;
        ssize_t got = pread(fd, block + size, room < CHUNK_SIZE ? room : CHUNK_SIZE, (off_t)size);
        size_t searched = size < 2 ? 0 : size - 2;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading a message");
        if (got == 0)
            break;
        size += (size_t)got;
        end = find_end(block, searched, size);
    }
    *block_size = end == SIZE_MAX ? size : end;
    return 0;
}

/* ---- splitting it ---- */

/* Takes a line off the front, its line end left out. */
static struct span next_line(struct span *rest)
{
    size_t size = span_find(*rest, '\n');
    struct span line = span_slice(*rest, 0, size);

    *rest = span_slice(*rest, size + 1, rest->size);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool is_fold(struct span rest)
{
    return rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t');
}

/* What mailbox files leave in the midst of headers. */
static bool is_mailbox_line(struct span line)
{
    return span_starts_nocase(line, span_text("From ")) || span_starts_nocase(line, span_text(">From "));
}

/* RFC 5322, section 3.6.8: printable, no colon; section 4.5 lets spaces stand before the colon. */
static struct span field_name(struct span line)
{
    size_t colon = span_find(line, ':');
    struct span name = span_trim(span_slice(line, 0, colon));

    if (colon == line.size || is_fold(line))
        return (struct span){"", 0};
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return (struct span){"", 0};
    return name;
}

/* Takes a field with all its folds off the front. False: the headers are over. */
static bool next_field(struct span *rest, struct field *field)
{
    struct span line;
    const char *end;

    do
        line = next_line(rest);
    while (is_mailbox_line(line));
    field->name = field_name(line);
    if (field->name.size == 0)
        return false;
    field->value.data = line.data + span_find(line, ':') + 1;
    end = line.data + line.size;
    while (is_fold(*rest)) {
        line = next_line(rest);
        end = line.data + line.size;
    }
    field->value.size = (size_t)(end - field->value.data);
    return true;
}

/* ---- decoding ---- */

/* Unfolded, with spaces for the control characters that a C string or a decoder would stumble over. */
static char *unfold(struct span value)
{
    char *text = g_malloc(value.size + 1);
    size_t used = 0;

    for (size_t i = 0; i < value.size && used < VALUE_SIZE_MAX; i++) {
        char byte = value.data[i];
        char next = i + 1 < value.size ? value.data[i + 1] : '\0';
        bool is_line_end = byte == '\n' || (byte == '\r' && next == '\n');

        if (!is_line_end)
            text[used++] = (unsigned char)byte < ' ' ? ' ' : byte;
    }
    text[used] = '\0';
    return text;
}

/* A decoded name can hold anything; quoted, it can't be taken for an address. */
static void put_name(GString *text, const char *name)
{
    static const char specials[] = "()<>[]:;@\\,.\"";

    if (name[strcspn(name, specials)] == '\0') {
        g_string_append(text, name);
        return;
    }
    g_string_append_c(text, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *name);
    }
    g_string_append_c(text, '"');
}

/* GMime writes a list too, but leaves a quote within a name as it is. Groups are flattened: "name: a, b;". */
static void put_address(GString *text, InternetAddress *address)
{
    const char *name = internet_address_get_name(address);
    bool has_name = name != NULL && name[0] != '\0';
    InternetAddressList *members;

    if (has_name)
        put_name(text, name);
    if (INTERNET_ADDRESS_IS_MAILBOX(address)) {
        const char *mailbox = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));

        g_string_append_printf(text, has_name ? " <%s>" : "%s", mailbox == NULL ? "" : mailbox);
        return;
    }
    g_string_append(text, ":");
    members = internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address));
    for (int i = 0; i < internet_address_list_length(members); i++) {
        InternetAddress *member = internet_address_list_get_address(members, i);

        g_string_append(text, i == 0 ? " " : ", ");
        /* A group within a group is not in the grammar, and would make this as deep as a sender likes. */
        if (INTERNET_ADDRESS_IS_MAILBOX(member))
            put_address(text, member);
    }
    g_string_append_c(text, ';');
}

static char *decode_addresses(GMimeParserOptions *options, const char *text)
{
    InternetAddressList *list = strchr(text, '@') == NULL ? NULL : internet_address_list_parse(options, text);
    GString *decoded;

    if (list == NULL)
        return g_mime_utils_header_decode_text(options, text);
    decoded = g_string_new(NULL);
    for (int i = 0; i < internet_address_list_length(list); i++) {
        if (i > 0)
            g_string_append(decoded, ", ");
        put_address(decoded, internet_address_list_get_address(list, i));
    }
    g_object_unref(list);
    return g_string_free(decoded, FALSE);
}

static char *decode(GMimeParserOptions *options, enum reading reading, struct span value)
{
    char *text = unfold(value);
    char *settled = charset_settle(text);
    char *decoded = NULL;

    switch (reading) {
    case READ_TEXT:
        decoded = g_mime_utils_header_decode_text(options, settled);
        break;
    case READ_ADDRESSES:
        decoded = decode_addresses(options, settled);
        break;
    case READ_PLAIN:
        decoded = g_mime_utils_decode_8bit(options, text, strlen(text));
        break;
    }
    g_free(settled);
    g_free(text);
    return decoded == NULL ? g_strdup("") : decoded;
}

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
        decoded = decode(options, table[i].reading, field->value);
        keep((char *)headers + table[i].offset, decoded);
        g_free(decoded);
    }
}

static void parse_block(struct span block, struct message_headers *headers)
{
    GMimeParserOptions *options = g_mime_parser_options_new();
    struct buf reason = buf_over(headers->no_reply, sizeof headers->no_reply);
    bool seen[WANTED_COUNT] = {false};
    struct field field;

    g_mime_parser_options_set_fallback_charsets(options, charset_fallbacks);
    while (next_field(&block, &field)) {
        keep_if_wanted(options, &field, seen, headers);
        if (reason.size == 0)
            (void)automatic_judge(field.name, field.value, &reason);
    }
    g_mime_parser_options_free(options);
}

int headers_parse(int fd, struct message_headers *headers, struct err *err)
{
    char *block = malloc(HEADERS_SIZE_MAX);
    size_t size = 0;
    int status;

    memset(headers, 0, sizeof *headers);
    if (block == NULL)
        return err_system(err, "reading a message");
    status = read_block(fd, block, &size, err);
    if (status == 0)
        parse_block((struct span){block, size}, headers);
    free(block);
    return status;
}
