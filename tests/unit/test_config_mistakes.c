#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "tests/unit/support.h"

/* ---- mistakes: the text, and all that is said of it, without the file's name ---- */

struct mistake {
    const char *text;
    const char *messages;
};

static void expect(const struct mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config config = {0};
        struct config_errors errors = {0};
        char storage[8192];
        struct buf said = buf_over(storage, sizeof storage);

        assert_int_equal(config_load_text(&config, "t", mistakes[i].text, &errors), -1);
        for (size_t j = 0; j < errors.count; j++)
            buf_printf(&said, "%s%s", j == 0 ? "" : "\n", errors.list[j] + 2);
        assert_string_equal(storage, mistakes[i].messages);
        assert_null(config.path);
        assert_int_equal(config.route_count, 0);
        config_free(&config);
        config_errors_free(&errors);
    }
}

#define EXPECT(table) expect((table), sizeof(table) / sizeof(table)[0])

static void mistakes_of_syntax(void **state)
{
    static const struct mistake rows[] = {
        {"hostname = \"mail.example.com\nspool = \"/x\"\n", "1: a text is not ended on its line; close it with \""},
        {"\n\nhostname = 'a", "3: a text is not ended on its line; close it with '"},
        {"hostname = \"a\\", "1: a backslash in quotes; after it may stand \" \\ n t or $, "
                             "and a backslash itself is written \\\\"},
        {"hostname = \"a\\0\"", "1: a backslash in quotes; after it may stand \" \\ n t or $, "
                                "and a backslash itself is written \\\\"},
        {"# x\n/* y\n", "2: a comment is not ended; close it with */"},
        {"/*/", "1: a comment is not ended; close it with */"},
        {"hostname = a.example;", "1: unexpected ;; remove it, or put the value in quotes"},
        {"hostname = \001", "1: a control character, byte 0x01; remove it"},
        {"hostname = \"\x7F\"", "1: a control character, byte 0x7F; remove it"},
        {"hostname = a\r", "1: a control character, byte 0x0D; remove it"},
        {"hostname \"a.example\"", "1: hostname is not followed by =; write hostname = VALUE"},
        {"hostname", "1: hostname is not followed by =; write hostname = VALUE"},
        {"hostname { }", "1: hostname is not followed by =; write hostname = VALUE"},
        {"hostname =", "1: the file ends where a value should stand"},
        {"hostname =\n= a", "2: unexpected = where a value should stand"},
        {"hostname = a.example }", "1: unexpected }; nothing is open here, remove it"},
        {"{ }", "1: unexpected { where a key should stand"},
        {"sendmail = {\"/a\" \"b\"}", "1: unexpected \"b\" where a comma or } should stand"},
        {"sendmail = {,}", "1: unexpected , where a value or } should stand"},
        {"sendmail = {\"/a\",", "1: the file ends where a value or } should stand"},
        {"sendmail+= {\"b\"}", "1: unknown key sendmail+; did you mean sendmail?"},
        {"sendmail += {\"b\"}", "1: sendmail is not followed by =; write sendmail = VALUE"},
        {"route a@example.com", "1: route needs its braces; write route \"ADDRESS\" { ... }"},
        {"route a@example.com b { }", "1: route needs its braces; write route \"ADDRESS\" { ... }"},
        {"route a@example.com {\n handler h {\n run = x\n }\n",
         "1: the braces that are opened here are not closed; add a }"},
        {"a { a { a { a { a { a { a { a { a {", "1: unknown key a; remove it\n"
                                                "1: more than 8 sections within each other"},
        {"unknown = maybe\nspool = x\nhostname = \"a\nindex = y",
         "1: unknown: \"maybe\" is not a choice; write one of: reject discard\n"
         "2: spool: \"x\" is not an absolute path; begin it with /\n"
         "3: a text is not ended on its line; close it with \""},
    };

    (void)state;
    EXPECT(rows);
}

static void mistakes_about_keys(void **state)
{
    static const struct mistake rows[] = {
        {"hostnam = a", "1: unknown key hostnam; did you mean hostname?"},
        {"Hostname = a", "1: unknown key Hostname; did you mean hostname?"},
        {"max_message_size = 1M", "1: unknown key max_message_size; did you mean max-message-size?"},
        {"max-message = 1M", "1: unknown key max-message; did you mean max-message-size?"},
        {"recipients = 100", "1: unknown key recipients; did you mean max-recipients?"},
        {"xyzzy = 1", "1: unknown key xyzzy; remove it"},
        {"a-name-longer-than-any-that-we-have-in-our-table = 1",
         "1: unknown key a-name-longer-than-any-that-we-have-in-our-table; remove it"},
        {"\"hostname\" = a", "1: unknown key \"hostname\"; did you mean hostname?"},
        {"rout \"a@example.com\" {\n handler h { runn = {\"x\"} b { c = {d} } }\n}\nspoool = x",
         "1: unknown key rout; did you mean route?\n4: unknown key spoool; did you mean spool?"},
        {"timeout = 5m", "1: timeout does not belong here; it stands inside a handler { }"},
        {"handler h { }", "1: handler does not belong here; it stands inside a route { }"},
        {"route a@example.com {\n user = x\n spool = x\n handler h {\n  run = {\"x\"}\n  spool = /x\n } }",
         "2: user does not belong here; it stands inside a handler { }\n"
         "3: spool does not belong here; it stands outside of all braces\n"
         "6: spool does not belong here; it stands outside of all braces"},
        {"spool = /a\n\nspool\n=\n/b\nspool = c", "3: spool is given twice, first in line 1; remove one\n"
                                                  "6: spool is given twice, first in line 1; remove one"},
        {"route a@example.com { handler h {\nrun = {\"x\"}\nrun = {\"x\"} } }",
         "3: run is given twice, first in line 2; remove one"},
        {"hostname = {\"a.example\"}", "1: hostname takes one value, not a list; leave out the braces"},
        {"route = \"a@example.com\"", "1: route takes no =; write route \"ADDRESS\" { ... }"},
        {"route a@example.com { handler = x }", "1: handler takes no =; write handler \"NAME\" { ... }"},
    };

    (void)state;
    EXPECT(rows);
}

static void mistakes_in_values(void **state)
{
    static const struct mistake rows[] = {
        {"hostname = \"mail example\"",
         "1: hostname: \"mail example\" is not a domain name; write one such as mail.example.com"},
        {"hostname = \"\"", "1: hostname: \"\" is not a domain name; write one such as mail.example.com"},
        {"spool =\n\"var/spool\"", "1: spool: \"var/spool\" is not an absolute path; begin it with /"},
        {"workdir = \"\"", "1: workdir: \"\" is not an absolute path; begin it with /"},
        {"handlers = ~/x", "1: unexpected ~; remove it, or put the value in quotes"},
        {"index = \"/var/lib/\"", "1: index: \"/var/lib/\" is a folder; put the file's name behind it"},
        {"log-file = \"log\"", "1: log-file: \"log\" is not an absolute path; begin it with /"},
        {"certificate = \"/c\"", "1: certificate: its private key is missing; write key = \"FILE\""},
        {"\nkey = \"/k\"", "2: key: its certificate is missing; write certificate = \"FILE\""},
        {"certificate = \"c\" key = \"/k\"", "1: certificate: \"c\" is not an absolute path; begin it with /"},
        {"user = \"a:b\"", "1: user: \"a:b\" is not a user's name; write one that getent passwd lists"},
        {"user = \"\"", "1: user: \"\" is not a user's name; write one that getent passwd lists"},
        {"user = -x", "1: user: \"-x\" is not a user's name; write one that getent passwd lists"},
        {"unknown = Reject", "1: unknown: \"Reject\" is not a choice; write one of: reject discard"},
        {"unknown = \"\"", "1: unknown: \"\" is not a choice; write one of: reject discard"},
        {"max-message-size = 25X",
         "1: max-message-size: \"25X\" is not a size; write digits and K, M or G, such as 25M"},
        {"max-message-size = \"\"",
         "1: max-message-size: \"\" is not a size; write digits and K, M or G, such as 25M"},
        {"max-message-size = -1",
         "1: max-message-size: \"-1\" is not a size; write digits and K, M or G, such as 25M"},
        {"max-message-size = 99999999999999999999G",
         "1: max-message-size: \"99999999999999999999G\" is not a size; write digits and K, M or G, such as 25M"},
        {"max-message-size = 1023", "1: max-message-size: \"1023\" is out of bounds; write one from 1K to 1G"},
        {"max-message-size = 2G", "1: max-message-size: \"2G\" is out of bounds; write one from 1K to 1G"},
        {"max-recipients = 99", "1: max-recipients: \"99\" is out of bounds; write one from 100 to 1000"},
        {"max-recipients = 1001", "1: max-recipients: \"1001\" is out of bounds; write one from 100 to 1000"},
        {"max-runs = 0", "1: max-runs: \"0\" is out of bounds; write one from 1 to 200"},
        {"max-runs = 1.5", "1: max-runs: \"1.5\" is not a number; write digits alone"},
        {"command-timeout = 5x",
         "1: command-timeout: \"5x\" is not a duration; write digits and s, m, h or d, such as 10m"},
        {"session-timeout = 0", "1: session-timeout: \"0\" is out of bounds; write one from 1s to 7d"},
        {"command-timeout = forever",
         "1: command-timeout: \"forever\" is not a duration; write digits and s, m, h or d, such as 10m"},
        {"keep-dead = ever",
         "1: keep-dead: \"ever\" is not a duration; write digits and s, m, h or d, such as 30d, or forever"},
        {"keep-dead = 1m", "1: keep-dead: \"1m\" is out of bounds; write one from 1h to forever"},
        {"on-dead = {\"./tell\"}",
         "1: on-dead: the program \"./tell\" is a relative path; begin it with /, or write a "
         "bare name for one in the folder of handlers"},
        {"keep-history = 1d dedupe = 2d", "1: dedupe (172800s) is longer than keep-history (86400s), in which copies "
                                          "are looked for; set both"},
        {"route a@example.com {\n dedupe = 31d }", "2: dedupe: \"31d\" is out of bounds; write one from 0 to 30d"},
        {"sendmail = {}", "1: sendmail: no program is given; write {\"PROGRAM\", \"ARGUMENT\", ...}"},
        {"sendmail = {\"\"}", "1: sendmail: the program is empty; write {\"PROGRAM\", \"ARGUMENT\", ...}"},
        {"sendmail = sendmail", "1: sendmail: the program \"sendmail\" is not an absolute path; begin it with /"},
        {"trusted-proxies = proxy.example.com",
         "1: trusted-proxies: \"proxy.example.com\" is not an address or a "
         "network; write one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32"},
        {"trusted-proxies = {\"192.0.2.1\",\n\"\"}", "1: trusted-proxies: \"\" is not an address or a network; write "
                                                     "one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32"},
        {"trusted-proxies = \"192.0.2.0/33\"",
         "1: trusted-proxies: \"192.0.2.0/33\" has no good prefix length; write "
         "one from 0 to 32 behind the /"},
        {"trusted-proxies = \"192.0.2.0/\"",
         "1: trusted-proxies: \"192.0.2.0/\" has no good prefix length; write one "
         "from 0 to 32 behind the /"},
        {"trusted-proxies = {\"::1\", \"2001:db8::/129\"}",
         "1: trusted-proxies: \"2001:db8::/129\" has no good prefix "
         "length; write one from 0 to 128 behind the /"},
        {"trusted-proxies = \"192.0.2.1/24\"",
         "1: trusted-proxies: \"192.0.2.1/24\" has bits set behind its prefix; write 192.0.2.0/24, or 192.0.2.1 for "
         "that address alone"},
        {"\ntrusted-proxies = \"2001:db8::1/64\"",
         "2: trusted-proxies: \"2001:db8::1/64\" has bits set behind its prefix; write 2001:db8::/64, or 2001:db8::1 "
         "for that address alone"},
    };

    (void)state;
    EXPECT(rows);
}

static void mistakes_in_routes_and_handlers(void **state)
{
    static const struct mistake rows[] = {
        {"route nobody { }", "1: route: \"nobody\" is not an address: only postmaster needs no domain"},
        {"route { }", "1: route: an address is missing; write route \"local@domain\" { ... }"},
        {"route * { }", "1: route: \"*\" is not an address: only postmaster needs no domain"},
        {"route \"*@*\" { }", "1: route: \"*@*\" is not an address: its domain is neither a domain name "
                              "nor an address in brackets"},
        {"route \"A@Example.com\" { }\n\nroute \"\\\"a\\\"@EXAMPLE.COM\" { }\nroute a@example.org { }",
         "3: route \"a@example.com\" is there already, in line 1 (letter case does not matter); "
         "put all its handlers into one"},
        {"route a@example.com { }\nroute a@example.com { }",
         "2: route \"a@example.com\" is there already, in line 1 (letter case does not matter); "
         "put all its handlers into one"},
        {"route *@example.com { }\nroute *@example.COM { }",
         "2: route \"*@example.com\" is there already, in line 1 (letter case does not matter); "
         "put all its handlers into one"},
        {"route a@example.com {\n handler x { run = x }\n handler y { run = x }\n handler X { run = x }\n}",
         "4: handler \"X\" is there already, in line 2; give it another name"},
        {"route a@example.com { handler x { } }",
         "1: handler \"x\" has no program; give it one of run, filter and reply"},
        {"route a@example.com { handler x {\nrun = x\nfilter = x\nreply = x\n} }",
         "3: handler \"x\" has filter here and run in line 2; keep one of them\n"
         "4: handler \"x\" has reply here and run in line 2; keep one of them"},
        {"route a@example.com { handler \"a b\" { run = x } }",
         "1: handler: \"a b\" is not a name; write up to 64 letters, digits, - and _"},
        {"route a@example.com { handler { run = x } }",
         "1: handler: \"\" is not a name; write up to 64 letters, digits, - and _"},
        {"route a@example.com { handler x {\nrun = {} } }",
         "2: run: no program is given; write {\"PROGRAM\", \"ARGUMENT\", ...}"},
        {"route a@example.com { handler x {\nreply = {\"\", \"x\"} } }",
         "2: reply: the program is empty; write {\"PROGRAM\", \"ARGUMENT\", ...}"},
        {"route a@example.com { handler x {\nrun = {\n\"bin/x\"} } }",
         "2: run: the program \"bin/x\" is a relative path; begin it with /, or write a bare name "
         "for one in the folder of handlers"},
        {"route a@example.com { handler x {\nrun = .. } }",
         "2: run: the program \"..\" is a relative path; begin it with /, or write a bare name "
         "for one in the folder of handlers"},
        {"route a@example.com { handler x { run = x\nretry-first = 2h } }",
         "2: retry-first (7200s) is longer than retry-max (3600s); set both"},
        {"route a@example.com { handler x { run = x\n\nretry-max = 30s } }",
         "3: retry-first (60s) is longer than retry-max (30s); set both"},
        {"route a@example.com { handler x { run = x exit-codes = {\"256=done\"} } }",
         "1: exit-codes: \"256=done\" is not CODE=MEANING; write a number up to 255 and done, skip, retry or dead, "
         "such as \"75=retry\""},
        {"route a@example.com { handler x { run = x exit-codes = \"1=ok\" } }",
         "1: exit-codes: \"1=ok\" is not CODE=MEANING; write a number up to 255 and done, skip, retry or dead, "
         "such as \"75=retry\""},
        {"route a@example.com { handler x { run = x exit-codes = {\"7=done\", \"07=dead\"} } }",
         "1: exit-codes: code 7 is there twice; keep one"},
        {"route a@example.com { handler x { run = x concurrency = 0 timeout = 8d give-up = 0s } }",
         "1: timeout: \"8d\" is out of bounds; write one from 1s to 7d\n"
         "1: concurrency: \"0\" is out of bounds; write one from 1 to 200\n"
         "1: give-up: \"0s\" is out of bounds; write one from 1s to 365d"},
        {"route a@example.com { handler x { run = x\nconcurrency = 2\nordered = true } }",
         "3: ordered: with concurrency = 2 messages overtake each other; leave out one of the two"},
        {"route a@example.com { handler x { run = x\nordered = maybe } }",
         "2: ordered: \"maybe\" is neither true nor false; write one of them"},
        {"route a@example.com { handler x { filter = x\ncoalesce = 30s }\nhandler y { reply = x coalesce = 1s } }",
         "2: coalesce: a filter's output is made for each message; it goes with run only\n"
         "3: coalesce: a reply is made for each message; it goes with run only"},
        {"route a@example.com { handler x { run = x pause-after = -1 } }",
         "1: pause-after: \"-1\" is not a number; write digits alone"},
    };

    (void)state;
    EXPECT(rows);
}

static void a_message_keeps_its_remedy_and_its_line(void **state)
{
    struct config config = {0};
    struct config_errors errors = {0};
    char text[5000];

    (void)state;
    snprintf(text, sizeof text, "unknown = \"%04000d\\n\"\nuser = \"a\\nb\"", 0);
    assert_int_equal(config_load_text(&config, "t", text, &errors), -1);
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.list[0], "write one of: reject discard"));
    assert_string_equal(errors.list[1],
                        "t:2: user: \"a?b\" is not a user's name; write one that getent passwd lists");
    config_errors_free(&errors);
}

static void mistakes_are_not_listed_without_end(void **state)
{
    struct config config = {0};
    struct config_errors errors = {0};
    char text[3000];

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = "x=1 "[i % 4];
    text[sizeof text - 1] = '\0';
    assert_int_equal(config_load_text(&config, "t", text, &errors), -1);
    assert_int_equal(errors.count, CONFIG_ERRORS_MAX + 1);
    assert_string_equal(errors.list[CONFIG_ERRORS_MAX - 1], "t:1: unknown key x; remove it");
    assert_string_equal(errors.list[CONFIG_ERRORS_MAX], "t: there are more mistakes; mend these first");
    config_errors_free(&errors);
}

/* A reload must not be upset by the file before it: libconfuse's scanner is one for the whole process. */
static void a_mistake_leaves_nothing_behind(void **state)
{
    static const char *const broken[] = {"hostname = \"a", "hostname = 'a", "/*", "hostname = \"\\777\"",
                                         "route x {"};

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct config config = {0};
        struct config_errors errors = {0};

        assert_int_equal(config_load_text(&config, "t", broken[i], &errors), -1);
        config_errors_free(&errors);
        assert_int_equal(config_load_text(&config, "t", "hostname = b.example", &errors), 0);
        assert_string_equal(config.hostname, "b.example");
        config_free(&config);
    }
}

struct quiet {
    const char *text;
    int fd;
};

static int load_with_output_in_a_file(void *context)
{
    const struct quiet *quiet = context;
    struct config config = {0};
    struct config_errors errors = {0};
    int result;

    if (dup2(quiet->fd, 1) < 0 || dup2(quiet->fd, 2) < 0)
        return 1;
    result = config_load_text(&config, "t", quiet->text, &errors);
    config_errors_free(&errors);
    fflush(NULL);
    return result == -1 ? 0 : 1;
}

static void nothing_is_printed(void **state)
{
    static const char *const texts[] = {"hostname = \"a\\",
                                        "x",
                                        "hostname = a $ b",
                                        "hostname = \"${HOME:-x}\"",
                                        "route a { b",
                                        "sendmail = {",
                                        "'",
                                        "\\",
                                        "route a@b.example { handler x { } }"};
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct quiet quiet = {texts[i], fileno(file)};

        assert_true(support_exited(support_run_child(load_with_output_in_a_file, &quiet), 0));
        assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
    }
    fclose(file);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_of_syntax),
        cmocka_unit_test(mistakes_about_keys),
        cmocka_unit_test(mistakes_in_values),
        cmocka_unit_test(mistakes_in_routes_and_handlers),
        cmocka_unit_test(a_message_keeps_its_remedy_and_its_line),
        cmocka_unit_test(mistakes_are_not_listed_without_end),
        cmocka_unit_test(a_mistake_leaves_nothing_behind),
        cmocka_unit_test(nothing_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
