#include "processor/headers/plain.h"

#include <string.h>

/* ---- what may be done ---- */

static const struct sandbox_call calls[] = {
    {.name = "recvmsg"}, {.name = "pread64"}, {.name = "sendmsg"}, {.name = "exit_group"}, {.name = NULL},
};

const struct sandbox_profile plain_profile = {
    .name = "header parser",
    .calls = calls,
    .memory_max = 16 * 1024 * 1024,
    .descriptors_max = 8,
    .no_processes = true,
};

/* ---- text ---- */

enum { VALUE_MAX = 16 * 1024 }; /* of a header as written; from much longer ones GMime gets no more than a part */

/* Unfolded, tabs made spaces, trimmed. False: it holds other controls or 8-bit text, or is too long for `kept`. */
static bool unfold(struct span value, char kept[static MESSAGE_TEXT_SIZE])
{
    size_t used = 0;

    if (value.size > VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.size; i++) {
        char byte = value.data[i];
        bool is_line_end = byte == '\n' || (byte == '\r' && i + 1 < value.size && value.data[i + 1] == '\n');

        if (is_line_end)
            continue;
        if (byte == '\t')
            byte = ' ';
        if (byte < ' ' || byte == 0x7f || used == MESSAGE_TEXT_MAX)
            return false;
        if (byte != ' ' || used > 0)
            kept[used++] = byte;
    }
    while (used > 0 && kept[used - 1] == ' ')
        used--;
    kept[used] = '\0';
    return true;
}

/* ---- addresses: mailboxes, separated by commas ---- */

static bool is_in_word(char byte, const char *marks)
{
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

    return is_letter || (byte >= '0' && byte <= '9') || (byte != '\0' && strchr(marks, byte) != NULL);
}

/* Behind words of letters, digits and these marks, with one `between` from word to word. NULL: an empty word. */
static const char *end_of_words(const char *at, const char *marks, char between)
{
    for (;;) {
        const char *start = at;

        while (is_in_word(*at, marks))
            at++;
        if (at == start)
            return NULL;
        if (*at != between || (between == ' ' && at[1] == '<'))
            return at;
        at++;
    }
}

static const char *end_of_address(const char *at)
{
    const char *local = end_of_words(at, "!#$%&'*+-/=?^_`{|}~", '.');

    return local == NULL || *local != '@' ? NULL : end_of_words(local + 1, "-", '.');
}

/* Behind the second quote; NULL when there is nothing between the two, or a space or backslash to care about. */
static const char *end_of_quoted(const char *at)
{
    const char *end = strpbrk(at + 1, "\"\\");

    return end == NULL || *end == '\\' || end == at + 1 || at[1] == ' ' || end[-1] == ' ' ? NULL : end + 1;
}

/* The end of a name behind which there is an address in angle brackets. NULL: it is no such name. */
static const char *end_of_name(const char *at)
{
    const char *end = *at == '"' ? end_of_quoted(at) : end_of_words(at, "-_'&/+!#$%*", ' ');

    return end != NULL && end[0] == ' ' && end[1] == '<' ? end : NULL;
}

static void put(struct buf *list, const char *from, const char *end)
{
    buf_put(list, (struct span){from, (size_t)(end - from)});
}

/* Quotes stay where something needs them. */
static void put_name(struct buf *list, const char *name, const char *end)
{
    bool is_quoted = *name == '"';
    size_t size = (size_t)(end - name);

    if (is_quoted && strcspn(name + 1, "()<>[]:;@,.\"") >= size - 2)
        put(list, name + 1, end - 1);
    else
        put(list, name, end);
}

/* Gives what is behind the mailbox, or NULL. */
static const char *put_mailbox(struct buf *list, const char *at)
{
    const char *name = end_of_name(at);
    const char *address = name != NULL ? name + 2 : *at == '<' ? at + 1 : at;
    const char *end = end_of_address(address);
    bool has_brackets = address != at;

    if (end == NULL || (has_brackets && *end != '>'))
        return NULL;
    if (name == NULL) {
        put(list, address, end);
        return end + has_brackets;
    }
    put_name(list, at, name);
    put(list, name, end + 1);
    return end + 1;
}

static bool keep_addresses(char kept[static MESSAGE_TEXT_SIZE])
{
    char storage[MESSAGE_TEXT_SIZE];
    struct buf list = buf_over(storage, sizeof storage);
    const char *at = kept;

    /* Within a domain it may be punycode, "xn--...", which GMime decodes. */
    if (strstr(kept, "--") != NULL)
        return false;
    for (;;) {
        at = put_mailbox(&list, at);
        if (at == NULL)
            return false;
        at += strspn(at, " ");
        if (*at != ',')
            break;
        at += 1 + strspn(at + 1, " ");
        buf_put_text(&list, ", ");
    }
    buf_put_byte(&list, '\0');
    if (*at != '\0' || list.overflowed)
        return false;
    memcpy(kept, list.data, list.size);
    return true;
}

bool plain_value(void *context, enum reading reading, struct span value, char kept[static MESSAGE_TEXT_SIZE])
{
    (void)context;
    if (!unfold(value, kept))
        return false;
    if (reading == READ_RAW)
        return true;
    if (strstr(kept, "=?") != NULL)
        return false;
    return reading == READ_TEXT || strchr(kept, '@') == NULL || keep_addresses(kept);
}
