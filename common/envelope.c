#include "common/envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

void envelope_free(struct envelope *envelope)
{
    free(envelope->recipients);
    *envelope = (struct envelope){0};
}

int envelope_add_recipient(struct envelope *envelope, const struct address *recipient, struct err *err)
{
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (address_equal(&envelope->recipients[i], recipient))
            return 0;
    if (envelope->recipient_count == ENVELOPE_RECIPIENTS_MAX)
        return err_set(err, ERR_TEMPORARY, "more than %d recipients", (int)ENVELOPE_RECIPIENTS_MAX);
    if (envelope->recipient_count == envelope->recipient_capacity) {
        size_t capacity = envelope->recipient_capacity == 0 ? 4 : envelope->recipient_capacity * 4;
        struct address *recipients = reallocarray(envelope->recipients, capacity, sizeof *recipients);

        if (recipients == NULL)
            return err_system(err, "memory for %zu recipients", capacity);
        envelope->recipients = recipients;
        envelope->recipient_capacity = capacity;
    }
    envelope->recipients[envelope->recipient_count++] = *recipient;
    return 0;
}

int64_t envelope_received_ms(const struct envelope *envelope)
{
    return id_time_ms(envelope->id);
}

bool envelope_helo_is_valid(struct span name)
{
    if (name.size == 0 || name.size >= ENVELOPE_HELO_SIZE || !span_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        bool alphanumeric =
            (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');

        if (!alphanumeric && byte < 0x80 && strchr(".-_:[]", byte) == NULL)
            return false;
    }
    return memchr(name.data, '\0', name.size) == NULL;
}

/* RFC 5321, section 4.4: an IPv6 address stands behind its tag; a client without an address is named as it is. */
static void put_client(const char *client, struct buf *trace)
{
    if (strchr(client, ':') != NULL)
        buf_put_texts(trace, "([IPv6:", client, "])", NULL);
    else if (strchr(client, '.') != NULL)
        buf_put_texts(trace, "([", client, "])", NULL);
    else
        buf_put_texts(trace, "(", client, ")", NULL);
}

void envelope_write_trace(const struct envelope *envelope, const char *hostname, struct buf *trace)
{
    char date[CLOCK_RFC5322_SIZE];

    clock_rfc5322(envelope_received_ms(envelope), date);
    buf_put_texts(trace, "Return-Path: <", envelope->sender.text, ">\n", NULL);
    for (size_t i = 0; i < envelope->recipient_count; i++)
        buf_put_texts(trace, "X-Original-To: ", envelope->recipients[i].text, "\n", NULL);
    buf_put_texts(trace, "Received: from ", envelope->client_helo, " ", NULL);
    put_client(envelope->client_address, trace);
    buf_put_texts(trace, "\n\tby ", hostname, " with ", envelope->client_protocol, " id ", envelope->id, NULL);
    if (envelope->tls[0] != '\0')
        buf_put_texts(trace, " (", envelope->tls, ")", NULL);
    buf_put_texts(trace, ";\n\t", date, "\n", NULL);
}

/* Takes `literal` off the front of `rest`. */
static bool expect(struct span *rest, const char *literal)
{
    struct span start = span_slice(*rest, 0, strlen(literal));

    if (!span_equal(start, span_text(literal)))
        return false;
    *rest = span_slice(*rest, start.size, rest->size);
    return true;
}

/* Takes all before the first `end` into `value`, and `end` itself, off the front of `rest`; `value` is one line. */
static bool take_until(struct span *rest, const char *end, struct span *value)
{
    const char *found = memmem(rest->data, rest->size, end, strlen(end));

    if (found == NULL)
        return false;
    *value = span_slice(*rest, 0, (size_t)(found - rest->data));
    *rest = span_slice(*rest, value->size + strlen(end), rest->size);
    return span_find(*value, '\n') == value->size;
}

/* Copies what fits with its NUL; text that doesn't fit, or that holds a NUL, is refused. */
static bool copy_text(struct span from, char *to, size_t size)
{
    if (from.size >= size || span_find(from, '\0') < from.size)
        return false;
    memcpy(to, from.data, from.size);
    to[from.size] = '\0';
    return true;
}

static int damaged(struct err *err, const char *field)
{
    return err_set(err, ERR_PERMANENT, "the trace block's %s is missing or damaged", field);
}

static int read_sender(struct envelope *envelope, struct span *rest, struct err *err)
{
    struct span sender;

    if (!expect(rest, "Return-Path: <") || !take_until(rest, ">\n", &sender))
        return damaged(err, "Return-Path");
    if (sender.size == 0)
        return 0;
    return address_parse(&envelope->sender, sender, err);
}

static int read_recipients(struct envelope *envelope, struct span *rest, struct err *err)
{
    while (expect(rest, "X-Original-To: ")) {
        struct address recipient;
        struct span text;

        if (!take_until(rest, "\n", &text) || envelope->recipient_count == ENVELOPE_RECIPIENTS_MAX)
            return damaged(err, "X-Original-To");
        if (address_parse(&recipient, text, err) != 0 || envelope_add_recipient(envelope, &recipient, err) != 0)
            return -1;
    }
    return envelope->recipient_count > 0 ? 0 : damaged(err, "X-Original-To");
}

/* A name as the writer puts it: the receiver held it to this before. */
static bool copy_name(struct span from, char *to, size_t size)
{
    return envelope_helo_is_valid(from) && copy_text(from, to, size);
}

/* "([IPv6:2001:db8::1])", "([192.0.2.1])" or "(local)", the closing parenthesis taken off already. */
static bool read_client(struct span text, struct envelope *envelope)
{
    if (expect(&text, "([IPv6:") || expect(&text, "([")) {
        if (text.size == 0 || text.data[text.size - 1] != ']')
            return false;
        text.size--;
    } else if (!expect(&text, "(")) {
        return false;
    }
    /* With a bracket inside it would be written back as something else. */
    return span_find(text, '[') == text.size && span_find(text, ']') == text.size &&
           copy_name(text, envelope->client_address, ENVELOPE_CLIENT_SIZE);
}

/* "ID" or "ID (protocol and cipher)". */
static bool read_id(struct span text, struct envelope *envelope)
{
    struct span id = span_slice(text, 0, ID_LENGTH);
    struct span tls = span_slice(text, ID_LENGTH, text.size);

    if (!id_is_valid(id) || !copy_text(id, envelope->id, sizeof envelope->id))
        return false;
    if (tls.size == 0)
        return true;
    if (!expect(&tls, " (") || tls.size == 0 || tls.data[tls.size - 1] != ')')
        return false;
    tls.size--;
    return copy_text(tls, envelope->tls, sizeof envelope->tls);
}

static int read_received(struct envelope *envelope, struct span *rest, struct err *err)
{
    struct span helo;
    struct span client;
    struct span host;
    struct span protocol;
    struct span id;
    struct span date;

    if (!expect(rest, "Received: from ") || !take_until(rest, " ", &helo) || !take_until(rest, ")\n\tby ", &client) ||
        !take_until(rest, " with ", &host) || !take_until(rest, " id ", &protocol) ||
        !take_until(rest, ";\n\t", &id) || !take_until(rest, "\n", &date))
        return damaged(err, "Received");
    if (!copy_name(helo, envelope->client_helo, sizeof envelope->client_helo) || !read_client(client, envelope) ||
        !copy_name(protocol, envelope->client_protocol, sizeof envelope->client_protocol) || !read_id(id, envelope))
        return damaged(err, "Received");
    return 0;
}

int envelope_read_trace(struct envelope *envelope, struct span head, size_t *trace_size, struct err *err)
{
    struct span rest = head;

    if (read_sender(envelope, &rest, err) != 0 || read_recipients(envelope, &rest, err) != 0 ||
        read_received(envelope, &rest, err) != 0) {
        envelope_free(envelope);
        return -1;
    }
    *trace_size = head.size - rest.size;
    return 0;
}
