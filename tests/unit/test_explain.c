/* What mailmill explain says of each key of a route and of a handler: none may be forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "processor/command/commands.h"
#include "tests/unit/support.h"

enum { CONFIG_SIZE_MAX = 4096, NAME_SIZE_MAX = 64 };

/* What explain prints of r@example.com by this configuration, the caller's to free. */
static char *explain(const char *folder, const char *text, bool as_json)
{
    char *arguments[] = {"explain", as_json ? "--json" : "r@example.com", as_json ? "r@example.com" : NULL, NULL};
    struct command_call call = {.argc = as_json ? 3 : 2, .argv = arguments};
    char *written = NULL;
    size_t size = 0;
    FILE *file = fopen(support_path(folder, "mailmill.conf"), "we");

    assert_non_null(file);
    assert_int_not_equal(fputs(text, file), EOF);
    assert_int_equal(fclose(file), 0);
    call.config_path = support_path(folder, "mailmill.conf");
    call.out.out = open_memstream(&written, &size);
    call.err.out = stderr;
    assert_non_null(call.out.out);
    assert_int_equal(command_run(&call, command_find("explain")), COMMAND_OK);
    assert_int_equal(fclose(call.out.out), 0);
    return written;
}

static void assert_has(const char *written, const char *wanted)
{
    if (strstr(written, wanted) == NULL)
        fail_msg("%s\nis not in\n%s", wanted, written);
}

static void assert_has_not(const char *written, const char *unwanted)
{
    if (strstr(written, unwanted) != NULL)
        fail_msg("%s\nis in\n%s", unwanted, written);
}

/* ---- for programs ---- */

/* Members that have another name than their key. */
static const struct {
    const char *key, *member;
} members[] = {
    {"run", "kind"},
    {"filter", "kind"},
    {"reply", "kind"},
};

/* "retry-max", a duration, is "retry_max_ms". */
static void make_member(const struct config_key *key, char member[static NAME_SIZE_MAX])
{
    const char *name = key->name;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(members[i].key, name) == 0)
            name = members[i].member;
    snprintf(member, NAME_SIZE_MAX, "\"%s%s\":", name, key->kind == CONFIG_DURATION ? "_ms" : "");
    for (char *at = member; (at = strchr(at, '-')) != NULL;)
        *at = '_';
}

/* A route's members stand before its handlers, a handler's behind. */
static void every_key_is_a_member(void **state)
{
    char *written = explain(*state, "route r@example.com { handler x { run = /bin/true } }", true);
    char *handlers = strstr(written, "\"handlers\":[");
    size_t count, tried = 0;
    const struct config_key *keys = config_keys(&count);

    assert_non_null(handlers);
    *handlers++ = '\0';
    for (size_t i = 0; i < count; i++) {
        char member[NAME_SIZE_MAX];

        if (keys[i].section[0] == '\0' || keys[i].kind == CONFIG_SECTION)
            continue;
        make_member(&keys[i], member);
        assert_has(strcmp(keys[i].section, "route") == 0 ? written : handlers, member);
        tried++;
    }
    assert_in_range(tried, 10, count);
    free(written);
}

static void members_have_the_values_that_count(void **state)
{
    char *written = explain(*state,
                            "reply-limit = 5 on-dead = {tell-admin, \"a b\"} dedupe = 1h\n"
                            "route r@example.com {\n"
                            "    handler one { reply = /bin/true timeout = 90s retry-first = 5s retry-max = 2h\n"
                            "        ordered = true exit-codes = {\"75=done\", \"1=dead\"} }\n"
                            "    handler two { run = /bin/true on-dead = {} concurrency = 3 coalesce = 30s } }\n",
                            true);

    assert_has(written, "\"dedupe_ms\":3600000,\"handlers\":");
    assert_has(written, "\"timeout_ms\":90000,\"concurrency\":1,\"ordered\":true,\"coalesce_ms\":0,"
                        "\"continue\":false,\"pause_after\":10,\"retry_first_ms\":5000,\"retry_max_ms\":7200000,"
                        "\"give_up_ms\":259200000,\"on_dead\":[\"/usr/lib/mailmill/handlers/tell-admin\",\"a b\"],"
                        "\"exit_codes\":{\"1\":\"dead\",\"75\":\"done\"},\"reply_limit\":5,");
    assert_has(written, "\"timeout_ms\":600000,\"concurrency\":3,\"ordered\":false,\"coalesce_ms\":30000,");
    assert_has(written, "\"on_dead\":[],\"exit_codes\":{},\"reply_limit\":null,");
    free(written);
    written = explain(*state, "dedupe = 1h route r@example.com { dedupe = 2d }", true);
    assert_has(written, "\"dedupe_ms\":172800000,\"handlers\":[]");
    free(written);
}

/* ---- for people ---- */

/* What is said of each key: in the table, or in words where it is set like this. */
static const struct {
    const char *section, *key, *kind, *value, *words;
} sayings[] = {
    {"route", "dedupe", "run", "1d", "\ncopies    that come within 1d are not run\n"},
    {"handler", "run", "", NULL, "  run   "},
    {"handler", "filter", "", NULL, "  filter  "},
    {"handler", "reply", "", NULL, "  reply  "},
    {"handler", "user", "run", "nobody", "  nobody  "},
    {"handler", "timeout", "run", "90s", "  1m30s  "},
    {"handler", "concurrency", "run", "17", "  17  "},
    {"handler", "ordered", "run", "true", "\nx: while its oldest message waits for a retry, none behind it starts\n"},
    {"handler", "coalesce", "run", "30s", "\nx: messages that come within 30s share one run\n"},
    {"handler", "continue", "run", "true", "\nx: the handlers after it run even when it is dead\n"},
    {"handler", "pause-after", "run", "3", "\nx: failures in a row that pause it: 3\n"},
    {"handler", "retry-first", "run", "5s", "\nx: first retry after 5s\n"},
    {"handler", "retry-max", "run", "2h", "\nx: retries at most 2h apart\n"},
    {"handler", "give-up", "run", "1d", "\nx: given up after 1d\n"},
    {"handler", "on-dead", "run", "{/bin/tell, \"a b\", \"it's\"}",
     "\nx: when it is dead, runs /bin/tell 'a b' 'it'\\''s'\n"},
    {"handler", "exit-codes", "run", "{\"75=done\", \"1=dead\", \"2=skip\", \"9=retry\"}",
     "\nx: exit codes 1=dead, 2=skip, 9=retry, 75=done\n"},
};

/* A configuration with this key alone. */
static void make_config(size_t i, char config[static CONFIG_SIZE_MAX])
{
    const char *kind = sayings[i].kind[0] == '\0' ? sayings[i].key : sayings[i].kind;
    char setting[256] = "";
    bool of_route = strcmp(sayings[i].section, "route") == 0;

    if (sayings[i].value != NULL)
        snprintf(setting, sizeof setting, "%s = %s", sayings[i].key, sayings[i].value);
    snprintf(config, CONFIG_SIZE_MAX, "user = root route r@example.com { %s handler x { %s = /bin/true %s } }",
             of_route ? setting : "", kind, of_route ? "" : setting);
}

static void every_key_is_said(void **state)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);

    for (size_t i = 0; i < count; i++) {
        char config[CONFIG_SIZE_MAX];
        char *written;
        size_t s = 0;

        if (keys[i].section[0] == '\0' || keys[i].kind == CONFIG_SECTION)
            continue;
        while (s < sizeof sayings / sizeof sayings[0] &&
               (strcmp(sayings[s].key, keys[i].name) != 0 || strcmp(sayings[s].section, keys[i].section) != 0))
            s++;
        if (s == sizeof sayings / sizeof sayings[0])
            fail_msg("mailmill explain says nothing of %s", keys[i].name);
        make_config(s, config);
        written = explain(*state, config, false);
        assert_has(written, sayings[s].words);
        free(written);
    }
}

/* The table ends what is printed, even where keys are written out. */
static void what_is_as_usual_is_not_said(void **state)
{
    char *written = explain(*state,
                            "user = root route r@example.com { dedupe = 0 handler x { reply = /bin/true\n"
                            "ordered = false coalesce = 0 continue = false pause-after = 10 retry-first = 60\n"
                            "retry-max = 1h give-up = 3d on-dead = {} exit-codes = {} } }",
                            false);

    assert_has(written, "\n1  x        reply  root      10m        1  /bin/true\n");
    assert_string_equal(strstr(written, "/bin/true"), "/bin/true\n");
    assert_has_not(written, "copies");
    free(written);
}

/* Each handler in a line of its own, behind one empty line; what comes from the whole file counts as well. */
static void handlers_are_said_apart(void **state)
{
    char *written = explain(*state,
                            "reply-limit = 5 dedupe = 1h on-dead = /bin/tell route r@example.com {\n"
                            "    handler one { filter = /bin/true on-dead = {} }\n"
                            "    handler two { run = /bin/true on-dead = {} pause-after = 0 give-up = 25h }\n"
                            "    handler three { reply = {/bin/true, last} retry-first = 1s } }",
                            false);

    assert_has(written, "\ncopies    that come within 1h are not run\n\n   HANDLER");
    assert_string_equal(strstr(written, "last"), "last\n\n"
                                                 "two: never paused for failures; given up after 1d01h\n"
                                                 "three: first retry after 1s; when it is dead, runs /bin/tell; "
                                                 "replies to one address in an hour: at most 5\n");
    free(written);
}

/* What a terminal could act upon is not printed, and nothing is left out. */
static void arguments_are_whole_and_clean(void **state)
{
    enum { LONG = 3000 };
    char argument[LONG + 1], config[3 * CONFIG_SIZE_MAX];
    char *written, *at;

    memset(argument, 'x', LONG);
    argument[LONG] = '\0';
    snprintf(config, sizeof config,
             "route r@example.com { handler x { run = {/bin/true, %s, %s, \"\xE2\x80\xAE last\"}\n"
             "on-dead = {/bin/tell, \"\xE2\x80\xAE more\"} } }",
             argument, argument);
    written = explain(*state, config, false);
    at = strstr(written, argument);
    assert_non_null(at);
    assert_non_null(strstr(at + LONG, argument));
    assert_has(written, " '<U+202E> last'\n");
    assert_has(written, "runs /bin/tell '<U+202E> more'\n");
    free(written);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_key_is_a_member),   TEST(members_have_the_values_that_count),
        TEST(every_key_is_said),       TEST(what_is_as_usual_is_not_said),
        TEST(handlers_are_said_apart), TEST(arguments_are_whole_and_clean),
    };

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return 1;
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
