#include "common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MAX = 63 }; /* RFC 1035, section 2.3.4 */

/* The C library's isalnum() depends on the locale. */
static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static bool is_ascii(char byte)
{
    return (unsigned char)byte < 0x80;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7F;
}

/* RFC 5322, section 3.2.3; what is not ASCII is added by RFC 6531, section 3.3. */
static bool is_atext(char byte)
{
    return is_letter_or_digit(byte) || !is_ascii(byte) || (byte != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", byte));
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static bool has_control(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (is_control(bytes.data[i]))
            return true;
    return false;
}

/* RFC 5321, Dot-string: atoms with one dot between them. Anything else stands in quotes. */
static bool is_dot_string(struct span local)
{
    bool in_atom = false;

    for (size_t i = 0; i < local.size; i++) {
        if (local.data[i] == '.' ? !in_atom : !is_atext(local.data[i]))
            return false;
        in_atom = local.data[i] != '.';
    }
    return in_atom;
}

static bool label_is_valid(struct span label)
{
    if (label.size == 0 || label.size > LABEL_MAX || label.data[0] == '-' || label.data[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++) {
        char byte = label.data[i];

        if (is_ascii(byte) && !is_letter_or_digit(byte) && byte != '-' && byte != '_')
            return false;
    }
    return true;
}

bool address_domain_is_valid(struct span domain)
{
    if (domain.size == 0 || domain.size > ADDRESS_DOMAIN_MAX || !span_is_utf8(domain))
        return false;
    for (;;) {
        size_t dot = span_find(domain, '.');

        if (!label_is_valid(span_slice(domain, 0, dot)))
            return false;
        if (dot == domain.size)
            return true;
        domain = span_slice(domain, dot + 1, domain.size);
    }
}

/*
 * Writes an address literal (RFC 5321, section 4.1.3) in the one form that its address has, so that
 * [IPv6:2001:DB8:0::1] and [IPv6:2001:db8::1] are the same domain. Literals of other tags have no meaning to us and
 * are refused.
 */
static int put_literal(struct buf *text, struct span literal)
{
    static const char tag[] = "IPv6:";
    char inside[INET6_ADDRSTRLEN + sizeof tag];
    struct in6_addr six;
    struct in_addr four;
    size_t size = literal.size < 2 ? 0 : literal.size - 2;

    if (size == 0 || size >= sizeof inside || literal.data[0] != '[' || literal.data[literal.size - 1] != ']' ||
        has_control(literal))
        return -1;
    memcpy(inside, literal.data + 1, size);
    inside[size] = '\0';
    if (inet_pton(AF_INET, inside, &four) == 1) {
        buf_printf(text, "[%s]", inside);
        return 0;
    }
    if (strncasecmp(inside, tag, sizeof tag - 1) != 0 || inet_pton(AF_INET6, inside + sizeof tag - 1, &six) != 1 ||
        inet_ntop(AF_INET6, &six, inside, sizeof inside) == NULL)
        return -1;
    buf_printf(text, "[%s%s]", tag, inside);
    return 0;
}

static int put_domain(struct buf *text, struct span domain)
{
    if (domain.size > 0 && domain.data[0] == '[')
        return put_literal(text, domain);
    if (!address_domain_is_valid(domain))
        return -1;
    for (size_t i = 0; i < domain.size; i++)
        buf_put_byte(text, lower(domain.data[i]));
    return 0;
}

static void put_local(struct buf *text, struct span local)
{
    if (is_dot_string(local)) {
        buf_put(text, local);
        return;
    }
    buf_put_byte(text, '"');
    for (size_t i = 0; i < local.size; i++) {
        if (local.data[i] == '"' || local.data[i] == '\\')
            buf_put_byte(text, '\\');
        buf_put_byte(text, local.data[i]);
    }
    buf_put_byte(text, '"');
}

static const char *local_fault(struct span local)
{
    if (local.size == 0)
        return "nothing stands before the @";
    if (local.size > ADDRESS_LOCAL_MAX)
        return "more than 64 octets stand before the @";
    if (has_control(local))
        return "it holds a control character";
    if (!span_is_utf8(local))
        return "it is not valid UTF-8";
    return NULL;
}

/* Builds the address, or says why there is none. */
static const char *build(struct address *address, struct span local, struct span domain)
{
    struct buf text = buf_over(address->text, sizeof address->text);
    const char *fault = local_fault(local);

    address->local_size = 0;
    if (fault != NULL)
        return fault;
    put_local(&text, local);
    address->local_size = text.size;
    if (domain.size == 0)
        return span_equal_nocase(local, span_text("postmaster")) ? NULL : "only postmaster needs no domain";
    buf_put_byte(&text, '@');
    if (put_domain(&text, domain) != 0)
        return "its domain is neither a domain name nor an address in brackets";
    return text.overflowed ? "it is too long" : NULL;
}

int address_build(struct address *address, struct span local, struct span domain, struct err *err)
{
    const char *fault = build(address, local, domain);

    if (fault == NULL)
        return 0;
    *address = (struct address){0};
    return err_set(err, ERR_PERMANENT, "not an address: %s", fault);
}

/* Takes a quoted local part off the front of `text` into `octets`. */
static int take_quoted(struct span *text, struct buf *octets)
{
    for (size_t i = 1; i < text->size; i++) {
        if (text->data[i] == '"') {
            *text = span_slice(*text, i + 1, text->size);
            return 0;
        }
        if (text->data[i] == '\\')
            i++;
        if (i < text->size)
            buf_put_byte(octets, text->data[i]);
    }
    return -1;
}

static int take_unquoted(struct span *text, struct buf *octets)
{
    struct span local = span_slice(*text, 0, span_find(*text, '@'));

    for (size_t i = 0; i < local.size; i++)
        if (local.data[i] != '.' && !is_atext(local.data[i]))
            return -1;
    buf_put(octets, local);
    *text = span_slice(*text, local.size, text->size);
    return 0;
}

static const char *parse(struct address *address, struct span text)
{
    char storage[ADDRESS_SIZE];
    struct buf octets = buf_over(storage, sizeof storage);

    if (text.size > 0 && text.data[0] == '"') {
        if (take_quoted(&text, &octets) != 0)
            return "its quotes are not closed";
    } else if (take_unquoted(&text, &octets) != 0) {
        return "what stands before the @ must be in quotes";
    }
    if (octets.overflowed)
        return "it is too long";
    if (text.size > 0 && text.data[0] != '@')
        return "no @ follows the quotes";
    if (text.size == 1)
        return "no domain follows the @";
    return build(address, buf_span(&octets), span_slice(text, 1, text.size));
}

int address_parse(struct address *address, struct span text, struct err *err)
{
    const char *fault = parse(address, text);
    int shown = text.size > 200 ? 200 : (int)text.size;

    if (fault == NULL)
        return 0;
    *address = (struct address){0};
    return err_set(err, ERR_PERMANENT, "\"%.*s\" is not an address: %s", shown, shown > 0 ? text.data : "", fault);
}

struct span address_local(const struct address *address)
{
    return (struct span){address->text, address->local_size};
}

struct span address_domain(const struct address *address)
{
    struct span text = span_text(address->text);

    return span_slice(text, address->local_size + 1, text.size);
}

size_t address_local_octets(const struct address *address, char local[static ADDRESS_LOCAL_MAX + 1])
{
    struct buf octets = buf_over(local, ADDRESS_LOCAL_MAX + 1);
    struct span text = address_local(address);

    if (text.size > 0 && text.data[0] == '"')
        (void)take_quoted(&text, &octets);
    else
        buf_put(&octets, text);
    return octets.size;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->local_size == b->local_size && span_equal_nocase(span_text(a->text), span_text(b->text));
}

bool address_is_indirect(const struct address *address)
{
    struct span local = address_local(address);

    /* Quotes and escapes hide none of the three. */
    return span_find(local, '%') < local.size || span_find(local, '!') < local.size ||
           span_find(local, '@') < local.size;
}
