#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "receiver/command.h"
#include "tests/unit/support.h"

static void verbs_are_found(void **state)
{
    const struct {
        struct span line;
        enum verb verb;
        enum reply refusal;
        const char *argument;
    } rows[] = {
        {SPAN("EHLO c.example.org"), VERB_EHLO, REPLY_NONE, "c.example.org"},
        {SPAN("ehlo  c.example.org \t"), VERB_EHLO, REPLY_NONE, "c.example.org"},
        {SPAN("HELO\tx"), VERB_HELO, REPLY_NONE, "x"},
        {SPAN("HELO"), VERB_HELO, REPLY_BAD_HELO, ""},
        {SPAN("EHLO "), VERB_EHLO, REPLY_BAD_HELO, ""},
        {SPAN("MaIl FROM:<>"), VERB_MAIL, REPLY_NONE, "FROM:<>"},
        {SPAN("MAIL"), VERB_MAIL, REPLY_MAIL_SYNTAX, ""},
        {SPAN("RCPT"), VERB_RCPT, REPLY_RCPT_SYNTAX, ""},
        {SPAN("DATA"), VERB_DATA, REPLY_NONE, ""},
        {SPAN("DATA "), VERB_DATA, REPLY_NONE, ""},
        {SPAN("DATA now"), VERB_DATA, REPLY_NO_ARGUMENT, "now"},
        {SPAN("RSET x"), VERB_RSET, REPLY_NO_ARGUMENT, "x"},
        {SPAN("QUIT x"), VERB_QUIT, REPLY_NO_ARGUMENT, "x"},
        {SPAN("NOOP"), VERB_NOOP, REPLY_NONE, ""},
        {SPAN("NOOP \xC3\xBC <> x"), VERB_NOOP, REPLY_NONE, "\xC3\xBC <> x"},
        {SPAN("HELP me"), VERB_HELP, REPLY_NONE, "me"},
        {SPAN("VRFY a"), VERB_VRFY, REPLY_NONE, "a"},
        {SPAN("VRFY"), VERB_VRFY, REPLY_NEEDS_ARGUMENT, ""},
        {SPAN(""), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN(" "), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN(" NOOP"), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, "NOOP"},
        {SPAN("NOOPS"), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN("NOO"), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN("MAILFROM:<>"), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN("NOOP\0"), VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND, ""},
        {SPAN("NOOP \0"), VERB_NOOP, REPLY_CONTROL_BYTE, NULL},
        {SPAN("NOOP \rQUIT"), VERB_NOOP, REPLY_CONTROL_BYTE, NULL},
        {SPAN("NOOP \nQUIT"), VERB_NOOP, REPLY_CONTROL_BYTE, NULL},
        {SPAN("NOOP \x7F"), VERB_NOOP, REPLY_CONTROL_BYTE, NULL},
        {SPAN("RCPT TO:<a@example.com\0@far.example>"), VERB_RCPT, REPLY_CONTROL_BYTE, NULL},
        {SPAN("EXPN list"), VERB_UNKNOWN, REPLY_NOT_IMPLEMENTED, "list"},
        {SPAN("AUTH PLAIN AAAA"), VERB_UNKNOWN, REPLY_NOT_IMPLEMENTED, "PLAIN AAAA"},
        {SPAN("StartTLS"), VERB_STARTTLS, REPLY_NONE, ""},
        {SPAN("STARTTLS x"), VERB_STARTTLS, REPLY_NO_ARGUMENT, "x"},
        {SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 1 25"), VERB_UNKNOWN, REPLY_NOT_IMPLEMENTED, NULL},
        {SPAN("XCLIENT ADDR=192.0.2.1"), VERB_UNKNOWN, REPLY_NOT_IMPLEMENTED, NULL},
        {SPAN("XFORWARD ADDR=192.0.2.1"), VERB_UNKNOWN, REPLY_NOT_IMPLEMENTED, NULL},
        {SPAN("bdat 10 LAST"), VERB_BDAT, REPLY_NONE, "10 LAST"},
        {SPAN("BDAT"), VERB_BDAT, REPLY_BAD_CHUNK, ""},
        {SPAN("GET / HTTP/1.1"), VERB_UNKNOWN, REPLY_NOT_HTTP, NULL},
        {SPAN("POST / HTTP/1.1"), VERB_UNKNOWN, REPLY_NOT_HTTP, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command = command_read(rows[i].line);

        if (command.verb != rows[i].verb || command.refusal != rows[i].refusal)
            print_error("%.*s\n", (int)rows[i].line.size, rows[i].line.data);
        assert_int_equal(command.verb, rows[i].verb);
        assert_int_equal(command.refusal, rows[i].refusal);
        if (rows[i].argument != NULL)
            assert_true(span_equal(command.argument, span_text(rows[i].argument)));
        assert_int_equal(command.ends_session, rows[i].refusal == REPLY_NOT_HTTP);
    }
}

static void only_mail_and_rcpt_may_be_long(void **state)
{
    static const struct {
        const char *start;
        size_t size; /* without CRLF */
        bool fits;
    } rows[] = {
        {"NOOP ", 510, true},  {"NOOP ", 511, false}, {"MAIL ", 511, true},  {"RCPT ", 998, true},
        {"MAIL ", 999, false}, {"VRFY ", 511, false}, {"EHLO ", 511, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[1000];

        memset(line, 'x', sizeof line);
        memcpy(line, rows[i].start, 5);
        assert_int_equal(command_read((struct span){line, rows[i].size}).refusal,
                         rows[i].fits ? REPLY_NONE : REPLY_LINE_TOO_LONG);
    }
}

static void what_mail_says(void **state)
{
    const struct {
        struct span argument;
        const char *sender; /* NULL: refused */
        uint64_t size;
        bool has_size;
        bool has_body;
        enum reply refusal;
    } rows[] = {
        {SPAN("FROM:<a@example.org>"), "a@example.org", 0, false, false, REPLY_NONE},
        {SPAN("from:<>"), "", 0, false, false, REPLY_NONE},
        {SPAN("FROM: <a@example.org>"), "a@example.org", 0, false, false, REPLY_NONE},
        {SPAN("FROM:<> SIZE=0"), "", 0, true, false, REPLY_NONE},
        {SPAN("FROM:<> size=123  body=8bitmime"), "", 123, true, true, REPLY_NONE},
        {SPAN("FROM:<> BODY=7BIT SIZE=18446744073709551615"), "", UINT64_MAX, true, true, REPLY_NONE},
        {.argument = SPAN("FROM:<> SIZE=18446744073709551616"), .refusal = REPLY_BAD_SIZE},
        {.argument = SPAN("FROM:<> SIZE=99999999999999999999999"), .refusal = REPLY_BAD_SIZE},
        {.argument = SPAN("FROM:<> SIZE=-1"), .refusal = REPLY_BAD_SIZE},
        {.argument = SPAN("FROM:<> SIZE=1k"), .refusal = REPLY_BAD_SIZE},
        {.argument = SPAN("FROM:<> SIZE"), .refusal = REPLY_BAD_SIZE},
        {.argument = SPAN("FROM:<> SIZE="), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<> SIZE=1 SIZE=1"), .refusal = REPLY_REPEATED_PARAMETER},
        {.argument = SPAN("FROM:<> BODY=7BIT BODY=7BIT"), .refusal = REPLY_REPEATED_PARAMETER},
        {.argument = SPAN("FROM:<> BODY=BINARYMIME"), .refusal = REPLY_BAD_BODY},
        {.argument = SPAN("FROM:<> BODY"), .refusal = REPLY_BAD_BODY},
        {.argument = SPAN("FROM:<> AUTH=<>"), .refusal = REPLY_UNKNOWN_PARAMETER},
        {SPAN("FROM:<> SmtpUtf8 SIZE=1"), "", 1, true, false, REPLY_NONE},
        {SPAN("FROM:<j\xC3\xBCrgen@gr\xC3\xBC.example> SMTPUTF8"), "j\xC3\xBCrgen@gr\xC3\xBC.example", 0, false,
         false, REPLY_NONE},
        {.argument = SPAN("FROM:<> SMTPUTF8=1"), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<> SMTPUTF8="), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<> SMTPUTF8 SMTPUTF8"), .refusal = REPLY_REPEATED_PARAMETER},
        {.argument = SPAN("FROM:<\xC3\xBC@example.org> FOO"), .refusal = REPLY_UNKNOWN_PARAMETER},
        {.argument = SPAN("FROM:<@\xC3\xBC.example:a@example.org>"), .refusal = REPLY_NOT_ASCII},
        {.argument = SPAN("FROM:<\xC3@example.org> SMTPUTF8"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:<\"\xED\xA0\x80\"@example.org> SMTPUTF8"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:<a@\xC0\xAF.example> SMTPUTF8"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:<> RET=HDRS"), .refusal = REPLY_UNKNOWN_PARAMETER},
        {.argument = SPAN("FROM:<> =1"), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<> -X=1"), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<> <b@example.org>"), .refusal = REPLY_BAD_PARAMETER},
        {.argument = SPAN("FROM:<>SIZE=1"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:<a@example.org"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:a@example.org"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM:"), .refusal = REPLY_BAD_SENDER},
        {.argument = SPAN("FROM"), .refusal = REPLY_MAIL_SYNTAX},
        {.argument = SPAN("TO:<a@example.org>"), .refusal = REPLY_MAIL_SYNTAX},
        {.argument = SPAN("FROM:<\xC3\xBC@example.org>"), .refusal = REPLY_NOT_ASCII},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mail_arguments mail;
        enum reply refusal = command_parse_mail(rows[i].argument, &mail);

        if (refusal != rows[i].refusal)
            print_error("%.*s\n", (int)rows[i].argument.size, rows[i].argument.data);
        assert_int_equal(refusal, rows[i].refusal);
        if (refusal != REPLY_NONE)
            continue;
        assert_string_equal(mail.sender.text, rows[i].sender);
        assert_int_equal(mail.has_size, rows[i].has_size);
        assert_true(mail.size_bytes == rows[i].size);
        assert_int_equal(mail.has_body, rows[i].has_body);
    }
}

static void what_rcpt_says(void **state)
{
    const struct {
        struct span argument;
        enum reply refusal;
        const char *recipient;
    } rows[] = {
        {SPAN("TO:<a@example.com>"), REPLY_NONE, "a@example.com"},
        {SPAN("to:  <postmaster>  "), REPLY_NONE, "postmaster"},
        {SPAN("TO:<>"), REPLY_BAD_RECIPIENT, NULL},
        {SPAN("TO:<a@example.com> NOTIFY=NEVER"), REPLY_UNKNOWN_PARAMETER, NULL},
        {SPAN("TO:<a@example.com> SIZE=1"), REPLY_UNKNOWN_PARAMETER, NULL},
        {SPAN("TO:<a@example.com> ="), REPLY_BAD_PARAMETER, NULL},
        {SPAN("TO:<a@example.com>>"), REPLY_BAD_RECIPIENT, NULL},
        {SPAN("TO:<a@example.com>, <b@example.com>"), REPLY_BAD_RECIPIENT, NULL},
        {SPAN("TO <a@example.com>"), REPLY_RCPT_SYNTAX, NULL},
        {SPAN("TO:<a@gr\xC3\xBC.example>"), REPLY_NOT_ASCII, NULL},
        {SPAN("TO:<a@gr\xC3\xBC.example> SMTPUTF8"), REPLY_UNKNOWN_PARAMETER, NULL}, /* MAIL's alone */
        {SPAN("TO:<a@gr\xC3.example>"), REPLY_BAD_RECIPIENT, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address recipient;
        enum reply refusal = command_parse_rcpt(rows[i].argument, false, &recipient);

        if (refusal != rows[i].refusal)
            print_error("%.*s\n", (int)rows[i].argument.size, rows[i].argument.data);
        assert_int_equal(refusal, rows[i].refusal);
        if (refusal == REPLY_NONE)
            assert_string_equal(recipient.text, rows[i].recipient);
        /* With SMTPUTF8 the one thing that changes. */
        assert_int_equal(command_parse_rcpt(rows[i].argument, true, &recipient),
                         refusal == REPLY_NOT_ASCII ? REPLY_NONE : refusal);
    }
}

static void what_bdat_says(void **state)
{
    const struct {
        struct span argument;
        enum reply refusal;
        uint64_t size;
        bool is_last;
    } rows[] = {
        {SPAN("0"), REPLY_NONE, 0, false},
        {SPAN("10"), REPLY_NONE, 10, false},
        {SPAN("10 LAST"), REPLY_NONE, 10, true},
        {SPAN("0010 \t last"), REPLY_NONE, 10, true},
        {SPAN("18446744073709551615"), REPLY_NONE, UINT64_MAX, false},
        {SPAN("18446744073709551616"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("99999999999999999999999 LAST"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("-1"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("+1"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("0x10"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("1k"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("LAST"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("LAST 10"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("10LAST"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("10 LAST 10"), REPLY_BAD_CHUNK, 0, false},
        {SPAN("10 20"), REPLY_BAD_CHUNK, 0, false},
        {SPAN(""), REPLY_BAD_CHUNK, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chunk_arguments chunk;

        assert_int_equal(command_parse_bdat(rows[i].argument, &chunk), rows[i].refusal);
        if (rows[i].refusal == REPLY_NONE) {
            assert_true(chunk.size_bytes == rows[i].size);
            assert_int_equal(chunk.is_last, rows[i].is_last);
        }
    }
}

/* Writes what comes of `input`, given in reads of `step` bytes: "[line]", "L" for too long, "F" for a bare LF. */
static void describe_lines(struct span input, size_t step, struct buf *found)
{
    struct command_line line = {0};

    while (input.size > 0) {
        struct span read = span_slice(input, 0, step);

        input = span_slice(input, read.size, input.size);
        while (read.size > 0) {
            struct span text = {0};

            switch (command_take_line(&line, &read, &text)) {
            case COMMAND_LINE_WHOLE:
                buf_put_byte(found, '[');
                buf_put(found, text);
                buf_put_byte(found, ']');
                break;
            case COMMAND_LINE_TOO_LONG:
                buf_put_byte(found, 'L');
                break;
            case COMMAND_LINE_BARE_LF:
                buf_put_byte(found, 'F');
                break;
            case COMMAND_LINE_PART:
                break;
            }
        }
    }
}

static void only_crlf_ends_a_line(void **state)
{
    const struct {
        struct span input;
        const char *lines;
    } rows[] = {
        {SPAN("NOOP\r\nQUIT\r\n"), "[NOOP][QUIT]"},
        {SPAN("\r\n\r\n"), "[][]"},
        {SPAN("NOOP"), ""},
        {SPAN("NOOP\r"), ""},
        {SPAN("NOOP\n"), "F"},
        {SPAN("NOOP\nQUIT\r\nRSET\r\n"), "F[RSET]"},
        {SPAN("NOOP\n\n\nQUIT\n\r\nRSET\r\n"), "F[RSET]"},
        {SPAN("\n\r\nRSET\r\n"), "F[RSET]"},
        {SPAN("A\rB\r\n"), "[A\rB]"},
        {SPAN("A\r\r\n"), "[A\r]"},
        {SPAN("A\n\rB\r\nC\r\n"), "F[C]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step < 8; step++) {
            char storage[100];
            struct buf found = buf_over(storage, sizeof storage);

            describe_lines(rows[i].input, step, &found);
            assert_string_equal(storage, rows[i].lines);
        }
}

/* A line of `size` bytes, its CRLF counted. */
static void put_long_line(struct buf *input, size_t size)
{
    buf_clear(input);
    while (input->size < size - 2)
        buf_put_byte(input, 'x');
    buf_put_text(input, "\r\n");
}

static void the_tail_of_a_long_line_is_swallowed(void **state)
{
    static char input_storage[5000];
    struct buf input = buf_over(input_storage, sizeof input_storage);
    const struct {
        size_t size; /* of the first line, its CRLF counted */
        const char *lines;
    } rows[] = {{COMMAND_LONG_LINE_MAX + 1, "L[QUIT]"}, {4000, "L[QUIT]"}, {4096, "L[QUIT]"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step < sizeof input_storage; step = step * 2 + 1) {
            char storage[100];
            struct buf found = buf_over(storage, sizeof storage);

            put_long_line(&input, rows[i].size);
            buf_put_text(&input, "QUIT\r\n");
            describe_lines(buf_span(&input), step, &found);
            assert_string_equal(storage, rows[i].lines);
        }
}

static void the_longest_line_is_whole(void **state)
{
    char storage[COMMAND_LONG_LINE_MAX + 1];
    struct buf input = buf_over(storage, sizeof storage);
    struct command_line line = {0};
    struct span text = {0};
    struct span rest;

    (void)state;
    put_long_line(&input, COMMAND_LONG_LINE_MAX);
    rest = buf_span(&input);
    assert_int_equal(command_take_line(&line, &rest, &text), COMMAND_LINE_WHOLE);
    assert_int_equal(text.size, COMMAND_LONG_LINE_MAX - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_are_found),
        cmocka_unit_test(only_mail_and_rcpt_may_be_long),
        cmocka_unit_test(what_mail_says),
        cmocka_unit_test(what_rcpt_says),
        cmocka_unit_test(what_bdat_says),
        cmocka_unit_test(only_crlf_ends_a_line),
        cmocka_unit_test(the_tail_of_a_long_line_is_swallowed),
        cmocka_unit_test(the_longest_line_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
