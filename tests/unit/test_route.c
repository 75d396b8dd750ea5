#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/route.h"
#include "tests/unit/support.h"

static const char text[] = "hostname = \"Mail.Example.com\"\n"
                           "route \"8ball@example.com\" { }\n"
                           "route \"8ball+odd@example.com\" { }\n"
                           "route \"a+b@example.com\" { }\n"
                           "route \"*@example.net\" { }\n"
                           "route \"kept@example.net\" { }\n"
                           "route \"postmaster@example.net\" { }\n"
                           "route \"far%user@example.org\" { }\n"
                           "route \"*@[192.0.2.1]\" { }\n"
                           "route \"\\\"john doe\\\"@example.org\" { }\n";

static const struct row {
    const char *address;
    enum route_verdict verdict;
    const char *route;
    const char *extension;
} rows[] = {
    /* the very address */
    {"8ball@example.com", ROUTE_FOUND, "8ball@example.com", ""},
    {"8BALL@EXAMPLE.COM", ROUTE_FOUND, "8ball@example.com", ""},
    {"\"8ball\"@example.com", ROUTE_FOUND, "8ball@example.com", ""},
    {"8ball+odd@example.com", ROUTE_FOUND, "8ball+odd@example.com", ""},
    {"kept@example.net", ROUTE_FOUND, "kept@example.net", ""},
    {"\"John Doe\"@example.org", ROUTE_FOUND, "\"john doe\"@example.org", ""},
    /* extensions, the longest local part first */
    {"8ball+Urgent@example.com", ROUTE_FOUND, "8ball@example.com", "Urgent"},
    {"8ball+@example.com", ROUTE_FOUND, "8ball@example.com", ""},
    {"8ball+odd+more@example.com", ROUTE_FOUND, "8ball+odd@example.com", "more"},
    {"8ball+x+y@example.com", ROUTE_FOUND, "8ball@example.com", "x+y"},
    {"a+b+c@example.com", ROUTE_FOUND, "a+b@example.com", "c"},
    {"a+c@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"+8ball@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"8ball+x@example.org", ROUTE_UNKNOWN_USER, NULL, ""},
    {"kept+x@example.net", ROUTE_FOUND, "kept@example.net", "x"},
    {"\"john doe+x\"@example.org", ROUTE_UNKNOWN_USER, NULL, ""},
    /* catch-alls */
    {"anyone@example.net", ROUTE_FOUND, "*@example.net", ""},
    {"any+one@example.net", ROUTE_FOUND, "*@example.net", ""},
    {"*@example.net", ROUTE_FOUND, "*@example.net", ""},
    {"anyone@[192.0.2.1]", ROUTE_FOUND, "*@[192.0.2.1]", ""},
    {"anyone@sub.example.net", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    /* postmaster */
    {"postmaster", ROUTE_KEPT, NULL, ""},
    {"PostMaster@Example.com", ROUTE_KEPT, NULL, ""},
    {"postmaster@mail.example.com", ROUTE_KEPT, NULL, ""},
    {"postmaster@example.org", ROUTE_KEPT, NULL, ""},
    {"postmaster@example.net", ROUTE_FOUND, "postmaster@example.net", ""},
    {"postmaster@[192.0.2.1]", ROUTE_FOUND, "*@[192.0.2.1]", ""},
    {"postmaster@elsewhere.example", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    {"postmaster+x@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    /* unknown */
    {"nobody@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"nobody@mail.example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"8ball@example.con", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    {"8ball@xample.com", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    {"8ball@[192.0.2.2]", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    /* what looks like relaying is for an exact route only */
    {"user%elsewhere.example@example.net", ROUTE_UNKNOWN_USER, NULL, ""},
    {"elsewhere.example!user@example.net", ROUTE_UNKNOWN_USER, NULL, ""},
    {"\"user@elsewhere.example\"@example.net", ROUTE_UNKNOWN_USER, NULL, ""},
    {"8ball+user%elsewhere.example@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"\"8ball+user@elsewhere.example\"@example.com", ROUTE_UNKNOWN_USER, NULL, ""},
    {"user%elsewhere.example@elsewhere.example", ROUTE_UNKNOWN_DOMAIN, NULL, ""},
    {"far%user@example.org", ROUTE_FOUND, "far%user@example.org", ""},
    {"far%user+x@example.org", ROUTE_UNKNOWN_USER, NULL, ""},
};

static int load(void **state)
{
    static struct config config;
    struct config_errors errors = {0};

    *state = &config;
    return config_load_text(&config, "test.conf", text, &errors);
}

static int unload(void **state)
{
    config_free(*state);
    return 0;
}

static void each_address_finds_its_route(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        struct route_match match;
        struct err err = {0};

        assert_int_equal(address_parse(&address, span_text(rows[i].address), &err), 0);
        match = route_find(*state, &address);
        if (match.verdict != rows[i].verdict)
            print_error("%s\n", rows[i].address);
        assert_int_equal(match.verdict, rows[i].verdict);
        assert_true(span_equal(match.extension, span_text(rows[i].extension)));
        if (rows[i].route == NULL)
            assert_null(match.route);
        else
            assert_string_equal(match.route->pattern, rows[i].route);
    }
}

static void the_null_sender_is_no_recipient(void **state)
{
    struct address null = {0};
    struct route_match match = route_find(*state, &null);

    assert_int_equal(match.verdict, ROUTE_UNKNOWN_USER);
    assert_null(match.route);
}

static void an_extension_points_into_the_address(void **state)
{
    struct address address;
    struct route_match match;
    struct err err = {0};

    assert_int_equal(address_parse(&address, span_text("8ball+x@example.com"), &err), 0);
    match = route_find(*state, &address);
    assert_ptr_equal(match.extension.data, address.text + 6);
}

static void bare_postmaster_may_have_a_route(void **state)
{
    struct config config = {0};
    struct config_errors errors = {0};
    struct address address;
    struct err err = {0};

    (void)state;
    assert_int_equal(config_load_text(&config, "test.conf", "hostname = a.example\nroute Postmaster { }", &errors),
                     0);
    assert_int_equal(address_parse(&address, span_text("postmaster"), &err), 0);
    assert_int_equal(route_find(&config, &address).verdict, ROUTE_FOUND);
    assert_int_equal(address_parse(&address, span_text("postmaster@a.example"), &err), 0);
    assert_int_equal(route_find(&config, &address).verdict, ROUTE_KEPT);
    config_free(&config);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_finds_its_route),
        cmocka_unit_test(the_null_sender_is_no_recipient),
        cmocka_unit_test(an_extension_points_into_the_address),
        cmocka_unit_test(bare_postmaster_may_have_a_route),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
