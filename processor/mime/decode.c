#include "processor/mime/decode.h"

#include <string.h>

#include "processor/mime/charset.h"

enum { VALUE_SIZE_MAX = 64 * 1024 }; /* of a header as written; far more than what anyone needs of it */

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

char *decode_value(GMimeParserOptions *options, enum reading reading, struct span value)
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
    case READ_RAW:
        decoded = g_mime_utils_decode_8bit(options, text, strlen(text));
        break;
    }
    g_free(settled);
    g_free(text);
    return decoded == NULL ? g_strdup("") : decoded;
}

char *decode_prepare(struct span value)
{
    char *text = unfold(value);
    char *settled = charset_settle(text);

    g_free(text);
    return settled;
}

InternetAddressList *decode_list(GMimeParserOptions *options, struct span value)
{
    char *prepared = decode_prepare(value);
    InternetAddressList *list = internet_address_list_parse(options, prepared);

    g_free(prepared);
    return list;
}

GMimeParserOptions *decode_options(void)
{
    GMimeParserOptions *options = g_mime_parser_options_new();

    g_mime_parser_options_set_fallback_charsets(options, charset_fallbacks);
    return options;
}

enum reading decode_reading_of(struct span name)
{
    static const char *const with_addresses[] = {"From", "To", "Cc", "Bcc", "Reply-To", "Sender"};

    for (size_t i = 0; i < sizeof with_addresses / sizeof with_addresses[0]; i++)
        if (span_equal_nocase(name, span_text(with_addresses[i])))
            return READ_ADDRESSES;
    return READ_TEXT;
}
