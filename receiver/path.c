#include "receiver/path.h"

#include <stdbool.h>
#include <string.h>

static bool is_ascii(char byte)
{
    return (unsigned char)byte < 0x80;
}

/* RFC 5321, section 4.1.2, and RFC 6531, section 3.3: what is not ASCII must be UTF-8, which address_build judges. */
static bool is_atext(char byte)
{
    return !is_ascii(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", byte) != NULL);
}

/* Space to tilde, which a quoted string may hold. */
static bool is_printable(char byte)
{
    return !is_ascii(byte) || (byte >= 0x20 && byte < 0x7F);
}

static struct span after(struct span text, size_t count)
{
    return span_slice(text, count, text.size);
}

static bool take_byte(struct span *text, char byte)
{
    if (text->size == 0 || text->data[0] != byte)
        return false;
    *text = after(*text, 1);
    return true;
}

/* A-d-l ":", as in "@a.example,@b.example:". Gives false when one begins that is malformed. */
static bool take_route(struct span *text)
{
    while (take_byte(text, '@')) {
        size_t end = 0;

        while (end < text->size && text->data[end] != ',' && text->data[end] != ':')
            end++;
        if (!address_domain_is_valid(span_slice(*text, 0, end)))
            return false;
        *text = after(*text, end);
        if (take_byte(text, ':'))
            return true;
        if (!take_byte(text, ',') || text->size == 0 || text->data[0] != '@')
            return false;
    }
    return true;
}

/* Quoted-string, its opening quote already taken. */
static bool take_quoted(struct span *text, struct buf *octets)
{
    while (!take_byte(text, '"')) {
        (void)take_byte(text, '\\');
        if (text->size == 0 || !is_printable(text->data[0]))
            return false;
        buf_put_byte(octets, text->data[0]);
        *text = after(*text, 1);
    }
    return true;
}

/* Dot-string: atoms with one dot between them. */
static bool take_dot_string(struct span *text, struct buf *octets)
{
    for (;;) {
        size_t end = 0;

        while (end < text->size && is_atext(text->data[end]))
            end++;
        if (end == 0)
            return false;
        buf_put(octets, span_slice(*text, 0, end));
        *text = after(*text, end);
        if (!take_byte(text, '.'))
            return true;
        buf_put_byte(octets, '.');
    }
}

/* A domain or an address literal, up to the ">", which no domain holds; address_build judges it. */
static bool take_domain(struct span *text, struct span *domain)
{
    *domain = span_slice(*text, 0, span_find(*text, '>'));
    *text = after(*text, domain->size);
    return domain->size > 0;
}

static bool take_mailbox(struct span *text, bool domain_is_optional, struct address *address)
{
    char storage[ADDRESS_LOCAL_MAX + 1];
    struct buf local = buf_over(storage, sizeof storage);
    struct span domain = {0};
    struct err err;

    if (!(take_byte(text, '"') ? take_quoted(text, &local) : take_dot_string(text, &local)) || local.overflowed)
        return false;
    if (take_byte(text, '@')) {
        if (!take_domain(text, &domain))
            return false;
    } else if (!domain_is_optional) {
        return false;
    }
    return address_build(address, buf_span(&local), domain, &err) == 0;
}

static bool take_path(struct span *text, enum path_kind kind, struct address *address)
{
    bool has_route;

    if (!take_byte(text, '<'))
        return false;
    if (kind == PATH_REVERSE && take_byte(text, '>'))
        return true;
    has_route = text->size > 0 && text->data[0] == '@';
    return take_route(text) && take_mailbox(text, kind == PATH_FORWARD && !has_route, address) &&
           take_byte(text, '>');
}

static bool all_ascii(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_ascii(text.data[i]))
            return false;
    return true;
}

enum path_status path_parse(struct span *text, enum path_kind kind, struct address *address)
{
    struct span rest = *text;
    bool is_path;
    struct span path;

    *address = (struct address){0};
    is_path = take_path(&rest, kind, address);
    path = span_slice(*text, 0, text->size - rest.size);
    /* The address is valid UTF-8 already, but an escape may stand in the middle of a character. */
    if (!is_path || path.size > PATH_MAX_SIZE || !span_is_utf8(path)) {
        *address = (struct address){0};
        return PATH_SYNTAX;
    }
    *text = rest;
    return all_ascii(path) ? PATH_OK : PATH_UTF8;
}
