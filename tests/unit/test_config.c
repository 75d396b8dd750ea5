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
#include "common/units.h"
#include "tests/unit/support.h"

/* Loads what must be right, and says what is wrong with it where it is not. */
static void load(struct config *config, const char *text)
{
    struct config_errors errors = {0};
    int result = config_load_text(config, "test.conf", text, &errors);

    for (size_t i = 0; i < errors.count; i++)
        print_error("%s\n", errors.list[i]);
    assert_int_equal(result, 0);
    assert_int_equal(errors.count, 0);
}

static void assert_arguments(char *const *arguments, const char *const *expected)
{
    for (; *expected != NULL; arguments++, expected++) {
        assert_non_null(*arguments);
        assert_string_equal(*arguments, *expected);
    }
    assert_null(*arguments);
}

#define ASSERT_ARGUMENTS(arguments, ...) assert_arguments((arguments), (const char *const[]){__VA_ARGS__, NULL})

/* ---- what is right ------------------------------------------------------------------------------------------------
 */

static void an_empty_file_is_all_defaults(void **state)
{
    struct config config;
    char name[256] = "";

    (void)state;
    load(&config, "");
    assert_int_equal(gethostname(name, sizeof name - 1), 0);
    assert_string_equal(config.hostname, name);
    assert_string_equal(config.path, "test.conf");
    assert_string_equal(config.spool, "/var/spool/mailmill");
    assert_string_equal(config.index, "/var/lib/mailmill/index.db");
    assert_string_equal(config.handlers, "/usr/lib/mailmill/handlers");
    assert_string_equal(config.workdir, "/tmp");
    assert_string_equal(config.user, "mailmill");
    assert_null(config.log_file);
    ASSERT_ARGUMENTS(config.sendmail, "/usr/sbin/sendmail", "-t", "-i", "-f", "<>");
    assert_int_equal(config.unknown, UNKNOWN_REJECT);
    assert_int_equal(config.max_message_size, 25 * 1024 * 1024);
    assert_int_equal(config.max_header_size, 256 * 1024);
    assert_int_equal(config.max_recipients, 100);
    assert_int_equal(config.max_errors, 10);
    assert_int_equal(config.max_commands, 10000);
    assert_int_equal(config.min_body_rate, 500);
    assert_int_equal(config.greet_delay_ms, 0);
    assert_int_equal(config.command_timeout_ms, 5 * 60 * 1000);
    assert_int_equal(config.crowded_timeout_ms, 20 * 1000);
    assert_int_equal(config.session_timeout_ms, 60 * 60 * 1000);
    assert_int_equal(config.max_runs, 10);
    assert_int_equal(config.reply_limit, 20);
    assert_int_equal(config.trusted_proxies.count, 0);
    assert_int_equal(config.route_count, 0);
    assert_int_equal(config.handler_count, 0);
    assert_int_equal(config_line(config.lines, "", "spool"), 0);
    assert_null(config_handler(&config, 0));
    config_free(&config);
}

static const char example[] = "hostname         = \"mail.example.com\"\n"
                              "max-message-size = \"25M\"\n"
                              "\n"
                              "route \"8ball@example.com\" {\n"
                              "    handler \"answer\"  { reply = {\"8ball\"} }\n"
                              "}\n"
                              "\n"
                              "route \"commits@example.com\" {\n"
                              "    handler \"site\" {\n"
                              "        run      = {\"svn-update\", \"/var/www/site\"}   # an argument list\n"
                              "        user     = \"www-data\"\n"
                              "        timeout  = \"5m\"\n"
                              "    }\n"
                              "}\n"
                              "\n"
                              "route \"lists@example.com\" {\n"
                              "    handler \"shorten\" { filter = {\"strip-diff\", \"--max-lines=200\"} }\n"
                              "    handler \"pass-on\" { run    = {\"forward\", \"me@example.org\"} }\n"
                              "}\n";

static void routes_and_handlers_keep_their_order_and_lines(void **state)
{
    struct config config;
    const struct config_handler *site;

    (void)state;
    load(&config, example);
    assert_int_equal(config.route_count, 3);
    assert_int_equal(config.handler_count, 4);
    assert_string_equal(config.routes[0].pattern, "8ball@example.com");
    assert_int_equal(config.routes[1].line, 8);
    assert_int_equal(config.routes[2].handler_count, 2);
    site = config_handler(&config, 1);
    assert_ptr_equal(site, &config.routes[1].handlers[0]);
    assert_string_equal(site->name, "site");
    assert_int_equal(site->kind, HANDLER_RUN);
    ASSERT_ARGUMENTS(site->arguments, "svn-update", "/var/www/site");
    assert_string_equal(site->program, "/usr/lib/mailmill/handlers/svn-update");
    assert_string_equal(site->user, "www-data");
    assert_int_equal(site->timeout_ms, 300000);
    assert_int_equal(site->line, 9);
    assert_int_equal(config_line(site->lines, "handler", "user"), 11);
    assert_int_equal(config_line(site->lines, "handler", "concurrency"), 0);
    assert_int_equal(config_line(site->lines, "handler", "nothing"), 0);
    assert_int_equal(config_line(config.lines, "", "max-message-size"), 2);
    assert_int_equal(config_handler(&config, 0)->kind, HANDLER_REPLY);
    assert_int_equal(config_handler(&config, 2)->kind, HANDLER_FILTER);
    assert_int_equal(config_handler(&config, 3)->number, 3);
    assert_int_equal(config_handler(&config, 3)->route, 2);
    assert_null(config_handler(&config, 4));
    assert_null(config_handler(&config, SIZE_MAX));
    config_free(&config);
}

static void a_handler_has_its_defaults(void **state)
{
    struct config config;
    const struct config_handler *handler;

    (void)state;
    load(&config, "route a@example.com { handler x { run = /bin/true } }");
    handler = config_handler(&config, 0);
    assert_null(handler->user);
    assert_string_equal(handler->program, "/bin/true");
    assert_int_equal(handler->timeout_ms, 600000);
    assert_int_equal(handler->concurrency, 1);
    assert_false(handler->ordered);
    assert_int_equal(handler->coalesce_ms, 0);
    assert_false(handler->go_on);
    assert_int_equal(handler->pause_after, 10);
    assert_int_equal(handler->retry_first_ms, 60000);
    assert_int_equal(handler->retry_max_ms, 3600000);
    assert_int_equal(handler->give_up_ms, 3 * 24 * 3600000);
    for (size_t code = 0; code < 256; code++)
        assert_int_equal(handler->exit_codes[code], CONFIG_EXIT_DEFAULT);
    config_free(&config);
}

static void every_key_is_taken_where_it_belongs(void **state)
{
    struct config config;
    const struct config_handler *handler;

    (void)state;
    load(&config, "hostname = mx.example.org spool = '/a//' index = /b/c.db workdir = / user = postman\n"
                  "log-file = \"/var/log/mailmill\" sendmail = {/bin/msmtp, \"-t\",} unknown = discard\n"
                  "max-message-size = 1K max-recipients = 1000 command-timeout = 30 session-timeout = 2d\n"
                  "crowded-timeout = 5 max-runs = 200 reply-limit = 1\n"
                  "trusted-proxies = {192.0.2.1, \"2001:db8::/32\"}\n"
                  "route \"*@Example.COM\" { handler X_1-y { filter = a user = b timeout = 1s concurrency = 3\n"
                  "retry-first = 5s retry-max = 5s give-up = 365d continue = true pause-after = 0\n"
                  "exit-codes = {\"0=dead\", \"1=done\", '2=skip', \"255=retry\"} } }\n"
                  "handlers = /h/\n");
    assert_string_equal(config.hostname, "mx.example.org");
    assert_string_equal(config.spool, "/a");
    assert_string_equal(config.index, "/b/c.db");
    assert_string_equal(config.workdir, "/");
    assert_string_equal(config.user, "postman");
    assert_string_equal(config.log_file, "/var/log/mailmill");
    ASSERT_ARGUMENTS(config.sendmail, "/bin/msmtp", "-t");
    assert_int_equal(config.unknown, UNKNOWN_DISCARD);
    assert_int_equal(config.max_message_size, 1024);
    assert_int_equal(config.max_recipients, 1000);
    assert_int_equal(config.command_timeout_ms, 30000);
    assert_int_equal(config.crowded_timeout_ms, 5000);
    assert_int_equal(config.session_timeout_ms, 2 * 86400000);
    assert_int_equal(config.max_runs, 200);
    assert_int_equal(config.reply_limit, 1);
    assert_int_equal(config.trusted_proxies.count, 2);
    assert_int_equal(config.trusted_proxies.list[0].bits, 128);
    assert_int_equal(config.trusted_proxies.list[1].bits, 32);
    assert_true(config.routes[0].is_catch_all);
    assert_string_equal(config.routes[0].pattern, "*@example.com");
    handler = config_handler(&config, 0);
    assert_string_equal(handler->name, "X_1-y");
    assert_string_equal(handler->program, "/h/a");
    assert_string_equal(handler->user, "b");
    assert_int_equal(handler->timeout_ms, 1000);
    assert_int_equal(handler->concurrency, 3);
    assert_true(handler->go_on);
    assert_int_equal(handler->pause_after, 0);
    assert_int_equal(handler->retry_first_ms, 5000);
    assert_int_equal(handler->give_up_ms, INT64_C(365) * 86400000);
    assert_int_equal(handler->exit_codes[0], CONFIG_EXIT_DEAD);
    assert_int_equal(handler->exit_codes[1], CONFIG_EXIT_DONE);
    assert_int_equal(handler->exit_codes[2], CONFIG_EXIT_SKIP);
    assert_int_equal(handler->exit_codes[3], CONFIG_EXIT_DEFAULT);
    assert_int_equal(handler->exit_codes[255], CONFIG_EXIT_RETRY);
    config_free(&config);
}

static void texts_mean_what_they_say(void **state)
{
    struct config config;

    (void)state;
    assert_int_equal(setenv("MAILMILL_TEST", "expanded", 1), 0);
    load(&config, "route a@example.com { handler x { run = {\n"
                  "  /bin/sh, \"-c\", # a comment\n"
                  "  \"echo ${MAILMILL_TEST} \\${MAILMILL_TEST} $MAILMILL_TEST\",\n"
                  "  '${MAILMILL_TEST} \\n \\' \\\\', // another\n"
                  "  \"a \\\"b\\\" \\\\ \\t\\n # // /* */ {}=,\", /* a third\n"
                  "  over two lines */\n"
                  "  'it is \"quoted\"', \"it's\", \"\", http://example.org/x, gr\xC3\xBC\xC3\x9F\x65 } } }\r\n");
    ASSERT_ARGUMENTS(config_handler(&config, 0)->arguments, "/bin/sh", "-c",
                     "echo ${MAILMILL_TEST} ${MAILMILL_TEST} $MAILMILL_TEST", "${MAILMILL_TEST} \\n ' \\",
                     "a \"b\" \\ \t\n # // /* */ {}=,", "it is \"quoted\"", "it's", "", "http://example.org/x",
                     "gr\xC3\xBC\xC3\x9F\x65");
    config_free(&config);
}

/* libconfuse counts a line too many for each comment in C's manner. */
static void comments_do_not_shift_lines(void **state)
{
    struct config config;

    (void)state;
    load(&config, "/* one */ /* two */\n/* over\nlines */ # more\n//\nspool = /a # b\n\nworkdir\n=\n/b");
    assert_int_equal(config_line(config.lines, "", "spool"), 5);
    assert_int_equal(config_line(config.lines, "", "workdir"), 7);
    config_free(&config);
}

static void addresses_are_canonical(void **state)
{
    struct config config;

    (void)state;
    load(&config, "route \"John.Doe+x@Example.COM\" { } route '\"a b\"@example.com' { } route a+b@example.com { }\n"
                  "route PostMaster { } route \"*@[IPv6:2001:DB8::1]\" { }");
    assert_string_equal(config.routes[0].pattern, "John.Doe+x@example.com");
    assert_string_equal(config.routes[1].pattern, "\"a b\"@example.com");
    assert_string_equal(config.routes[2].pattern, "a+b@example.com");
    assert_string_equal(config.routes[3].pattern, "PostMaster");
    assert_string_equal(config.routes[4].pattern, "*@[IPv6:2001:db8::1]");
    assert_true(config.routes[4].is_catch_all);
    assert_false(config.routes[0].is_catch_all);
    config_free(&config);
}

static void sizes_and_durations(void **state)
{
    static const char *const wrong[] = {"", "M", "1.5M", "1 M", "1MB", "-1", "+1", "0x10", "1k", "1T", " 1"};
    static const char *const no_duration[] = {"", "m", "1.5m", "1 m", "1M", "-1s", "1ms", "1w"};
    uint64_t bytes;
    int64_t milliseconds;

    (void)state;
    assert_int_equal(units_parse_size("0", &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(units_parse_size("3K", &bytes), 0);
    assert_int_equal(bytes, 3072);
    assert_int_equal(units_parse_size("2G", &bytes), 0);
    assert_int_equal(bytes, UINT64_C(2) << 30);
    assert_int_equal(units_parse_size("8589934591G", &bytes), 0);
    assert_int_equal(units_parse_size("8589934592G", &bytes), -1);
    assert_int_equal(config_parse_duration("7", &milliseconds), 0);
    assert_int_equal(milliseconds, 7000);
    assert_int_equal(config_parse_duration("7s", &milliseconds), 0);
    assert_int_equal(milliseconds, 7000);
    assert_int_equal(config_parse_duration("7d", &milliseconds), 0);
    assert_int_equal(milliseconds, 7 * 86400000);
    assert_int_equal(config_parse_duration("106751991168d", &milliseconds), -1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(units_parse_size(wrong[i], &bytes), -1);
    for (size_t i = 0; i < sizeof no_duration / sizeof no_duration[0]; i++)
        assert_int_equal(config_parse_duration(no_duration[i], &milliseconds), -1);
}

static void some_durations_have_no_end(void **state)
{
    struct config config;

    (void)state;
    load(&config, "keep-done = forever\nkeep-history = \"2d\"");
    assert_int_equal(config.keep_done_ms, CONFIG_FOREVER);
    assert_int_equal(config.keep_dead_ms, CONFIG_FOREVER);
    assert_int_equal(config.keep_history_ms, 2 * 86400000);
    config_free(&config);
}

/* ---- programs that are told of what is dead ---- */

static void on_dead_is_the_file_s_or_the_handler_s(void **state)
{
    const struct config_handler *handlers;
    struct config config;

    (void)state;
    load(&config, "route a@example.com {\n"
                  " handler both { run = {x} }\n"
                  " handler own { run = {x} on-dead = {\"/bin/own\", b} }\n"
                  " handler none { run = {x} on-dead = {} } }\n"
                  "handlers = \"/h\"\non-dead = {tell, a}");
    handlers = config.routes[0].handlers;
    ASSERT_ARGUMENTS(handlers[0].on_dead, "tell", "a");
    assert_string_equal(handlers[0].on_dead_program, "/h/tell");
    ASSERT_ARGUMENTS(handlers[1].on_dead, "/bin/own", "b");
    assert_string_equal(handlers[1].on_dead_program, "/bin/own");
    assert_null(handlers[2].on_dead_program);
    assert_ptr_equal(config_handler_named(&config, span_text("a@example.com"), span_text("own")), &handlers[1]);
    assert_null(config_handler_named(&config, span_text("a@example.com"), span_text("other")));
    assert_null(config_handler_named(&config, span_text("b@example.com"), span_text("own")));
    config_free(&config);
    load(&config, "on-dead = {}\nroute a@example.com { handler x { run = {x} } }");
    assert_null(config.routes[0].handlers[0].on_dead_program);
    config_free(&config);
    load(&config, "route a@example.com { handler x { run = {x} } }");
    assert_null(config.routes[0].handlers[0].on_dead_program);
    config_free(&config);
}

static void dedupe_is_the_file_s_or_the_route_s(void **state)
{
    struct config config;

    (void)state;
    load(&config, "route a@example.com { dedupe = 1h } route b@example.com { } route c@example.com { dedupe = 0 }\n"
                  "dedupe = 2h");
    assert_int_equal(config.routes[0].dedupe_ms, 3600 * 1000);
    assert_int_equal(config.routes[1].dedupe_ms, 2 * 3600 * 1000);
    assert_int_equal(config.routes[2].dedupe_ms, 0);
    config_free(&config);
}

/* ---- files ---- */

static void write_file(const char *path, struct span text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
    assert_int_equal(fclose(file), 0);
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
    const char *path = support_path(*state, "a.conf");
    struct config config = {0};
    struct config_errors errors = {0};
    char expected[ERR_TEXT_SIZE];
    size_t descriptors = support_open_descriptors();

    write_file(path, span_text(example));
    assert_int_equal(config_load(&config, path, &errors), 0);
    assert_string_equal(config.path, path);
    assert_int_equal(config.handler_count, 4);
    config_free(&config);
    write_file(path, SPAN("hostname = a.example\n\0spool = x\n"));
    assert_int_equal(config_load(&config, path, &errors), -1);
    snprintf(expected, sizeof expected, "%s:2: a control character, byte 0x00; remove it", path);
    assert_string_equal(errors.list[0], expected);
    assert_int_equal(truncate(path, CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(config_load(&config, path, &errors), -1);
    snprintf(expected, sizeof expected, "%s: is larger than 1048576 bytes; is it a configuration?", path);
    assert_string_equal(errors.list[1], expected);
    assert_int_equal(config_load(&config, *state, &errors), -1);
    snprintf(expected, sizeof expected, "%s: is not a regular file; give the path of a configuration",
             (const char *)*state);
    assert_string_equal(errors.list[2], expected);
    assert_int_equal(config_load(&config, "/nonexistent/x", &errors), -1);
    assert_string_equal(errors.list[3], "/nonexistent/x: can't be opened: No such file or directory");
    assert_int_equal(errors.count, 4);
    config_errors_free(&errors);
    assert_int_equal(support_open_descriptors(), descriptors);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(routes_and_handlers_keep_their_order_and_lines),
        cmocka_unit_test(a_handler_has_its_defaults),
        cmocka_unit_test(every_key_is_taken_where_it_belongs),
        cmocka_unit_test(texts_mean_what_they_say),
        cmocka_unit_test(comments_do_not_shift_lines),
        cmocka_unit_test(addresses_are_canonical),
        cmocka_unit_test(sizes_and_durations),
        cmocka_unit_test(some_durations_have_no_end),
        cmocka_unit_test(dedupe_is_the_file_s_or_the_route_s),
        cmocka_unit_test(on_dead_is_the_file_s_or_the_handler_s),
        cmocka_unit_test_setup_teardown(a_file_is_read_whole_or_not_at_all, support_make_folder,
                                        support_remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
