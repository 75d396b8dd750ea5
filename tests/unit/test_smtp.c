#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "receiver/smtp.h"
#include "tests/unit/support.h"

/* ---- a driver that notes what the machine asks of it ---- */

struct run {
    /* What the world is like. */
    struct smtp_policy policy;
    enum reply_failure open_failure;
    enum reply_failure write_failure; /* of every write */
    enum reply_failure commit_failure;
    bool tls_fails;
    /* What came of it. */
    struct smtp smtp;
    struct buf replies; /* as sent */
    struct buf events;  /* "open <sender> to a,b;" "body(text)" "commit;" ... */
    bool body_is_open;  /* the last event was a body: further ones are written into the same brackets */
    bool closed;
    char recipient_storage[8192];
    char reply_storage[256 * 1024];
    char event_storage[256 * 1024];
};

static struct run run;

/* Addresses of ours. */
static enum smtp_verdict check_recipient(void *context, const struct address *recipient)
{
    static const char *const kept[] = {"a@example.com", "b@example.com",          "\"john doe\"@example.com",
                                       "postmaster",    "postmaster@example.com", "gr\xC3\xBCn@example.com"};

    (void)context;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (span_equal_nocase(span_text(recipient->text), span_text(kept[i])))
            return SMTP_RECIPIENT_KEPT;
    if (strncmp(recipient->text, "many", 4) == 0)
        return SMTP_RECIPIENT_KEPT;
    return span_equal(address_domain(recipient), SPAN("example.com")) ? SMTP_RECIPIENT_UNKNOWN
                                                                      : SMTP_RECIPIENT_FOREIGN;
}

static void note(const char *text, struct span more)
{
    if (run.body_is_open)
        buf_put_text(&run.events, ")");
    run.body_is_open = false;
    buf_put_text(&run.events, text);
    buf_put(&run.events, more);
}

static void note_open(void)
{
    const char *recipient = NULL;
    const char *separator = " to ";

    note("open ", span_text(run.smtp.mail.sender.text));
    while ((recipient = smtp_next_recipient(&run.smtp, recipient)) != NULL) {
        buf_put_text(&run.events, separator);
        buf_put_text(&run.events, recipient);
        separator = ",";
    }
    buf_put_text(&run.events, ";");
}

static void note_body(struct span body)
{
    if (!run.body_is_open)
        note("body(", (struct span){0});
    run.body_is_open = true;
    buf_put(&run.events, body);
}

/* Does what one event asks for; gives false when there is nothing more to do with this input. */
static bool handle(enum smtp_event event, struct buf *output, struct span body)
{
    switch (event) {
    case SMTP_STARTTLS:
        note("starttls;", (struct span){0});
        if (run.tls_fails)
            smtp_not_secured(&run.smtp, output);
        else
            smtp_secured(&run.smtp);
        break;
    case SMTP_MORE:
    case SMTP_CLOSE:
        run.closed = event == SMTP_CLOSE;
        return false;
    case SMTP_FLUSH:
        buf_put(&run.replies, buf_span(output));
        buf_clear(output);
        break;
    case SMTP_OPEN:
        note_open();
        smtp_opened(&run.smtp, run.open_failure, output);
        break;
    case SMTP_BODY:
        if (run.write_failure != FAILURE_NONE)
            smtp_write_failed(&run.smtp, run.write_failure);
        else
            note_body(body);
        break;
    case SMTP_COMMIT:
        note("commit;", (struct span){0});
        smtp_committed(&run.smtp, run.commit_failure, "06DK3T9Q2B7XH0VA", output);
        break;
    case SMTP_ABORT:
        note("abort;", (struct span){0});
        break;
    case SMTP_WITHDRAWN:
        note("withdrawn;", (struct span){0});
        break;
    case SMTP_DISCARDED:
        note("discarded;", (struct span){0});
        break;
    case SMTP_REJECTED:
        note("rejected ", run.smtp.rejection.recipient);
        buf_put_text(&run.events, ";");
        break;
    }
    return true;
}

static void converse_begin(void)
{
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);

    run.replies = buf_over(run.reply_storage, sizeof run.reply_storage);
    run.events = buf_over(run.event_storage, sizeof run.event_storage);
    run.body_is_open = false;
    run.closed = false;
    smtp_init(&run.smtp, &run.policy, run.recipient_storage, sizeof run.recipient_storage);
    smtp_greet(&run.smtp, &output);
    buf_put(&run.replies, buf_span(&output));
}

/* Gives `input` in pieces of `step` bytes. */
static void converse_read(struct span input, size_t step)
{
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);

    while (input.size > 0 && !run.closed) {
        struct span piece = span_slice(input, 0, step);
        struct span body = {0};

        input = span_slice(input, piece.size, input.size);
        while (handle(smtp_step(&run.smtp, &piece, &output, &body), &output, body))
            continue;
        assert_false(output.overflowed);
        buf_put(&run.replies, buf_span(&output));
        buf_clear(&output);
    }
}

static void converse_end(void)
{
    note("", (struct span){0});
    assert_false(run.replies.overflowed || run.events.overflowed);
}

/* A whole session; replies and events are in `run`. */
static void converse(struct span input, size_t step)
{
    converse_begin();
    converse_read(input, step);
    converse_end();
}

static int set_up(void **state)
{
    (void)state;
    memset(&run, 0, offsetof(struct run, smtp));
    run.policy = (struct smtp_policy){
        .hostname = "mail.example.com",
        .max_message_size = 1000,
        .max_header_size = 100000,
        .max_recipients = 100,
        .max_commands = 2000,
        .max_errors = 10,
        .recipient = check_recipient,
    };
    return 0;
}

/*
 * The replies in short: the code and the enhanced code of each, the lines of one reply taken together, the greeting
 * left out: "250 250/2.1.0 354".
 */
static void shorten_replies(struct buf *brief)
{
    struct span rest = buf_span(&run.replies);
    bool first = true;

    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');
        struct span line = span_slice(rest, 0, end);
        bool has_status = line.size > 10 && line.data[5] == '.' && line.data[7] == '.' && line.data[9] == ' ';

        assert_in_range(end, 5, REPLY_LINE_MAX - 1);
        assert_int_equal(line.data[line.size - 1], '\r');
        rest = span_slice(rest, end + 1, rest.size);
        if (!first && line.data[3] == ' ') {
            buf_put_text(brief, brief->size > 0 ? " " : "");
            buf_put(brief, span_slice(line, 0, 3));
            buf_put_text(brief, has_status ? "/" : "");
            buf_put(brief, span_slice(line, 4, has_status ? 9 : 4));
        }
        first = false;
    }
}

struct row {
    struct span input;
    const char *replies;
    const char *events;
};

/* What has come of it must be what the row says, and `whole_replies`, to the byte, what came of it in one piece. */
static void check_outcome(const struct row *row, const char *how, size_t where, const char *whole_replies)
{
    char storage[4096];
    struct buf brief = buf_over(storage, sizeof storage);

    shorten_replies(&brief);
    if (strcmp(storage, row->replies) != 0 || strcmp(run.event_storage, row->events) != 0)
        print_error("%s %zu: %.*s\n", how, where, (int)row->input.size, row->input.data);
    assert_string_equal(storage, row->replies);
    assert_string_equal(run.event_storage, row->events);
    if (whole_replies != NULL)
        assert_string_equal(run.reply_storage, whole_replies);
}

/* In one piece, cut once at every byte (of very long input, at many), and in pieces of one size. */
static void check(const struct row *row)
{
    static char whole_replies[sizeof run.reply_storage];
    static const size_t steps[] = {1, 2, 3, 5, 17, 64};

    converse(row->input, row->input.size);
    check_outcome(row, "in pieces of", row->input.size, NULL);
    memcpy(whole_replies, run.reply_storage, run.replies.size + 1);
    for (size_t cut = 1; cut < row->input.size; cut += 1 + row->input.size / 600) {
        converse_begin();
        converse_read(span_slice(row->input, 0, cut), cut);
        converse_read(span_slice(row->input, cut, row->input.size), row->input.size);
        converse_end();
        check_outcome(row, "cut at", cut, whole_replies);
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        converse(row->input, steps[i]);
        check_outcome(row, "in pieces of", steps[i], whole_replies);
    }
}

static void check_all(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&rows[i]);
}
#define CHECK_ALL(rows) check_all(rows, sizeof(rows) / sizeof(rows)[0])

#define EHLO "EHLO c.example.org\r\n"
#define MAIL "MAIL FROM:<s@example.org>\r\n"
#define RCPT "RCPT TO:<a@example.com>\r\n"
#define DATA "DATA\r\n"
#define QUIT "QUIT\r\n"
/* What EHLO, MAIL, RCPT and DATA bring, and the event. */
#define BEGUN "250 250/2.1.0 250/2.1.5 354"
#define OPENED "open s@example.org to a@example.com;"

/* ---- transcripts ---- */

static void a_message_is_taken(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL RCPT DATA "Subject: x\r\n\r\n..dot\r\n.\r\n" QUIT), BEGUN " 250/2.0.0 221/2.0.0",
         OPENED "body(Subject: x\n\n.dot\n)commit;"},
        {SPAN(EHLO MAIL RCPT DATA ".\r\n" QUIT), BEGUN " 250/2.0.0 221/2.0.0", OPENED "commit;"},
        {SPAN("HELO c\r\n" MAIL RCPT DATA "x\r\n.\r\n"), BEGUN " 250/2.0.0", OPENED "body(x\n)commit;"},
        /* Two in one session, the next command in the same read as the last dot. */
        {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\n" DATA "y\r\n.\r\n" QUIT),
         BEGUN " 250/2.0.0 250/2.1.0 250/2.1.5 354 250/2.0.0 221/2.0.0",
         OPENED "body(x\n)commit;open  to b@example.com;body(y\n)commit;"},
        {SPAN(EHLO "MAIL FROM:<s@example.org> SIZE=999 BODY=8BITMIME\r\n" RCPT DATA "\xFF\0\x80\r\n.\r\n"),
         BEGUN " 250/2.0.0", OPENED "body(\xFF"},
        /* A connection that ends before the dot: nothing is committed. */
        {SPAN(EHLO MAIL RCPT DATA "x\r\n."), BEGUN, OPENED},
        {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r"), BEGUN, OPENED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (i != 4)
            check(&rows[i]);
    /* The NUL would end the comparison. */
    converse(rows[4].input, rows[4].input.size);
    assert_true(
        span_equal(span_slice(buf_span(&run.events), sizeof OPENED - 1, 100), SPAN("body(\xFF\0\x80\n)commit;")));
    assert_int_equal(run.smtp.content.size_bytes, 5);
}

static void smtputf8(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO "MAIL FROM:<\xC3\xBC@example.org> SMTPUTF8\r\nRCPT TO:<gr\xC3\xBCn@example.com>\r\n" DATA), BEGUN,
         "open \xC3\xBC@example.org to gr\xC3\xBCn@example.com;"},
        /* It is one transaction's. */
        {SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\n" RCPT DATA "\xC3\xBC\r\n.\r\n" MAIL
                   "RCPT TO:<gr\xC3\xBCn@example.com>\r\n"),
         BEGUN " 250/2.0.0 250/2.1.0 553/5.6.7",
         "open  to a@example.com;body(\xC3\xBC\n)commit;rejected TO:<gr\xC3\xBCn@example.com>;"},
        {SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\nRSET\r\n" MAIL "RCPT TO:<gr\xC3\xBCn@example.com>\r\n"),
         "250 250/2.1.0 250/2.0.0 250/2.1.0 553/5.6.7", "rejected TO:<gr\xC3\xBCn@example.com>;"},
        {SPAN(EHLO
              "MAIL FROM:<\xC3@example.org> SMTPUTF8\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xBC@example.com>\r\n"),
         "250 501/5.1.7 250/2.1.0 501/5.1.3", "rejected ;rejected TO:<\xBC@example.com>;"},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void the_protocol_has_its_name(void **state)
{
    const struct {
        struct span clear, secured;
        const char *name;
    } rows[] = {
        {SPAN(""), SPAN(""), "SMTP"},
        {SPAN("HELO c\r\n" MAIL), SPAN(""), "SMTP"},
        {SPAN(EHLO MAIL), SPAN(""), "ESMTP"},
        {SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\n"), SPAN(""), "UTF8SMTP"},
        {SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\nRSET\r\n"), SPAN(""), "ESMTP"},
        {SPAN(EHLO "STARTTLS\r\n"), SPAN(EHLO MAIL), "ESMTPS"},
        {SPAN(EHLO "STARTTLS\r\n"), SPAN("HELO c\r\n" MAIL), "ESMTPS"},
        {SPAN(EHLO "STARTTLS\r\n"), SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\n"), "UTF8SMTPS"},
        {SPAN(EHLO "MAIL FROM:<> SMTPUTF8\r\nSTARTTLS\r\n"), SPAN(EHLO MAIL), "ESMTPS"},
    };

    (void)state;
    run.policy.offer_starttls = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        converse_begin();
        converse_read(rows[i].clear, 1000);
        converse_read(rows[i].secured, 1000);
        converse_end();
        assert_string_equal(smtp_protocol(&run.smtp), rows[i].name);
    }
}

static void envelope_is_there_when_asked_for(void **state)
{
    struct span input = SPAN(EHLO "MAIL FROM:<s@example.org> SIZE=77 BODY=8BITMIME\r\n" RCPT DATA);
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);
    struct span body = {0};

    (void)state;
    smtp_init(&run.smtp, &run.policy, run.recipient_storage, sizeof run.recipient_storage);
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_OPEN);
    assert_string_equal(run.smtp.helo, "c.example.org");
    assert_string_equal(smtp_protocol(&run.smtp), "ESMTP");
    assert_string_equal(run.smtp.mail.sender.text, "s@example.org");
    assert_true(run.smtp.mail.has_size && run.smtp.mail.size_bytes == 77);
    assert_true(run.smtp.mail.has_body);
    assert_int_equal(run.smtp.recipient_count, 1);
    smtp_opened(&run.smtp, FAILURE_NONE, &output);
    input = SPAN("x\r\n.\r\n");
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_BODY);
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_COMMIT);
    smtp_committed(&run.smtp, FAILURE_NONE, "06DK3T9Q2B7XH0VA", &output);
    assert_int_equal(run.smtp.recipient_count, 1); /* still, for the log */
    assert_non_null(strstr(storage, "250 2.0.0 accepted as 06DK3T9Q2B7XH0VA\r\n"));
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_MORE);
    assert_int_equal(run.smtp.recipient_count, 0);
    assert_string_equal(run.smtp.helo, "c.example.org");
}

static void order_of_commands(void **state)
{
    const struct row rows[] = {
        {SPAN(MAIL), "503/5.5.1", "rejected ;"},
        {SPAN(RCPT), "503/5.5.1", "rejected ;"},
        {SPAN(DATA), "503/5.5.1", "rejected ;"},
        {SPAN("NOOP\r\nRSET\r\nVRFY a\r\nHELP\r\n" QUIT), "250/2.0.0 250/2.0.0 252/2.0.0 214/2.0.0 221/2.0.0", ""},
        {SPAN(EHLO RCPT), "250 503/5.5.1", "rejected ;"},
        {SPAN(EHLO DATA), "250 503/5.5.1", "rejected ;"},
        {SPAN(EHLO MAIL MAIL RCPT), "250 250/2.1.0 503/5.5.1 250/2.1.5", "rejected ;"},
        {SPAN(EHLO MAIL RCPT MAIL), "250 250/2.1.0 250/2.1.5 503/5.5.1", "rejected ;"},
        {SPAN(EHLO MAIL DATA), "250 250/2.1.0 503/5.5.1", "rejected ;"},
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" DATA), "250 250/2.1.0 550/5.1.1 554/5.5.1",
         "rejected x@example.com;rejected ;"},
        /* EHLO, HELO and RSET each clear the transaction, and so does a message. */
        {SPAN(EHLO MAIL RCPT EHLO DATA), "250 250/2.1.0 250/2.1.5 250 503/5.5.1", "rejected ;"},
        {SPAN(EHLO MAIL RCPT "HELO x\r\n" RCPT), "250 250/2.1.0 250/2.1.5 250 503/5.5.1", "rejected ;"},
        {SPAN(EHLO MAIL RCPT "RSET\r\n" DATA MAIL), "250 250/2.1.0 250/2.1.5 250/2.0.0 503/5.5.1 250/2.1.0",
         "rejected ;"},
        {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r\n" DATA), BEGUN " 250/2.0.0 503/5.5.1",
         OPENED "body(x\n)commit;rejected ;"},
        /* A refused EHLO clears nothing. */
        {SPAN(EHLO MAIL RCPT "EHLO two words\r\n" DATA), "250 250/2.1.0 250/2.1.5 501 354", "rejected ;" OPENED},
        {SPAN(EHLO MAIL RCPT "DATA x\r\n" DATA), "250 250/2.1.0 250/2.1.5 501/5.5.4 354", "rejected ;" OPENED},
        {SPAN("EHLO\r\nEHLO a b\r\nHELO <x>\r\nHELO a\xFFz\r\nEHLO [192.0.2.1]\r\n"), "501 501 501 501 250",
         "rejected ;rejected ;rejected ;rejected ;"},
        /* Nothing behind QUIT is looked at. */
        {SPAN(EHLO QUIT MAIL RCPT DATA "x\r\n.\r\n"), "250 221/2.0.0", ""},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void what_is_refused(void **state)
{
    const struct row rows[] = {
        {SPAN("FOO\r\n\r\n \r\n"), "500/5.5.2 500/5.5.2 500/5.5.2", "rejected ;rejected ;rejected ;"},
        {SPAN("EXPN l\r\nAUTH PLAIN\r\nSTARTTLS\r\nXCLIENT A=B\r\nPROXY TCP4\r\n"),
         "502/5.5.1 502/5.5.1 502/5.5.1 502/5.5.1 502/5.5.1", "rejected ;rejected ;rejected ;rejected ;rejected ;"},
        {SPAN(EHLO "MAIL FROM:<> SIZE=1001\r\n" MAIL), "250 552/5.3.4 250/2.1.0", "rejected ;"},
        {SPAN(EHLO "MAIL FROM:<> SIZE=18446744073709551616\r\n"), "250 501/5.5.4", "rejected ;"},
        {SPAN(EHLO "MAIL FROM:<> FOO=1\r\n"), "250 555/5.5.4", "rejected ;"},
        {SPAN(EHLO "MAIL FROM:<> BODY=BINARYMIME\r\n"), "250 501/5.5.4", "rejected ;"},
        {SPAN(EHLO "MAIL FROM:<\xC3\xBC@example.org>\r\n"), "250 553/5.6.7", "rejected ;"},
        {SPAN(EHLO MAIL "RCPT TO:<a@example.com> FOO\r\n"), "250 250/2.1.0 555/5.5.4",
         "rejected TO:<a@example.com> FOO;"},
        {SPAN(EHLO MAIL "RCPT TO:<a\0@example.com>\r\n"), "250 250/2.1.0 500/5.5.2", "rejected ;"},
        {SPAN(EHLO MAIL "RCPT TO:a@example.com\r\n"), "250 250/2.1.0 501/5.1.3", "rejected TO:a@example.com;"},
        /* A browser, and octets that are no commands: the session ends. */
        {SPAN("POST / HTTP/1.1\r\nHost: x\r\n\r\n" EHLO MAIL RCPT DATA), "421/4.7.0", "rejected ;"},
        /* A line that does not end with CRLF is one refused line. */
        {SPAN("NOOP\nNOOP\nNOOP\r\nNOOP\r\n"), "500/5.5.2 250/2.0.0", "rejected ;"},
        {SPAN(EHLO "MAIL FROM:<s@example.org>\nRCPT TO:<a@example.com>\nDATA\r\n" QUIT), "250 500/5.5.2 221/2.0.0",
         "rejected ;"},
        {SPAN("NOOP\rQUIT\r\nNOOP\r\n"), "500/5.5.2 250/2.0.0", "rejected ;"},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void nothing_is_relayed(void **state)
{
    const struct row rows[] = {
        {SPAN("RCPT TO:<a@example.net>\r\n"), "550/5.7.1", "rejected a@example.net;"},
        {SPAN("RCPT TO:<@example.com:a@example.net>\r\n"), "550/5.7.1", "rejected a@example.net;"},
        {SPAN("RCPT TO:<a%example.net@example.com>\r\n"), "550/5.7.1", "rejected a%example.net@example.com;"},
        {SPAN("RCPT TO:<example.net!a@example.com>\r\n"), "550/5.7.1", "rejected example.net!a@example.com;"},
        {SPAN("RCPT TO:<\"a@example.net\"@example.com>\r\n"), "550/5.7.1", "rejected \"a@example.net\"@example.com;"},
        {SPAN("RCPT TO:<\"a%example.net\"@example.com>\r\n"), "550/5.7.1", "rejected a%example.net@example.com;"},
        {SPAN("RCPT TO:<a@[192.0.2.1]>\r\n"), "550/5.7.1", "rejected a@[192.0.2.1];"},
        {SPAN("RCPT TO:<a@example.net@example.com>\r\n"), "501/5.1.3", "rejected TO:<a@example.net@example.com>;"},
        {SPAN("RCPT TO:<a@example.com,b@example.net>\r\n"), "501/5.1.3",
         "rejected TO:<a@example.com,b@example.net>;"},
        {SPAN("RCPT TO:<@example.net:a@example.com>\r\n"), "250/2.1.5", ""},
        {SPAN("RCPT TO:<\"a\"@EXAMPLE.com>\r\n"), "250/2.1.5", ""},
        {SPAN("RCPT TO:<\"john doe\"@example.com>\r\n"), "250/2.1.5", ""},
        {SPAN("RCPT TO:<Postmaster>\r\n"), "250/2.1.5", ""},
    };

    (void)state;
    for (int discard = 0; discard <= 1; discard++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char storage[512];
            char replies[512];
            struct buf input = buf_over(storage, sizeof storage);
            struct buf wanted = buf_over(replies, sizeof replies);

            run.policy.discard_unknown = discard != 0;
            buf_put_text(&input, EHLO MAIL);
            buf_put(&input, rows[i].input);
            buf_printf(&wanted, "250 250/2.1.0 %s", rows[i].replies);
            check(&(struct row){buf_span(&input), replies, rows[i].events});
        }
}

static void recipients(void **state)
{
    const struct row rows[] = {
        /* The same one twice is one, however it is written. */
        {SPAN(EHLO MAIL RCPT "RCPT TO:<A@EXAMPLE.COM>\r\nRCPT TO:<\"a\"@example.com>\r\n" DATA),
         "250 250/2.1.0 250/2.1.5 250/2.1.5 250/2.1.5 354", OPENED},
        /* Some refused: on with the others, in their order. */
        {SPAN(EHLO MAIL
              "RCPT TO:<x@example.com>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<x@example.net>\r\n" RCPT DATA),
         "250 250/2.1.0 550/5.1.1 250/2.1.5 550/5.7.1 250/2.1.5 354",
         "rejected x@example.com;rejected x@example.net;open s@example.org to b@example.com,a@example.com;"},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void too_many_recipients(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL
              "RCPT TO:<many1@example.com>\r\nRCPT TO:<many2@example.com>\r\nRCPT TO:<many3@example.com>\r\n"
              "RCPT TO:<many1@example.com>\r\n" DATA),
         "250 250/2.1.0 250/2.1.5 250/2.1.5 452/4.5.3 250/2.1.5 354",
         "rejected many3@example.com;open s@example.org to many1@example.com,many2@example.com;"},
        /* Nobody is told of more addresses than that, whatever became of the others. */
        {SPAN(EHLO MAIL RCPT "RCPT TO:<x@example.com>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<y@example.com>\r\n"),
         "250 250/2.1.0 250/2.1.5 550/5.1.1 452/4.5.3 452/4.5.3",
         "rejected x@example.com;rejected b@example.com;rejected y@example.com;"},
    };

    (void)state;
    run.policy.max_recipients = 2;
    CHECK_ALL(rows);
}

static void the_storage_for_recipients_is_a_limit_too(void **state)
{
    static char storage[64 * 1024];
    struct buf input = buf_over(storage, sizeof storage);

    (void)state;
    run.policy.max_recipients = 1000;
    buf_put_text(&input, EHLO MAIL);
    for (int i = 0; i < 900; i++)
        buf_printf(&input, "RCPT TO:<many-%d@example.com>\r\n", i);
    buf_put_text(&input, DATA);
    converse(buf_span(&input), 1000);
    assert_non_null(strstr(run.reply_storage, "452 4.5.3 <many-"));
    assert_false(run.smtp.recipients.overflowed);
    assert_in_range(run.smtp.recipient_count, 300, 899);
    assert_int_equal(run.smtp.recipient_count + run.smtp.refused_count, 900);
    assert_int_equal(run.smtp.errors, 0);
    assert_false(run.closed);
    assert_int_equal(run.smtp.mode, SMTP_MODE_CONTENT);
}

/* Whatever the room: an address that got its 250 is in the list, whole. */
static void a_full_storage_drops_nobody(void **state)
{
    struct span input = SPAN(EHLO MAIL RCPT "RCPT TO:<b@example.com>\r\n");

    (void)state;
    for (size_t room = 1; room < 40; room++) {
        char storage[SMTP_OUTPUT_MIN];
        struct buf output = buf_over(storage, sizeof storage);
        struct span rest = input;
        struct span body = {0};
        const char *recipient = NULL;
        unsigned count = 0;

        smtp_init(&run.smtp, &run.policy, run.recipient_storage, room);
        while (smtp_step(&run.smtp, &rest, &output, &body) == SMTP_REJECTED)
            continue;
        while ((recipient = smtp_next_recipient(&run.smtp, recipient)) != NULL)
            count++;
        assert_int_equal(count, run.smtp.recipient_count);
        assert_int_equal(count + run.smtp.refused_count, 2);
        assert_false(run.smtp.recipients.overflowed);
    }
}

static void unknown_ones_may_be_dropped(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" DATA "x\r\n.\r\n" QUIT), BEGUN " 250/2.0.0 221/2.0.0",
         "discarded;"},
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" RCPT DATA "x\r\n.\r\n"),
         "250 250/2.1.0 250/2.1.5 250/2.1.5 354 250/2.0.0", OPENED "body(x\n)commit;"},
        /* It makes no difference to what is refused. */
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" DATA "x\ny\r\n.\r\n" MAIL), BEGUN " 550/5.6.0 250/2.1.0",
         "rejected ;"},
        {SPAN(EHLO MAIL "RCPT TO:<x@example.net>\r\n"), "250 250/2.1.0 550/5.7.1", "rejected x@example.net;"},
    };

    (void)state;
    run.policy.discard_unknown = true;
    CHECK_ALL(rows);
}

/* Of what others take for the end of a message; test_content has them all. */
static void smuggling(void **state)
{
    static const struct span ends[] = {
        {"\n.\n", 3}, {"\n.\r\n", 4}, {"\r\n.\n", 4}, {"\r.\r", 3}, {"\r.\r\n", 4}, {"\r\n.\r", 4}, {"\n.\0\r\n", 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char storage[512];
        struct buf input = buf_over(storage, sizeof storage);

        buf_put_text(&input, EHLO MAIL RCPT DATA "Subject: x\r\n\r\nbody");
        buf_put(&input, ends[i]);
        buf_put_text(&input, "MAIL FROM:<admin@example.org>\r\n" RCPT DATA "forged\r\n.\r\n" QUIT);
        check(&(struct row){buf_span(&input), BEGUN " 550/5.6.0 221/2.0.0", OPENED "abort;"});
    }
}

static void messages_that_are_refused(void **state)
{
    static char storage[64 * 1024];
    struct buf input = buf_over(storage, sizeof storage);

    (void)state;
    /* Too big by one octet, and just not. The session goes on. */
    for (int over = 0; over <= 1; over++) {
        char events[2000];
        struct buf wanted = buf_over(events, sizeof events);

        buf_clear(&input);
        buf_put_text(&input, EHLO MAIL RCPT DATA);
        buf_put_text(&wanted, OPENED);
        buf_put_text(&wanted, over ? "abort;" : "body(");
        for (int i = 0; i < 998 + over; i++) {
            buf_put_byte(&input, 'x');
            if (!over)
                buf_put_byte(&wanted, 'x');
        }
        buf_put_text(&input, "\r\n.\r\n" MAIL);
        buf_put_text(&wanted, over ? "" : "\n)commit;");
        check(&(struct row){buf_span(&input), over ? BEGUN " 552/5.3.4 250/2.1.0" : BEGUN " 250/2.0.0 250/2.1.0",
                            events});
    }
    /* A loop. */
    run.policy.max_message_size = 10000;
    buf_clear(&input);
    buf_put_text(&input, EHLO MAIL RCPT DATA);
    for (int i = 0; i < 100; i++)
        buf_put_text(&input, "Received: x\r\n");
    buf_put_text(&input, ".\r\n" MAIL);
    check(&(struct row){buf_span(&input), BEGUN " 554/5.4.6 250/2.1.0", OPENED "abort;"});
}

static void failures_of_ours(void **state)
{
    const struct row not_opened = {SPAN(EHLO MAIL RCPT DATA "NOOP\r\n" DATA),
                                   "250 250/2.1.0 250/2.1.5 452/4.3.1 250/2.0.0 452/4.3.1", OPENED OPENED};
    const struct row not_written = {SPAN(EHLO MAIL RCPT DATA "x\r\n..\r\n.\r\n" MAIL), BEGUN " 452/4.3.1 250/2.1.0",
                                    OPENED "abort;"};
    const struct row too_big = {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r\n" MAIL), BEGUN " 552/5.3.4 250/2.1.0",
                                OPENED "abort;"};
    const struct row not_committed = {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r\n" MAIL), BEGUN " 451/4.3.0 250/2.1.0",
                                      OPENED "body(x\n)commit;"};

    (void)state;
    run.open_failure = FAILURE_DISK_FULL;
    check(&not_opened);
    run.open_failure = FAILURE_NONE;
    run.write_failure = FAILURE_DISK_FULL;
    check(&not_written);
    run.write_failure = FAILURE_TOO_BIG;
    check(&too_big);
    run.write_failure = FAILURE_NONE;
    run.commit_failure = FAILURE_TEMPORARY;
    check(&not_committed);
}

/* ---- BDAT ---- */

#define BDAT(size, octets) "BDAT " size "\r\n" octets
/* What EHLO, MAIL and RCPT bring. */
#define READY "250 250/2.1.0 250/2.1.5 "

static void chunks_make_a_message(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL RCPT BDAT("17 LAST", "Subject: x\r\n\r\n.\r\n") QUIT), READY "250/2.0.0 221/2.0.0",
         OPENED "body(Subject: x\n\n.\n)commit;"},
        {SPAN(EHLO MAIL RCPT BDAT("3", "a\r\n") BDAT("5", ".\r\n..") BDAT("2 LAST", "\r\n") MAIL),
         READY "250/2.0.0 250/2.0.0 250/2.0.0 250/2.1.0", OPENED "body(a\n.\n..\n)commit;"},
        /* A line, and a line's end, over two chunks. */
        {SPAN(EHLO MAIL RCPT BDAT("2", "a\r") BDAT("1", "\n") BDAT("2", "\r\n") BDAT("0 LAST", "")),
         READY "250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0", OPENED "body(a\n\n)commit;"},
        {SPAN(EHLO MAIL RCPT BDAT("0 LAST", "") QUIT), READY "250/2.0.0 221/2.0.0", OPENED "commit;"},
        {SPAN(EHLO MAIL RCPT BDAT("0", "") BDAT("1 LAST", "x")), READY "250/2.0.0 250/2.0.0",
         OPENED "body(x\n)commit;"},
        /* Octets that look like commands are octets. */
        {SPAN(EHLO MAIL RCPT BDAT("12", "QUIT\r\nRSET\r\n") BDAT("8 last", "BDAT 9\r\n") "NOOP\r\n"),
         READY "250/2.0.0 250/2.0.0 250/2.0.0", OPENED "body(QUIT\nRSET\nBDAT 9\n)commit;"},
        /* Others may stand between chunks. */
        {SPAN(EHLO MAIL RCPT BDAT("1", "x") "NOOP\r\nVRFY a\r\nHELP\r\nFOO\r\n" BDAT("2 LAST", "\r\n")),
         READY "250/2.0.0 250/2.0.0 252/2.0.0 214/2.0.0 500/5.5.2 250/2.0.0", OPENED "rejected ;body(x\n)commit;"},
        {SPAN(EHLO "MAIL FROM:<s@example.org> BODY=8BITMIME SIZE=4\r\n" RCPT BDAT("4 LAST", "\xC3\xBC\r\n")),
         READY "250/2.0.0", OPENED "body(\xC3\xBC\n)commit;"},
        /* One message by either way in one session. */
        {SPAN(EHLO MAIL RCPT BDAT("1 LAST", "x") MAIL RCPT DATA "..\r\n.\r\n" MAIL RCPT BDAT("1 LAST", ".")),
         READY "250/2.0.0 250/2.1.0 250/2.1.5 354 250/2.0.0 250/2.1.0 250/2.1.5 250/2.0.0",
         OPENED "body(x\n)commit;" OPENED "body(.\n)commit;" OPENED "body(.\n)commit;"},
        /* A connection that ends within a message. */
        {SPAN(EHLO MAIL RCPT BDAT("9 LAST", "x\r\n")), "250 250/2.1.0 250/2.1.5", OPENED},
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n")), READY "250/2.0.0", OPENED},
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n") QUIT), READY "250/2.0.0 221/2.0.0", OPENED},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void a_message_in_chunks_can_be_withdrawn(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n") "RSET\r\n" BDAT("1 LAST", "y") MAIL RCPT BDAT("1 LAST", "z")),
         READY "250/2.0.0 250/2.0.0 503/5.5.1 250/2.1.0 250/2.1.5 250/2.0.0",
         OPENED "withdrawn;rejected ;" OPENED "body(z\n)commit;"},
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n") EHLO MAIL), READY "250/2.0.0 250 250/2.1.0", OPENED "withdrawn;"},
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n") "HELO c\r\n" MAIL), READY "250/2.0.0 250 250/2.1.0",
         OPENED "withdrawn;"},
        {SPAN(EHLO MAIL RCPT BDAT("3", "x\r\n") "HELO\r\n" BDAT("0 LAST", "")), READY "250/2.0.0 501 250/2.0.0",
         OPENED "rejected ;body(x\n)commit;"},
        {SPAN(EHLO MAIL RCPT "RSET\r\n"), READY "250/2.0.0", ""},
    };

    (void)state;
    CHECK_ALL(rows);
}

/* The octets are swallowed, whatever they look like, and the answer stands behind them. */
static void chunks_out_of_turn(void **state)
{
    const struct row rows[] = {
        {SPAN(BDAT("6", "QUIT\r\n") "NOOP\r\n"), "503/5.5.1 250/2.0.0", "rejected ;"},
        {SPAN(EHLO BDAT("6 LAST", "QUIT\r\n") "NOOP\r\n"), "250 503/5.5.1 250/2.0.0", "rejected ;"},
        {SPAN(EHLO MAIL BDAT("6 LAST", "QUIT\r\n") RCPT BDAT("0 LAST", "")),
         "250 250/2.1.0 503/5.5.1 250/2.1.5 250/2.0.0", "rejected ;" OPENED "commit;"},
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" BDAT("6", "QUIT\r\n") BDAT("6 LAST", "QUIT\r\n") MAIL),
         "250 250/2.1.0 550/5.1.1 554/5.5.1 503/5.5.1 503/5.5.1",
         "rejected x@example.com;rejected ;rejected ;rejected ;"},
        /* DATA and BDAT do not mix, nor do MAIL and RCPT in between. */
        {SPAN(EHLO MAIL RCPT BDAT("1", "x") DATA MAIL RCPT "STARTTLS\r\n" BDAT("0 LAST", "")),
         READY "250/2.0.0 503/5.5.1 503/5.5.1 503/5.5.1 503/5.5.1 250/2.0.0",
         OPENED "rejected ;rejected ;rejected ;rejected ;body(x\n)commit;"},
        {SPAN(EHLO MAIL RCPT DATA BDAT("1 LAST", "x") "\r\n.\r\n"), BEGUN " 250/2.0.0",
         OPENED "body(BDAT 1 LAST\nx\n)commit;"},
    };

    (void)state;
    run.policy.offer_starttls = true;
    CHECK_ALL(rows);
}

/* Nobody knows how many octets come: none of them is read as a command. */
static void chunks_of_unknown_size_end_the_session(void **state)
{
    static const char *const lines[] = {
        "BDAT\r\n",
        "BDAT LAST\r\n",
        "BDAT -1\r\n",
        "BDAT 18446744073709551616 LAST\r\n",
        "BDAT 99999999999999999999999\r\n",
        "BDAT 9 FIRST\r\n",
        "bdat 9\x01\r\n",
        "BDAT 9\rx\r\n",
        "BDAT 9\n",
        "BDAT 9 LAST\nx\r\n",
    };
    static char storage[8192];

    (void)state;
    for (size_t i = 0; i <= sizeof lines / sizeof lines[0]; i++) {
        struct buf input = buf_over(storage, sizeof storage);

        buf_put_text(&input, EHLO MAIL RCPT);
        if (i < sizeof lines / sizeof lines[0])
            buf_put_text(&input, lines[i]);
        else
            for (int digit = 0; digit < 1200; digit++)
                buf_put_text(&input, digit == 0 ? "BDAT " : digit < 1199 ? "1" : "\r\n");
        buf_put_text(&input, "RSET\r\n" MAIL RCPT DATA "forged\r\n.\r\n");
        for (size_t step = 1; step < input.size; step += step < 20 ? 1 : 50) {
            converse(buf_span(&input), step);
            assert_true(run.closed);
            assert_string_equal(run.event_storage, "rejected ;");
            assert_non_null(strstr(run.reply_storage, "\r\n421 4.5.0 mail.example.com "));
        }
    }
}

static void messages_in_chunks_that_are_refused(void **state)
{
    const struct row rows[] = {
        /* At the first chunk in which the fault is found; the rest, which is on its way, is swallowed. */
        {SPAN(EHLO MAIL RCPT BDAT("4", "a\nb\n") BDAT("6", "QUIT\r\n") BDAT("6 LAST", "QUIT\r\n") MAIL),
         READY "550/5.6.0 503/5.5.1 503/5.5.1 250/2.1.0", OPENED "abort;rejected ;rejected ;"},
        /* A CR and what is not its LF over a border. */
        {SPAN(EHLO MAIL RCPT BDAT("2", "a\r") BDAT("2 LAST", "b\n") MAIL), READY "250/2.0.0 550/5.6.0 250/2.1.0",
         OPENED "abort;"},
        {SPAN(EHLO MAIL RCPT BDAT("3", "a\r\n") BDAT("1", "\n") MAIL), READY "250/2.0.0 550/5.6.0 250/2.1.0",
         OPENED "abort;"},
        {SPAN(EHLO MAIL RCPT BDAT("2 LAST", "a\r") MAIL), READY "550/5.6.0 250/2.1.0", OPENED "abort;"},
        {SPAN(EHLO MAIL RCPT BDAT("2", "a\r") BDAT("0 LAST", "") MAIL), READY "250/2.0.0 550/5.6.0 250/2.1.0",
         OPENED "abort;"},
        /* The next message begins with a clean slate. */
        {SPAN(EHLO MAIL RCPT BDAT("1", "\n") MAIL RCPT BDAT("1 LAST", "x")),
         READY "550/5.6.0 250/2.1.0 250/2.1.5 250/2.0.0", OPENED "abort;" OPENED "body(x\n)commit;"},
        {SPAN(EHLO MAIL RCPT BDAT("1", "\n") "RSET\r\n" BDAT("6", "QUIT\r\n") "NOOP\r\n"),
         READY "550/5.6.0 250/2.0.0 503/5.5.1 250/2.0.0", OPENED "abort;rejected ;"},
    };

    (void)state;
    CHECK_ALL(rows);
}

static void put_chunks(struct buf *input, size_t size, size_t chunk_size, const char *last)
{
    for (size_t at = 0; at < size; at += chunk_size) {
        size_t here = size - at < chunk_size ? size - at : chunk_size;

        buf_printf(input, "BDAT %zu%s\r\n", here, at + here == size ? last : "");
        for (size_t i = at; i < at + here; i++)
            buf_put_byte(input, i < 2 ? "\r\n"[i] : 'x');
    }
}

static void chunks_keep_to_the_limits(void **state)
{
    static char storage[64 * 1024];

    (void)state;
    for (size_t chunk_size = 1; chunk_size <= 1100; chunk_size = chunk_size * 2 + 1)
        for (size_t size = 997; size <= 999; size++) { /* the line's end, left out, counts */
            struct buf input = buf_over(storage, sizeof storage);

            buf_put_text(&input, EHLO MAIL RCPT);
            put_chunks(&input, size, chunk_size, " LAST");
            buf_put_text(&input, MAIL);
            assert_false(input.overflowed);
            converse(buf_span(&input), 100);
            assert_int_equal(strstr(run.event_storage, "commit;") != NULL, size <= 998);
            assert_int_equal(strstr(run.event_storage, "abort;") != NULL, size > 998);
            assert_int_equal(strstr(run.reply_storage, "\r\n552 5.3.4 ") != NULL, size > 998);
            assert_int_equal(run.smtp.state, SMTP_MAIL);
        }
}

static void a_flood_of_chunks_behind_a_refused_one_is_no_error(void **state)
{
    static char storage[64 * 1024];
    struct buf input = buf_over(storage, sizeof storage);

    (void)state;
    buf_put_text(&input, EHLO MAIL RCPT);
    put_chunks(&input, 5000, 50, "");
    buf_put_text(&input, "NOOP\r\n");
    converse(buf_span(&input), 1000);
    assert_false(run.closed);
    assert_int_equal(run.smtp.errors, 1);
    run.policy.max_commands = 50;
    converse(buf_span(&input), 1000);
    assert_true(run.closed);
}

static void failures_of_ours_in_chunks(void **state)
{
    const struct row not_opened = {SPAN(EHLO MAIL RCPT BDAT("6", "QUIT\r\n") BDAT("6 LAST", "QUIT\r\n") MAIL),
                                   READY "452/4.3.1 503/5.5.1 250/2.1.0", OPENED "rejected ;rejected ;"};
    const struct row not_written = {SPAN(EHLO MAIL RCPT BDAT("1 LAST", "x") MAIL), READY "452/4.3.1 250/2.1.0",
                                    OPENED "abort;"};
    const struct row not_committed = {SPAN(EHLO MAIL RCPT BDAT("1 LAST", "x") MAIL), READY "451/4.3.0 250/2.1.0",
                                      OPENED "body(x\n)commit;"};

    (void)state;
    run.open_failure = FAILURE_DISK_FULL;
    check(&not_opened);
    run.open_failure = FAILURE_NONE;
    run.write_failure = FAILURE_DISK_FULL;
    check(&not_written);
    run.write_failure = FAILURE_NONE;
    run.commit_failure = FAILURE_TEMPORARY;
    check(&not_committed);
}

static void chunks_for_nobody(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" BDAT("3", "x\r\n") BDAT("1 LAST", "x") MAIL),
         READY "250/2.0.0 250/2.0.0 250/2.1.0", "discarded;"},
        {SPAN(EHLO MAIL "RCPT TO:<x@example.com>\r\n" BDAT("3", "x\n\n") BDAT("1 LAST", "x") MAIL),
         READY "550/5.6.0 503/5.5.1 250/2.1.0", "rejected ;rejected ;"},
    };

    (void)state;
    run.policy.discard_unknown = true;
    CHECK_ALL(rows);
}

static void a_body_is_on_its_way(void **state)
{
    const struct {
        struct span input;
        bool in_body;
    } rows[] = {
        {SPAN(EHLO MAIL RCPT), false},
        {SPAN(EHLO MAIL RCPT DATA), true},
        {SPAN(EHLO MAIL RCPT DATA "x\r\n"), true},
        {SPAN(EHLO MAIL RCPT DATA "x\r\n.\r\n"), false},
        {SPAN(EHLO MAIL RCPT BDAT("9", "x")), true},
        {SPAN(EHLO MAIL RCPT BDAT("1", "x")), true},
        {SPAN(EHLO MAIL RCPT BDAT("1 LAST", "x")), false},
        {SPAN(EHLO BDAT("9", "x")), true},
        {SPAN(EHLO BDAT("1", "x")), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        converse(rows[i].input, 7);
        assert_int_equal(smtp_in_body(&run.smtp), rows[i].in_body);
    }
}

/* ---- STARTTLS ---- */

/* A session of several reads: what stands behind STARTTLS in its read is not the client's word. */
static void check_reads(const struct span *reads, size_t count, const char *replies, const char *events)
{
    char storage[4096];
    struct buf brief = buf_over(storage, sizeof storage);

    converse_begin();
    for (size_t i = 0; i < count; i++)
        converse_read(reads[i], reads[i].size);
    converse_end();
    shorten_replies(&brief);
    assert_string_equal(storage, replies);
    assert_string_equal(run.event_storage, events);
}
#define CHECK_READS(reads, replies, events) check_reads(reads, sizeof(reads) / sizeof(reads)[0], replies, events)

static void tls_begins_the_session_anew(void **state)
{
    const struct span reads[] = {SPAN(EHLO "STARTTLS\r\n"), SPAN(MAIL EHLO "STARTTLS\r\n"), SPAN(MAIL RCPT DATA)};

    (void)state;
    run.policy.offer_starttls = true;
    CHECK_READS(reads, "250 220/2.0.0 503/5.5.1 250 503/5.5.1 250/2.1.0 250/2.1.5 354",
                "starttls;rejected ;rejected ;" OPENED);
    assert_string_equal(smtp_protocol(&run.smtp), "ESMTPS");
    assert_non_null(strstr(run.reply_storage, "250-STARTTLS\r\n"));
    assert_null(strstr(strstr(run.reply_storage, "220 2.0.0"), "250-STARTTLS\r\n"));
}

static void nothing_said_in_the_clear_survives_tls(void **state)
{
    const struct span injected[] = {SPAN(EHLO "STARTTLS\r\n" EHLO MAIL RCPT DATA "x\r\n.\r\n"), SPAN("NOOP\r\n")};
    const struct span half_a_line[] = {SPAN(EHLO "STARTTLS\r\nMAIL FROM:<"), SPAN("NOOP\r\n")};
    const struct span transaction[] = {SPAN(EHLO MAIL RCPT "STARTTLS\r\n"), SPAN(DATA EHLO DATA)};

    (void)state;
    run.policy.offer_starttls = true;
    CHECK_READS(injected, "250 220/2.0.0 250/2.0.0", "starttls;");
    CHECK_READS(half_a_line, "250 220/2.0.0 250/2.0.0", "starttls;");
    CHECK_READS(transaction, "250 250/2.1.0 250/2.1.5 220/2.0.0 503/5.5.1 250 503/5.5.1",
                "starttls;rejected ;rejected ;");
}

static void tls_is_refused(void **state)
{
    const struct row not_offered = {SPAN("STARTTLS\r\n" EHLO "STARTTLS\r\n" MAIL),
                                    "502/5.5.1 250 502/5.5.1 250/2.1.0", "rejected ;rejected ;"};
    const struct row too_early = {SPAN("STARTTLS\r\n" EHLO "STARTTLS now\r\n" MAIL),
                                  "503/5.5.1 250 501/5.5.4 250/2.1.0", "rejected ;rejected ;"};
    const struct span fails[] = {SPAN(EHLO MAIL RCPT "STARTTLS\r\nNOOP\r\n"), SPAN(DATA)};

    (void)state;
    check(&not_offered);
    run.policy.offer_starttls = true;
    check(&too_early);
    /* What failed has taken nothing away; but the NOOP might not have been the client's. */
    run.tls_fails = true;
    CHECK_READS(fails, "250 250/2.1.0 250/2.1.5 454/4.7.0 354", "starttls;" OPENED);
    assert_string_equal(smtp_protocol(&run.smtp), "ESMTP");
}

/* ---- limits ---- */

static void put_times(struct buf *input, const char *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        buf_put_text(input, text);
}

static void too_many_errors_end_the_session(void **state)
{
    static const struct {
        const char *text;
        bool ends;
    } rows[] = {
        {"FOO\r\n", true},
        {"MAIL\r\n", true},
        {"NOOP\n\r\n", true},
        {EHLO MAIL "RCPT TO:<x@example.com>\r\nRSET\r\n", true}, /* guessing addresses */
        {EHLO MAIL "RCPT TO:<x@example.net>\r\n", true},
        {EHLO MAIL RCPT "RCPT TO:<x@example.com>\r\n", false}, /* refused beside one that is ours */
        {"NOOP\r\n", false},
        {EHLO MAIL RCPT DATA "x\r\n.\r\nFOO\r\n", false}, /* between good messages */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char storage[8192];
        struct buf input = buf_over(storage, sizeof storage);

        put_times(&input, rows[i].text, 12);
        buf_put_text(&input, "NOOP\r\n");
        assert_false(input.overflowed);
        for (size_t step = 1; step < 200; step += 7) {
            converse(buf_span(&input), step);
            assert_int_equal(run.closed, rows[i].ends);
            assert_int_equal(run.smtp.errors == 10, rows[i].ends);
            assert_int_equal(strstr(run.reply_storage, "\r\n421 4.7.0 mail.example.com ") != NULL, rows[i].ends);
        }
    }
}

static void lines_that_are_too_long(void **state)
{
    static const struct {
        const char *start;
        size_t size; /* CRLF counted */
        const char *reply;
    } rows[] = {
        {"NOOP ", 512, "250/2.0.0 250/2.0.0"},         {"NOOP ", 513, "500/5.5.2 250/2.0.0"},
        {"NOOP ", 1001, "500/5.5.2 250/2.0.0"},        {"NOOP ", 20000, "500/5.5.2 250/2.0.0"},
        {"MAIL FROM:<>", 1001, "500/5.5.2 250/2.0.0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static char storage[32 * 1024];
        struct buf input = buf_over(storage, sizeof storage);

        buf_put_text(&input, rows[i].start);
        while (input.size < rows[i].size - 2)
            buf_put_byte(&input, 'x');
        buf_put_text(&input, "\r\nNOOP\r\n");
        check(&(struct row){buf_span(&input), rows[i].reply, rows[i].size > 512 ? "rejected ;" : ""});
    }
}

static void too_many_commands_end_the_session(void **state)
{
    const struct row rows[] = {
        {SPAN(EHLO MAIL "RSET\r\n" QUIT), "250 250/2.1.0 250/2.0.0 221/2.0.0", ""},
        {SPAN(EHLO MAIL "RSET\r\nNOOP\r\n" QUIT), "250 250/2.1.0 250/2.0.0 250/2.0.0 421/4.7.0", "rejected ;"},
        {SPAN(EHLO MAIL RCPT DATA "NOOP\r\n.\r\nNOOP\r\n"), BEGUN " 250/2.0.0 421/4.7.0",
         OPENED "body(NOOP\n)commit;rejected ;"},
    };

    (void)state;
    run.policy.max_commands = 4;
    CHECK_ALL(rows);
    assert_true(run.closed);
}

static void a_header_that_is_too_large(void **state)
{
    char storage[2048];
    struct buf input = buf_over(storage, sizeof storage);

    (void)state;
    run.policy.max_header_size = 500;
    buf_put_text(&input, EHLO MAIL RCPT DATA);
    put_times(&input, "X-Field: something\r\n", 26);
    buf_put_text(&input, "\r\nbody\r\n.\r\n" MAIL);
    check(&(struct row){buf_span(&input), BEGUN " 552/5.3.4 250/2.1.0", OPENED "abort;"});
    assert_non_null(strstr(run.reply_storage, "552 5.3.4 the header "));
}

static void a_client_that_does_not_wait_for_the_greeting(void **state)
{
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);
    struct span input = SPAN(EHLO);
    struct span body = {0};

    (void)state;
    smtp_init(&run.smtp, &run.policy, run.recipient_storage, sizeof run.recipient_storage);
    smtp_refuse_early(&run.smtp, &output);
    assert_string_equal(storage, "554 5.5.1 mail.example.com wait for the greeting before you speak, closing\r\n");
    assert_true(span_equal(run.smtp.rejection.reply_text, span_slice(buf_span(&output), 0, output.size - 2)));
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_CLOSE);
}

static void nothing_is_read_while_answers_wait(void **state)
{
    char input_storage[8192];
    struct buf noops = buf_over(input_storage, sizeof input_storage);
    char storage[SMTP_OUTPUT_MIN];
    struct buf output = buf_over(storage, sizeof storage);
    struct span body = {0};
    struct span input;

    (void)state;
    put_times(&noops, "NOOP\r\n", 1000);
    input = buf_span(&noops);
    smtp_init(&run.smtp, &run.policy, run.recipient_storage, sizeof run.recipient_storage);
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_FLUSH);
    assert_true(input.size > 0);
    assert_false(output.overflowed);
    input_storage[0] = 'X';
    assert_int_equal(smtp_step(&run.smtp, &input, &output, &body), SMTP_FLUSH);
}

static void hanging_up(void **state)
{
    const struct span inputs[] = {SPAN(""), SPAN(EHLO), SPAN(EHLO MAIL RCPT DATA "x\r\n")};

    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct span more = SPAN("y\r\n.\r\nNOOP\r\n");
        char storage[SMTP_OUTPUT_MIN];
        struct buf output = buf_over(storage, sizeof storage);
        struct span body = {0};

        converse(inputs[i], 100);
        smtp_hang_up(&run.smtp, REPLY_TIMEOUT, &output);
        assert_string_equal(storage, "421 4.4.2 mail.example.com waited too long, closing\r\n");
        assert_int_equal(smtp_step(&run.smtp, &more, &output, &body), SMTP_CLOSE);
        assert_int_equal(more.size, 12);
        assert_int_equal(smtp_step(&run.smtp, &more, &output, &body), SMTP_CLOSE);
    }
}

static void a_rejection_says_what_was_refused(void **state)
{
    struct span input = SPAN(EHLO MAIL "RCPT TO:<Nobody@Example.COM>\r\n");
    const struct smtp_rejection *rejection = &run.smtp.rejection;

    (void)state;
    converse(input, input.size);
    assert_int_equal(rejection->reply, REPLY_UNKNOWN_USER);
    assert_true(span_equal(rejection->recipient, SPAN("Nobody@example.com")));
    assert_true(span_equal(rejection->reply_text, SPAN("550 5.1.1 <Nobody@example.com>: no such address here")));
    input = SPAN(EHLO MAIL "RCPT TO:<Nobody@Example.COM>\r\nFOO\r\n");
    converse(input, input.size);
    assert_int_equal(rejection->recipient.size, 0);
    assert_true(span_equal(rejection->reply_text, SPAN("500 5.5.2 command not recognised")));
}

/* The history is about mail: what its last refusal must be of, and how a session that ends so ends. */
static void noise_is_no_refusal_of_mail(void **state)
{
    const struct {
        struct span input;
        bool of_mail, asked;
        enum reply sent_away;
    } cases[] = {
        {SPAN("FOO\r\n"), false, false, REPLY_NONE},
        {SPAN("EHLO bad name\r\n"), false, false, REPLY_NONE},
        {SPAN("EHLO x\r\nSTARTTLS\r\n"), false, false, REPLY_NONE},
        {SPAN("GET / HTTP/1.1\r\n"), false, false, REPLY_NONE},
        {SPAN("MAIL FROM:<a@example.org>\n"), false, false, REPLY_NONE},
        {SPAN("MAIL FROM:<a@example.org>\r\n"), true, true, REPLY_NONE},
        {SPAN(EHLO "MAIL FROM:<a@example.org> SIZE=99999\r\n"), true, true, REPLY_NONE},
        {SPAN(EHLO MAIL "RCPT TO:<nobody@example.com>\r\n"), true, true, REPLY_NONE},
        {SPAN(EHLO MAIL "RCPT TO:nobody\r\n"), true, true, REPLY_NONE},
        {SPAN(EHLO MAIL "DATA\r\n"), true, true, REPLY_NONE},
        /* These follow from a refusal that is recorded. */
        {SPAN(EHLO MAIL "RCPT TO:<nobody@example.com>\r\nDATA\r\n"), false, true, REPLY_NONE},
        {SPAN(EHLO MAIL "RCPT TO:<a@example.com>\r\nDATA\r\nx\ny\r\n.\r\n"), true, true, REPLY_NONE},
        {SPAN(EHLO MAIL "RCPT TO:<a@example.com>\r\nBDAT x\r\n"), true, true, REPLY_OUT_OF_STEP},
        {SPAN(EHLO "BDAT x\r\n"), true, true, REPLY_OUT_OF_STEP},
        {SPAN("X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n"), false, false, REPLY_TOO_MANY_ERRORS},
        {SPAN(EHLO MAIL "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n"), false, true, REPLY_TOO_MANY_ERRORS},
        {SPAN(EHLO MAIL "X\r\nQUIT\r\n"), false, true, REPLY_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        converse(cases[i].input, cases[i].input.size);
        assert_int_equal(run.smtp.rejection.of_mail, cases[i].of_mail);
        assert_int_equal(run.smtp.asked, cases[i].asked);
        assert_int_equal(run.smtp.sent_away, cases[i].sent_away);
    }
}

static void a_sender_that_is_refused_is_known(void **state)
{
    struct span input = SPAN(EHLO "MAIL FROM:<Big@Example.ORG> SIZE=99999\r\n");

    (void)state;
    converse(input, input.size);
    assert_string_equal(run.smtp.mail.sender.text, "Big@example.org");
    assert_int_equal(run.smtp.state, SMTP_READY);
    input = SPAN(EHLO "MAIL FROM:<Big@Example.ORG\r\n");
    converse(input, input.size);
    assert_string_equal(run.smtp.mail.sender.text, "");
}

static void who_sends_too_many_commands_is_sent_away(void **state)
{
    struct span input = SPAN(EHLO MAIL "NOOP\r\nNOOP\r\n");

    (void)state;
    run.policy.max_commands = 3;
    converse(input, input.size);
    assert_int_equal(run.smtp.rejection.reply, REPLY_TOO_MANY_COMMANDS);
    assert_true(run.smtp.rejection.of_mail);
    input = SPAN("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n");
    converse(input, input.size);
    assert_int_equal(run.smtp.rejection.reply, REPLY_TOO_MANY_COMMANDS);
    assert_false(run.smtp.rejection.of_mail);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_taken),
        TEST(smtputf8),
        TEST(the_protocol_has_its_name),
        TEST(envelope_is_there_when_asked_for),
        TEST(order_of_commands),
        TEST(what_is_refused),
        TEST(nothing_is_relayed),
        TEST(recipients),
        TEST(too_many_recipients),
        TEST(the_storage_for_recipients_is_a_limit_too),
        TEST(a_full_storage_drops_nobody),
        TEST(unknown_ones_may_be_dropped),
        TEST(smuggling),
        TEST(messages_that_are_refused),
        TEST(failures_of_ours),
        TEST(chunks_make_a_message),
        TEST(a_message_in_chunks_can_be_withdrawn),
        TEST(chunks_out_of_turn),
        TEST(chunks_of_unknown_size_end_the_session),
        TEST(messages_in_chunks_that_are_refused),
        TEST(chunks_keep_to_the_limits),
        TEST(a_flood_of_chunks_behind_a_refused_one_is_no_error),
        TEST(failures_of_ours_in_chunks),
        TEST(chunks_for_nobody),
        TEST(a_body_is_on_its_way),
        TEST(too_many_commands_end_the_session),
        TEST(a_header_that_is_too_large),
        TEST(a_client_that_does_not_wait_for_the_greeting),
        TEST(tls_begins_the_session_anew),
        TEST(nothing_said_in_the_clear_survives_tls),
        TEST(tls_is_refused),
        TEST(too_many_errors_end_the_session),
        TEST(lines_that_are_too_long),
        TEST(nothing_is_read_while_answers_wait),
        TEST(hanging_up),
        TEST(a_rejection_says_what_was_refused),
        TEST(noise_is_no_refusal_of_mail),
        TEST(a_sender_that_is_refused_is_known),
        TEST(who_sends_too_many_commands_is_sent_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
