#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/config.h"
#include "processor/reply.h"
#include "tests/unit/support.h"

static struct config config;

static const char text[] = "hostname = \"mail.example.com\"\n"
                           "reply-limit = 3\n"
                           "route \"8ball@example.com\" { handler \"a\" { reply = {\"/bin/true\"} } }\n"
                           "route \"notes@example.com\" { handler \"a\" { run = {\"/bin/true\"} } }\n"
                           "route \"both@example.com\" {\n"
                           "    handler \"a\" { run = {\"/bin/true\"} }\n"
                           "    handler \"b\" { reply = {\"/bin/true\"} }\n"
                           "}\n"
                           "route \"*@all.example.com\" { handler \"a\" { reply = {\"/bin/true\"} } }\n";

static struct address address(const char *written)
{
    struct address parsed = {0};
    struct err err = {0};

    if (written[0] != '\0' && address_parse(&parsed, span_text(written), &err) != 0)
        fail_msg("%s", err.text);
    return parsed;
}

static const char *ask(const char *sender, const char *reply_to, const char *no_reply, unsigned recent)
{
    static struct message_headers headers;
    static struct address from;
    static struct address to;
    struct reply_question question = {
        .config = &config, .sender = &from, .to = &to, .headers = &headers, .recent = recent};

    memset(&headers, 0, sizeof headers);
    memcpy(headers.no_reply, no_reply, strlen(no_reply) + 1);
    from = address(sender);
    reply_destination(&from, reply_to, &to);
    return reply_refusal(&question);
}

/* ---- whether ---- */

static void senders_are_judged(void **state)
{
    static const struct {
        const char *sender;
        const char *reason; /* a part of it; NULL: may be answered */
    } rows[] = {
        {"asker@example.org", NULL},
        {"", "null sender"},
        {"MAILER-DAEMON@example.org", "mailer-daemon"},
        {"postmaster@example.org", "postmaster"},
        {"Postmaster", "postmaster"},
        {"owner-list@example.org", "owner"},
        {"list-owner@example.org", "owner"},
        {"List-Request@example.org", "list"},
        {"list-bounces@example.org", "bounces"},
        {"list-bounces+asker=example.com@example.org", "bounces"},
        {"bounce+x@example.org", "bounces"},
        {"no-reply@example.org", "no replies"},
        {"\"mailer-daemon\"@example.org", "mailer-daemon"},
        {"owner@example.org", NULL},
        {"requester@example.org", NULL},
        {"my-postmaster@example.org", NULL},
        {"bouncer@example.org", NULL},
        /* our own: only those that reply */
        {"8ball@example.com", "replies itself"},
        {"8BALL+x@Example.COM", "replies itself"},
        {"both@example.com", "replies itself"},
        {"anyone@all.example.com", "replies itself"},
        {"notes@example.com", NULL},
        {"nobody@example.com", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *reason = ask(rows[i].sender, "", "", 0);

        if (rows[i].reason == NULL && reason != NULL)
            fail_msg("%s: %s", rows[i].sender, reason);
        if (rows[i].reason != NULL && (reason == NULL || strstr(reason, rows[i].reason) == NULL))
            fail_msg("%s: %s", rows[i].sender, reason == NULL ? "no reason" : reason);
    }
}

static void headers_and_the_limit_are_heeded(void **state)
{
    (void)state;
    assert_string_equal(ask("asker@example.org", "", "Precedence is bulk", 0), "Precedence is bulk");
    assert_null(ask("asker@example.org", "", "", 2));
    assert_non_null(strstr(ask("asker@example.org", "", "", 3), "reply-limit"));
}

static void the_wished_address_is_judged_too(void **state)
{
    (void)state;
    assert_non_null(ask("asker@example.com", "8ball@example.com", "", 0));
    assert_non_null(ask("asker@example.org", "list-request@example.org", "", 0));
    assert_non_null(ask("8ball@example.com", "asker@example.com", "", 0));
    assert_null(ask("asker@example.org", "8ball@example.com", "", 0)); /* not that domain's word: passed over */
}

/* ---- where to ---- */

static void reply_to_counts_within_its_domain(void **state)
{
    static const struct {
        const char *reply_to;
        const char *to;
    } rows[] = {
        {"", "asker@example.org"},
        {"me@example.org", "me@example.org"},
        {"me@EXAMPLE.ORG", "me@example.org"},
        {"Me <me@example.org>", "me@example.org"},
        {"  <me@example.org>  ", "me@example.org"},
        {"\"A, B <c@example.org>\" <me@example.org>", "me@example.org"},
        {"\"A \\\" <c@example.org>, \" <me@example.org>", "me@example.org"},
        {"\"m e\"@example.org", "\"m e\"@example.org"},
        /* elsewhere, several, none */
        {"me@example.net", "asker@example.org"},
        {"me@sub.example.org", "asker@example.org"},
        {"me@example.org, you@example.org", "asker@example.org"},
        {"A <me@example.org>, B <you@example.org>", "asker@example.org"},
        {"Group: me@example.org;", "asker@example.org"},
        {"me", "asker@example.org"},
        {"<>", "asker@example.org"},
        {"<", "asker@example.org"},
        {">", "asker@example.org"},
        {"\"", "asker@example.org"},
        {"\"\\", "asker@example.org"},
        {"<me@example.org> x", "asker@example.org"},
        {"<me@example.org> \"x>", "asker@example.org"},
        {"postmaster", "asker@example.org"},
    };
    struct address sender = address("asker@example.org");
    struct address to;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reply_destination(&sender, rows[i].reply_to, &to);
        assert_string_equal(to.text, rows[i].to);
    }
    sender = address("asker@[IPv6:2001:db8::1]");
    reply_destination(&sender, "Me <me@[IPv6:2001:db8::1]>", &to);
    assert_string_equal(to.text, "me@[IPv6:2001:db8::1]");
    sender = address("");
    reply_destination(&sender, "me@example.org", &to);
    assert_string_equal(to.text, "");
}

/* ---- what ---- */

static void the_letter_is_prepared(void **state)
{
    static struct message_headers headers = {
        .subject = "Will it rain?", .message_id = "<1@example.org>", .references = "<0@example.org>"};
    struct address recipient = address("8ball@example.com");
    struct address to = address("asker@example.org");
    struct reply_source source = {
        .delivery = "06DK3T9Q2B7XH0VA-1-answer",
        .hostname = "mail.example.com",
        .recipient = &recipient,
        .to = &to,
        .headers = &headers,
        .now_ms = 1769903999000,
    };
    static struct message_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(reply_prepare(&reply, &source, &err), 0);
    assert_string_equal(reply.from, "8ball@example.com");
    assert_string_equal(reply.to, "asker@example.org");
    assert_string_equal(reply.subject, "Will it rain?");
    assert_string_equal(reply.in_reply_to, "<1@example.org>");
    assert_string_equal(reply.references, "<0@example.org>");
    assert_string_equal(reply.date, "Sat, 31 Jan 2026 23:59:59 +0000");
    assert_string_equal(reply.message_id, "<reply.06DK3T9Q2B7XH0VA-1-answer@mail.example.com>");

    /* a retry is the same letter, a replay another */
    source.now_ms += 60000;
    assert_int_equal(reply_prepare(&reply, &source, &err), 0);
    assert_string_equal(reply.message_id, "<reply.06DK3T9Q2B7XH0VA-1-answer@mail.example.com>");
    source.replay = 2;
    assert_int_equal(reply_prepare(&reply, &source, &err), 0);
    assert_string_equal(reply.message_id, "<reply.06DK3T9Q2B7XH0VA-1-answer.2@mail.example.com>");

    /* what may not stand in a message ID, and two keys that must not become one */
    source.replay = 0;
    source.delivery = "a b>@\xfc_.";
    assert_int_equal(reply_prepare(&reply, &source, &err), 0);
    assert_string_equal(reply.message_id, "<reply.a_20b_3e_40_fc_5f_2e@mail.example.com>");

    recipient = address("postmaster");
    assert_int_equal(reply_prepare(&reply, &source, &err), 0);
    assert_string_equal(reply.from, "postmaster@mail.example.com");
}

static void what_does_not_fit_is_refused(void **state)
{
    static char key[MESSAGE_TEXT_SIZE + 10];
    static struct message_headers headers;
    static struct message_reply reply;
    struct address to = address("asker@example.org");
    struct reply_source source = {
        .delivery = key, .hostname = "mail.example.com", .recipient = &to, .to = &to, .headers = &headers};
    struct err err = {0};

    (void)state;
    memset(key, 'x', sizeof key - 1);
    assert_int_equal(reply_prepare(&reply, &source, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
}

static int load(void **state)
{
    struct config_errors errors = {0};
    int status = config_load_text(&config, "test.conf", text, &errors);

    (void)state;
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s\n", errors.list[i]);
    config_errors_free(&errors);
    return status;
}

static int unload(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_are_judged),
        cmocka_unit_test(headers_and_the_limit_are_heeded),
        cmocka_unit_test(the_wished_address_is_judged_too),
        cmocka_unit_test(reply_to_counts_within_its_domain),
        cmocka_unit_test(the_letter_is_prepared),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
