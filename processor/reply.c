#include "processor/reply.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/route.h"

/* ---- where to ---- */

/*
 * The address in a header's text, which is one address with or without a name: `Name <local@domain>`. Names may be
 * quoted and hold anything. With several addresses, or a group, there is none. (A colon is fine in an address
 * literal.)
 */
static struct span only_address(struct span text)
{
    static const struct span none = {"", 0};
    size_t open = text.size;
    bool is_quoted = false;
    bool is_literal = false;

    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];

        if (is_quoted && byte == '\\')
            i++;
        else if (byte == '"')
            is_quoted = !is_quoted;
        else if (is_quoted)
            continue;
        else if (byte == ',' || byte == ';' || (byte == ':' && !is_literal))
            return none;
        else if (byte == '<')
            open = i;
        else if (byte == '[' || byte == ']')
            is_literal = byte == '[';
    }
    if (open == text.size)
        return text;
    return text.data[text.size - 1] == '>' ? span_slice(text, open + 1, text.size - 1) : none;
}

void reply_destination(const struct address *sender, const char *reply_to, struct address *to)
{
    struct span wished = only_address(span_trim(span_text(reply_to)));
    struct err err = {0};

    if (wished.size == 0 || address_parse(to, wished, &err) != 0 || address_domain(to).size == 0 ||
        !span_equal_nocase(address_domain(to), address_domain(sender)))
        *to = *sender;
}

/* ---- whether ---- */

enum place { WHOLE, AT_START, AT_END };

/* Local parts, without "+extension", behind which no person is (RFC 3834, section 2, and lists' habits). */
static const struct {
    const char *text;
    enum place place;
    const char *reason;
} machines[] = {
    {"mailer-daemon", WHOLE, "the sender is a mailer-daemon"},
    {"postmaster", WHOLE, "the sender is a postmaster"},
    {"owner-", AT_START, "the sender is a mailing list's owner"},
    {"-owner", AT_END, "the sender is a mailing list's owner"},
    {"-request", AT_END, "the sender is a mailing list"},
    {"-bounces", AT_END, "the sender takes bounces"},
    {"-bounce", AT_END, "the sender takes bounces"},
    {"bounces", WHOLE, "the sender takes bounces"},
    {"bounce", WHOLE, "the sender takes bounces"},
    {"noreply", WHOLE, "the sender wants no replies"},
    {"no-reply", WHOLE, "the sender wants no replies"},
    {"donotreply", WHOLE, "the sender wants no replies"},
    {"do-not-reply", WHOLE, "the sender wants no replies"},
};
static_assert(sizeof machines / sizeof machines[0] == 13, "a row was added or lost");

static bool stands(struct span whole, struct span part, enum place place)
{
    switch (place) {
    case WHOLE:
        return span_equal_nocase(whole, part);
    case AT_START:
        return span_starts_nocase(whole, part);
    case AT_END:
        return whole.size >= part.size &&
               span_equal_nocase(span_slice(whole, whole.size - part.size, whole.size), part);
    }
    return false;
}

/* NULL, or why this address is a machine's. */
static const char *machine_reason(const struct address *address)
{
    char octets[ADDRESS_LOCAL_MAX + 1];
    struct span local = {octets, address_local_octets(address, octets)};

    local = span_slice(local, 0, span_find(local, '+'));
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (stands(local, span_text(machines[i].text), machines[i].place))
            return machines[i].reason;
    return NULL;
}

/* Mail to this address is answered by ourselves. */
static bool is_answered_here(const struct config *config, const struct address *address)
{
    struct route_match match = route_find(config, address);

    for (size_t i = 0; match.verdict == ROUTE_FOUND && i < match.route->handler_count; i++)
        if (match.route->handlers[i].kind == HANDLER_REPLY)
            return true;
    return false;
}

const char *reply_refusal(const struct reply_question *question)
{
    const struct address *both[] = {question->sender, question->to};

    if (question->sender->text[0] == '\0')
        return "the message has the null sender";
    if (question->headers->no_reply[0] != '\0')
        return question->headers->no_reply;
    for (size_t i = 0; i < 2; i++) {
        const char *reason = machine_reason(both[i]);

        if (reason != NULL)
            return reason;
        if (is_answered_here(question->config, both[i]))
            return "the sender is an address of ours that replies itself";
    }
    if (question->recent >= question->config->reply_limit)
        return "the sender had as many replies within an hour as reply-limit allows";
    return NULL;
}

/* ---- what ---- */

/* A stable key as the left-hand side of a message ID: what may not stand there is written as its number. */
static void put_key(struct buf *id, const char *key)
{
    for (const char *at = key; *at != '\0'; at++) {
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');

        if (is_letter || *at == '-')
            buf_put_byte(id, *at);
        else
            buf_printf(id, "_%02x", (unsigned char)*at);
    }
}

/* The same for each attempt, so that a reply which was sent twice after all is seen to be one. */
static void put_id(struct buf *id, const struct reply_source *source)
{
    buf_put_text(id, "<reply.");
    put_key(id, source->delivery);
    if (source->replay > 0)
        buf_printf(id, ".%lld", (long long)source->replay);
    buf_printf(id, "@%s>", source->hostname);
}

/* A bare postmaster is one of this host's. */
static void put_from(struct buf *from, const struct reply_source *source)
{
    buf_put_text(from, source->recipient->text);
    if (address_domain(source->recipient).size == 0)
        buf_printf(from, "@%s", source->hostname);
}

/* Copies a text that is known to fit, or sets `is_too_long`. */
static void fill(char field[static MESSAGE_TEXT_SIZE], const char *text, bool *is_too_long)
{
    struct buf buf = buf_over(field, MESSAGE_TEXT_SIZE);

    buf_put_text(&buf, text);
    *is_too_long |= buf.overflowed;
}

int reply_prepare(struct message_reply *reply, const struct reply_source *source, struct err *err)
{
    struct buf id = buf_over(reply->message_id, sizeof reply->message_id);
    struct buf from = buf_over(reply->from, sizeof reply->from);
    bool is_too_long = false;

    put_id(&id, source);
    put_from(&from, source);
    fill(reply->to, source->to->text, &is_too_long);
    fill(reply->subject, source->headers->subject, &is_too_long);
    fill(reply->in_reply_to, source->headers->message_id, &is_too_long);
    fill(reply->references, source->headers->references, &is_too_long);
    clock_rfc5322(source->now_ms, reply->date);
    if (is_too_long || id.overflowed || from.overflowed)
        return err_set(err, ERR_BUG, "a field of the reply to delivery %s does not fit", source->delivery);
    return 0;
}
