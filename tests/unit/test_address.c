#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/address.h"
#include "tests/unit/support.h"

#define SIXTY_FOUR "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SIXTY_THREE "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void parsing_gives_the_canonical_form(void **state)
{
    static const struct {
        const char *text, *canonical, *local;
    } rows[] = {
        {"8ball@example.com", "8ball@example.com", "8ball"},
        {"John.Doe@Example.COM", "John.Doe@example.com", "John.Doe"},
        {"\"John.Doe\"@example.com", "John.Doe@example.com", "John.Doe"},
        {"\"J\\ohn\"@example.com", "John@example.com", "John"},
        {"\"john doe\"@example.com", "\"john doe\"@example.com", "john doe"},
        {"\"a\\\"b\\\\c\"@example.com", "\"a\\\"b\\\\c\"@example.com", "a\"b\\c"},
        {"\"a@b\"@example.com", "\"a@b\"@example.com", "a@b"},
        {"\">\"@example.com", "\">\"@example.com", ">"},
        {"a..b@example.com", "\"a..b\"@example.com", "a..b"},
        {".a@example.com", "\".a\"@example.com", ".a"},
        {"a.@example.com", "\"a.\"@example.com", "a."},
        {"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~"},
        {"*@example.com", "*@example.com", "*"},
        {"user%far@example.com", "user%far@example.com", "user%far"},
        {"gr\xC3\xBC\xC3\x9F\x65@m\xC3\xBCller.example", "gr\xC3\xBC\xC3\x9F\x65@m\xC3\xBCller.example",
         "gr\xC3\xBC\xC3\x9F\x65"},
        {"postmaster", "postmaster", "postmaster"},
        {"PostMaster", "PostMaster", "PostMaster"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]", "a"},
        {"a@[ipv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]", "a"},
        {"a@x_y.example.com", "a@x_y.example.com", "a"},
        {"a@localhost", "a@localhost", "a"},
        {SIXTY_FOUR "@example.com", SIXTY_FOUR "@example.com", SIXTY_FOUR},
        {"a@" SIXTY_THREE "." SIXTY_THREE "." SIXTY_THREE "." SIXTY_THREE,
         "a@" SIXTY_THREE "." SIXTY_THREE "." SIXTY_THREE "." SIXTY_THREE, "a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        struct address again;
        struct err err = {0};
        char local[ADDRESS_LOCAL_MAX + 1];

        assert_int_equal(address_parse(&address, span_text(rows[i].text), &err), 0);
        assert_string_equal(address.text, rows[i].canonical);
        assert_int_equal(address_local_octets(&address, local), strlen(rows[i].local));
        assert_string_equal(local, rows[i].local);
        assert_int_equal(address_parse(&again, span_text(address.text), &err), 0);
        assert_string_equal(again.text, address.text);
        assert_int_equal(again.local_size, address.local_size);
    }
}

static void what_is_no_address_is_refused_with_its_text(void **state)
{
    const struct {
        struct span text;
        const char *message;
    } rows[] = {
        {SPAN(""), "\"\" is not an address: nothing stands before the @"},
        {SPAN("@"), "\"@\" is not an address: no domain follows the @"},
        {SPAN("nobody"), "\"nobody\" is not an address: only postmaster needs no domain"},
        {SPAN("a@"), "\"a@\" is not an address: no domain follows the @"},
        {SPAN("@example.com"), "\"@example.com\" is not an address: nothing stands before the @"},
        {SPAN("\"\"@example.com"), "\"\"\"@example.com\" is not an address: nothing stands before the @"},
        {SPAN("\"a@example.com"), "\"\"a@example.com\" is not an address: its quotes are not closed"},
        {SPAN("\"a\\"), "\"\"a\\\" is not an address: its quotes are not closed"},
        {SPAN("\"a\"b@example.com"), "\"\"a\"b@example.com\" is not an address: no @ follows the quotes"},
        {SPAN("a b@example.com"),
         "\"a b@example.com\" is not an address: what stands before the @ must be in quotes"},
        {SPAN("a@b@example.com"),
         "\"a@b@example.com\" is not an address: its domain is neither a domain name nor an address in brackets"},
        {SPAN("<a@example.com>"),
         "\"<a@example.com>\" is not an address: what stands before the @ must be in quotes"},
        {SPAN("\"a\tb\"@example.com"), "\"\"a\tb\"@example.com\" is not an address: it holds a control character"},
        {SPAN("\xFF@example.com"), "\"\xFF@example.com\" is not an address: it is not valid UTF-8"},
        {SPAN(SIXTY_FOUR "a@example.com"),
         "\"" SIXTY_FOUR "a@example.com\" is not an address: more than 64 octets stand before the @"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address = {.text = "left over"};
        struct err err = {0};

        assert_int_equal(address_parse(&address, rows[i].text, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_string_equal(err.text, rows[i].message);
        assert_string_equal(address.text, "");
    }
}

static void a_domain_must_look_like_one(void **state)
{
    static const char *const right[] = {"example.com",           "a",       "1.2.3.4",
                                        "xn--mller-kva.example", "a-b.c_d", SIXTY_THREE};
    static const char *const wrong[] = {"",    ".",   "a.",    ".a",    "a..b", "-a",  "a-",  "a.-b",     "a b",
                                        "a/b", "[a]", "a\x7F", "a\xFF", "a@b",  "a\"", "a%b", SIXTY_FOUR, "*"};
    static const char *const literals[] = {"[]",      "[1]",          "[192.0.2.256]", "[192.0.2.1",
                                           "[IPv6:]", "[IPv6:g::]",   "[2001::]",      "[IPv6:1:2]",
                                           "[x:y]",   "[192.0.2.1]x", "[ 192.0.2.1]"};

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(address_domain_is_valid(span_text(right[i])));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(address_domain_is_valid(span_text(wrong[i])));
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        struct address address;
        struct err err = {0};

        assert_int_equal(address_build(&address, span_text("a"), span_text(literals[i]), &err), -1);
        assert_string_equal(err.text,
                            "not an address: its domain is neither a domain name nor an address in brackets");
    }
}

static void lengths_are_counted_in_octets(void **state)
{
    char domain[ADDRESS_DOMAIN_MAX + 2];
    char local[ADDRESS_LOCAL_MAX];
    struct address address;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof domain; i++)
        domain[i] = i % 64 == 63 ? '.' : 'd';
    memset(local, '"', sizeof local);
    assert_int_equal(address_build(&address, (struct span){local, sizeof local}, (struct span){domain, 255}, &err),
                     0);
    assert_int_equal(strlen(address.text), ADDRESS_SIZE - 1);
    assert_int_equal(address.local_size, 130);
    assert_int_equal(address_build(&address, span_text("a"), (struct span){domain, 257}, &err), -1);
}

static void building_refuses_what_could_end_or_break_a_line(void **state)
{
    const struct {
        struct span local, domain;
    } rows[] = {
        {SPAN("a\0b"), SPAN("example.com")},   {SPAN("a"), SPAN("example\0.com")},
        {SPAN("a\r\nb"), SPAN("example.com")}, {SPAN("a"), SPAN("[192.0.2.1\0]")},
        {SPAN("a\x7F"), SPAN("example.com")},  {SPAN("\xC0\x80"), SPAN("a.com")},
        {SPAN(""), SPAN("example.com")},       {SPAN("root"), SPAN("")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        struct err err = {0};

        assert_int_equal(address_build(&address, rows[i].local, rows[i].domain, &err), -1);
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_string_equal(address.text, "");
    }
}

static void the_sides_come_apart(void **state)
{
    struct address address;
    struct address null = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(address_parse(&address, span_text("\"a@b\"@Example.com"), &err), 0);
    assert_true(span_equal(address_local(&address), span_text("\"a@b\"")));
    assert_true(span_equal(address_domain(&address), span_text("example.com")));
    assert_int_equal(address_parse(&address, span_text("postmaster"), &err), 0);
    assert_true(span_equal(address_local(&address), span_text("postmaster")));
    assert_int_equal(address_domain(&address).size, 0);
    assert_int_equal(address_local(&null).size, 0);
    assert_int_equal(address_domain(&null).size, 0);
}

static void letter_case_does_not_tell_addresses_apart(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"Bob@example.com", "bOB@EXAMPLE.com", true},
        {"\"bob\"@example.com", "bob@example.com", true},
        {"bob@example.com", "bob@example.org", false},
        {"bob@example.com", "bobby@example.com", false},
        {"postmaster", "Postmaster", true},
        {"postmaster", "postmaster@example.com", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address a;
        struct address b;
        struct err err = {0};

        assert_int_equal(address_parse(&a, span_text(rows[i].a), &err), 0);
        assert_int_equal(address_parse(&b, span_text(rows[i].b), &err), 0);
        assert_int_equal(address_equal(&a, &b), rows[i].equal);
    }
}

static void routes_to_elsewhere_are_seen(void **state)
{
    static const struct {
        const char *text;
        bool indirect;
    } rows[] = {
        {"user%far@example.com", true},      {"far!user@example.com", true},  {"\"user@far\"@example.com", true},
        {"\"a b%c\"@example.com", true},     {"user+far@example.com", false}, {"user.far@example.com", false},
        {"\"user far\"@example.com", false}, {"postmaster", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        struct err err = {0};

        assert_int_equal(address_parse(&address, span_text(rows[i].text), &err), 0);
        assert_int_equal(address_is_indirect(&address), rows[i].indirect);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing_gives_the_canonical_form),
        cmocka_unit_test(what_is_no_address_is_refused_with_its_text),
        cmocka_unit_test(a_domain_must_look_like_one),
        cmocka_unit_test(lengths_are_counted_in_octets),
        cmocka_unit_test(building_refuses_what_could_end_or_break_a_line),
        cmocka_unit_test(the_sides_come_apart),
        cmocka_unit_test(letter_case_does_not_tell_addresses_apart),
        cmocka_unit_test(routes_to_elsewhere_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
