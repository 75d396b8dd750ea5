/*
 * Any bytes as a client, twice: in one piece, and cut into reads. Both must bring the same replies, events and
 * bodies, and neither may break a rule of the machine. The first byte steers the cuts, the second what the world is
 * like. A byte 0x16, with which a TLS record begins, is left out and ends a read in either: all up to there is thrown
 * away when STARTTLS stands before it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOTES_SIZE = 1 << 20, MESSAGE_MAX = 3000, HEADER_MAX = 1500, COMMANDS_MAX = 500 };

/* Bits of the second byte. */
enum {
    DISCARD_UNKNOWN = 1,
    OPEN_FAILS = 2,
    WRITE_FAILS = 4,
    COMMIT_FAILS = 8,
    SMALL_STORAGE = 16,
    FEW_ERRORS = 32,
    OFFER_TLS = 64,
    TLS_FAILS = 128
};

struct session {
    struct smtp_policy policy;
    struct smtp smtp;
    unsigned world;
    unsigned writes;
    bool file_is_open;
    bool failed; /* a write was refused */
    bool tls_asked_for;
    uint64_t body_size;
    struct buf replies;
    struct buf events; /* and the bodies */
    char recipient_storage[4096];
    char reply_storage[NOTES_SIZE];
    char event_storage[NOTES_SIZE];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static enum smtp_verdict check_recipient(void *context, const struct address *recipient)
{
    struct span domain = address_domain(recipient);

    (void)context;
    if (domain.size > 0 && !span_equal(domain, span_text("example.com")))
        return SMTP_RECIPIENT_FOREIGN;
    return recipient->text[0] == 'a' || domain.size == 0 ? SMTP_RECIPIENT_KEPT : SMTP_RECIPIENT_UNKNOWN;
}

static void check_recipients(const struct session *s)
{
    const char *recipient = NULL;
    unsigned count = 0;

    while ((recipient = smtp_next_recipient(&s->smtp, recipient)) != NULL) {
        struct address address;
        struct err err;

        require(address_parse(&address, span_text(recipient), &err) == 0);
        require(strcmp(address.text, recipient) == 0);
        require(check_recipient(NULL, &address) == SMTP_RECIPIENT_KEPT);
        count++;
    }
    require(count > 0 && count == s->smtp.recipient_count && count <= s->policy.max_recipients);
}

/* Each line of `lines` is a reply: printable, 512 bytes at most, CRLF at its end. */
static void check_replies(struct span lines)
{
    while (lines.size > 0) {
        size_t end = span_find(lines, '\n');

        require(end < lines.size && end >= 5 && end < REPLY_LINE_MAX && lines.data[end - 1] == '\r');
        require(lines.data[0] >= '2' && lines.data[0] <= '5' && (lines.data[3] == ' ' || lines.data[3] == '-'));
        for (size_t i = 0; i < end - 1; i++)
            require(lines.data[i] >= 0x20 && lines.data[i] < 0x7F);
        lines = span_slice(lines, end + 1, lines.size);
    }
}

static void open_file(struct session *s, struct buf *output)
{
    bool fails = (s->world & OPEN_FAILS) != 0;

    require(!s->file_is_open);
    require(s->smtp.helo[0] != '\0');
    check_recipients(s);
    s->file_is_open = !fails;
    s->failed = false;
    s->body_size = 0;
    buf_put_text(&s->events, "\nopen ");
    buf_put(&s->events, buf_span(&s->smtp.recipients));
    smtp_opened(&s->smtp, fails ? FAILURE_NO_RESOURCES : FAILURE_NONE, output);
}

static void write_body(struct session *s, struct span body)
{
    require(s->file_is_open && !s->failed);
    require(body.size > 0 && memchr(body.data, '\r', body.size) == NULL);
    s->body_size += body.size;
    require(s->body_size <= MESSAGE_MAX);
    buf_put(&s->events, body);
    s->failed = (s->world & WRITE_FAILS) != 0 && ++s->writes % 2 == 1;
    if (s->failed)
        smtp_write_failed(&s->smtp, FAILURE_DISK_FULL);
}

static void end_file(struct session *s, enum smtp_event event, struct buf *output)
{
    require(s->file_is_open);
    s->file_is_open = false;
    buf_put_text(&s->events, event == SMTP_COMMIT ? "\ncommit" : "\nabort");
    if (event == SMTP_ABORT)
        return;
    require(!s->failed);
    if (s->body_size > 0)
        require(s->smtp.content.place == CONTENT_ENDED && s->events.data[s->events.size - 8] == '\n');
    smtp_committed(&s->smtp, (s->world & COMMIT_FAILS) != 0 ? FAILURE_TEMPORARY : FAILURE_NONE, "06DK3T9Q2B7XH0VA",
                   output);
}

static void take_replies(struct session *s, struct buf *output)
{
    require(!output->overflowed);
    check_replies(buf_span(output));
    buf_put(&s->replies, buf_span(output));
    buf_clear(output);
}

/* Gives false when the machine wants other input, or none any more. */
static bool handle(struct session *s, enum smtp_event event, struct span body, struct buf *output)
{
    switch (event) {
    case SMTP_MORE:
    case SMTP_CLOSE:
        return false;
    case SMTP_FLUSH:
        require(output->size > 0);
        take_replies(s, output);
        break;
    case SMTP_OPEN:
        open_file(s, output);
        break;
    case SMTP_BODY:
        write_body(s, body);
        break;
    case SMTP_COMMIT:
    case SMTP_ABORT:
        end_file(s, event, output);
        break;
    case SMTP_WITHDRAWN:
        require(s->file_is_open);
        s->file_is_open = false;
        buf_put_text(&s->events, "\nwithdrawn");
        break;
    case SMTP_DISCARDED:
        require((s->world & DISCARD_UNKNOWN) != 0 && !s->file_is_open && s->smtp.discarded_count > 0);
        buf_put_text(&s->events, "\ndiscarded");
        break;
    case SMTP_STARTTLS:
        require((s->world & OFFER_TLS) != 0 && !s->smtp.secured);
        buf_put_text(&s->events, "\nstarttls");
        s->tls_asked_for = true;
        if ((s->world & TLS_FAILS) != 0)
            smtp_not_secured(&s->smtp, output);
        else
            smtp_secured(&s->smtp);
        break;
    case SMTP_REJECTED:
        require(s->smtp.rejection.reply_text.size > 0);
        buf_put_text(&s->events, "\nrejected ");
        buf_put(&s->events, s->smtp.rejection.recipient);
        buf_put(&s->events, s->smtp.rejection.reply_text);
        break;
    }
    return true;
}

static void start(struct session *s, unsigned world)
{
    memset(&s->policy, 0, sizeof s->policy);
    s->policy.hostname = "mail.example.com";
    s->policy.max_message_size = MESSAGE_MAX;
    s->policy.max_header_size = HEADER_MAX;
    s->policy.max_recipients = 20;
    s->policy.max_commands = COMMANDS_MAX;
    s->policy.max_errors = (world & FEW_ERRORS) != 0 ? 2 : 10;
    s->policy.offer_starttls = (world & OFFER_TLS) != 0;
    s->policy.discard_unknown = (world & DISCARD_UNKNOWN) != 0;
    s->policy.recipient = check_recipient;
    s->world = world;
    s->writes = 0;
    s->file_is_open = false;
    s->failed = false;
    s->replies = buf_over(s->reply_storage, sizeof s->reply_storage);
    s->events = buf_over(s->event_storage, sizeof s->event_storage);
    smtp_init(&s->smtp, &s->policy, s->recipient_storage, (world & SMALL_STORAGE) != 0 ? 60 : 4096);
}

/* Gives the bytes up to a 0x16 in one piece or several. */
static enum smtp_event read_stretch(struct session *s, struct span input, unsigned *steering, bool whole)
{
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);
    enum smtp_event event = SMTP_MORE;

    s->tls_asked_for = false;
    while (input.size > 0 && event != SMTP_CLOSE && !s->tls_asked_for) {
        struct span body = {0};
        struct span piece;

        *steering = *steering * 1103515245 + 12345;
        piece = whole ? input : span_slice(input, 0, 1 + (*steering >> 16) % (*steering % 3 == 0 ? 800 : 5));
        input = span_slice(input, piece.size, input.size);
        do
            event = smtp_step(&s->smtp, &piece, &output, &body);
        while (handle(s, event, body, &output));
        require(event == SMTP_CLOSE || piece.size == 0);
        take_replies(s, &output);
    }
    return event;
}

static void converse(struct session *s, struct span input, unsigned steering, bool whole)
{
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);
    enum smtp_event event = SMTP_MORE;

    smtp_greet(&s->smtp, &output);
    take_replies(s, &output);
    while (input.size > 0 && event != SMTP_CLOSE) {
        size_t size = span_find(input, 0x16);

        event = read_stretch(s, span_slice(input, 0, size), &steering, whole);
        input = span_slice(input, size + 1, input.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session one;
    static struct session two;
    struct span input;

    if (size < 2 || size > 100 * 1000)
        return 0;
    input = span_slice((struct span){(const char *)data, size}, 2, size);
    start(&one, data[1]);
    converse(&one, input, data[0], true);
    start(&two, data[1]);
    converse(&two, input, data[0], false);
    require(span_equal(buf_span(&one.replies), buf_span(&two.replies)));
    require(span_equal(buf_span(&one.events), buf_span(&two.events)));
    require(one.smtp.commands == two.smtp.commands && one.smtp.commands <= COMMANDS_MAX + 1);
    require(one.smtp.mode == two.smtp.mode && one.smtp.state == two.smtp.state);
    return 0;
}
