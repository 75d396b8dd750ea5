/* Any bytes as a path and as the arguments of MAIL and RCPT: what is accepted is canonical, and reads back as itself.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/command.h"
#include "receiver/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_address(const struct address *address)
{
    char local[ADDRESS_LOCAL_MAX + 1];
    struct span text = span_text(address->text);

    require(text.size > 0 && text.size < ADDRESS_SIZE);
    for (size_t i = 0; i < text.size; i++)
        require((unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7F);
    require(span_is_utf8(text));
    require(address_local_octets(address, local) <= ADDRESS_LOCAL_MAX);
    require(address_local(address).size > 0);
    require(address_domain(address).size > 0 || span_equal_nocase(text, span_text("postmaster")));
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* The canonical form in brackets is a path, and the same address. */
static void check_round_trip(const struct address *address)
{
    char storage[ADDRESS_SIZE + 2];
    struct buf path = buf_over(storage, sizeof storage);
    struct address again;
    struct span text;

    buf_put_byte(&path, '<');
    buf_put_text(&path, address->text);
    buf_put_byte(&path, '>');
    require(!path.overflowed);
    text = buf_span(&path);
    if (text.size > PATH_MAX_SIZE)
        return; /* written with quotes where the client had escapes only */
    require(path_parse(&text, PATH_FORWARD, &again) != PATH_SYNTAX);
    require(text.size == 0 && strcmp(again.text, address->text) == 0);
}

static void check_path(struct span whole, enum path_kind kind)
{
    struct span rest = whole;
    struct address address;
    size_t used;

    if (path_parse(&rest, kind, &address) == PATH_SYNTAX) {
        require(rest.data == whole.data && rest.size == whole.size && address.text[0] == '\0');
        return;
    }
    used = whole.size - rest.size;
    require(used >= 2 && used <= PATH_MAX_SIZE && whole.data[0] == '<' && whole.data[used - 1] == '>');
    if (kind == PATH_REVERSE && address.text[0] == '\0') {
        require(used == 2);
        return;
    }
    check_address(&address);
    check_round_trip(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct mail_arguments mail;
    struct address recipient;

    check_path(text, PATH_REVERSE);
    check_path(text, PATH_FORWARD);
    if (command_parse_mail(text, &mail) == REPLY_NONE) {
        require(mail.has_size || mail.size_bytes == 0);
        require(mail.utf8 || is_ascii(mail.sender.text));
        if (mail.sender.text[0] != '\0')
            check_address(&mail.sender);
    }
    if (command_parse_rcpt(text, false, &recipient) == REPLY_NONE) {
        check_address(&recipient);
        require(is_ascii(recipient.text));
    }
    if (command_parse_rcpt(text, true, &recipient) == REPLY_NONE)
        check_address(&recipient);
    return 0;
}
