#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "receiver/path.h"
#include "tests/unit/support.h"

struct row {
    struct span text;
    enum path_kind kind;
    enum path_status status;
    const char *address;
    const char *rest;
};

static void check(const struct row *row)
{
    struct span text = row->text;
    struct address address;
    enum path_status status = path_parse(&text, row->kind, &address);

    if (status != row->status || strcmp(address.text, row->address) != 0)
        print_error("%.*s gives %d \"%s\"\n", (int)row->text.size, row->text.data, status, address.text);
    assert_int_equal(status, row->status);
    assert_string_equal(address.text, row->address);
    if (status != PATH_SYNTAX)
        assert_true(span_equal(text, span_text(row->rest)));
    else
        assert_true(span_equal(text, row->text));
}

static void paths_that_are_well_formed(void **state)
{
    const struct row rows[] = {
        {SPAN("<>"), PATH_REVERSE, PATH_OK, "", ""},
        {SPAN("<> SIZE=1"), PATH_REVERSE, PATH_OK, "", " SIZE=1"},
        {SPAN("<a@example.com>"), PATH_FORWARD, PATH_OK, "a@example.com", ""},
        {SPAN("<a@example.com>"), PATH_REVERSE, PATH_OK, "a@example.com", ""},
        {SPAN("<A.b+c=d@EXAMPLE.Com>x"), PATH_FORWARD, PATH_OK, "A.b+c=d@example.com", "x"},
        {SPAN("<!#$%&'*+-/=?^_`{|}~@example.com>"), PATH_FORWARD, PATH_OK, "!#$%&'*+-/=?^_`{|}~@example.com", ""},
        /* Quoted: whatever needs no quotes loses them. */
        {SPAN("<\"a\"@example.com>"), PATH_FORWARD, PATH_OK, "a@example.com", ""},
        {SPAN("<\"\\a\\b\"@example.com>"), PATH_FORWARD, PATH_OK, "ab@example.com", ""},
        {SPAN("<\"john doe\"@example.com>"), PATH_FORWARD, PATH_OK, "\"john doe\"@example.com", ""},
        {SPAN("<\"a>b\"@example.com> X"), PATH_FORWARD, PATH_OK, "\"a>b\"@example.com", " X"},
        {SPAN("<\"a\\\"b\"@example.com>"), PATH_FORWARD, PATH_OK, "\"a\\\"b\"@example.com", ""},
        {SPAN("<\"a\\\\\"@example.com>"), PATH_FORWARD, PATH_OK, "\"a\\\\\"@example.com", ""},
        {SPAN("<\"a@far.example\"@example.com>"), PATH_FORWARD, PATH_OK, "\"a@far.example\"@example.com", ""},
        {SPAN("<\"..\"@example.com>"), PATH_FORWARD, PATH_OK, "\"..\"@example.com", ""},
        /* Literals. */
        {SPAN("<a@[192.0.2.1]>"), PATH_FORWARD, PATH_OK, "a@[192.0.2.1]", ""},
        {SPAN("<a@[IPv6:2001:DB8::0:1]>"), PATH_FORWARD, PATH_OK, "a@[IPv6:2001:db8::1]", ""},
        {SPAN("<a@[ipv6:::1]>"), PATH_REVERSE, PATH_OK, "a@[IPv6:::1]", ""},
        /* Source routes are dropped. */
        {SPAN("<@far.example:a@example.com>"), PATH_FORWARD, PATH_OK, "a@example.com", ""},
        {SPAN("<@far.example,@x.example:a@example.com>"), PATH_REVERSE, PATH_OK, "a@example.com", ""},
        {SPAN("<@example.com:a@far.example>"), PATH_FORWARD, PATH_OK, "a@far.example", ""},
        /* Nobody's domain. */
        {SPAN("<postmaster>"), PATH_FORWARD, PATH_OK, "postmaster", ""},
        {SPAN("<PostMaster>"), PATH_FORWARD, PATH_OK, "PostMaster", ""},
        {SPAN("<a%b@example.com>"), PATH_FORWARD, PATH_OK, "a%b@example.com", ""},
        {SPAN("<b!a@example.com>"), PATH_FORWARD, PATH_OK, "b!a@example.com", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

static void check_refused(const struct span *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(&(struct row){rows[i], PATH_FORWARD, PATH_SYNTAX, "", ""});
        check(&(struct row){rows[i], PATH_REVERSE, PATH_SYNTAX, "", ""});
    }
}

static void local_parts_that_are_refused(void **state)
{
    const struct span rows[] = {
        SPAN(""),
        SPAN("<"),
        SPAN("<a>"),
        SPAN("a@example.com"),
        SPAN("<a@example.com"),
        SPAN("<<a@example.com>>"),
        SPAN("< a@example.com>"),
        SPAN("<a @example.com>"),
        SPAN("<a b@example.com>"),
        SPAN("<.a@example.com>"),
        SPAN("<a.@example.com>"),
        SPAN("<a..b@example.com>"),
        SPAN("<\"\"@example.com>"),
        SPAN("<a\0@example.com>"),
        SPAN("<a\0b@example.com>"),
        SPAN("<a\x7F@example.com>"),
        SPAN("<\xC3@example.com>"), /* not UTF-8 */
        SPAN("<\"\xC3\\\xBC\"@example.com>"),
        SPAN("<\xC0\xAF@example.com>"),
        SPAN("<\xED\xA0\x80@example.com>"),
        SPAN("<\"a@example.com>"),
        SPAN("<\"a\"b@example.com>"),
        SPAN("<\"a\" @example.com>"),
        SPAN("<\"a\\\"@example.com>"),
        SPAN("<\"a\nb\"@example.com>"),
        SPAN("<\"a\tb\"@example.com>"),
        SPAN("<\"a\\\tb\"@example.com>"),
        SPAN("<\"a\0b\"@example.com>"),
        SPAN("<\"a\\\0b\"@example.com>"),
    };

    (void)state;
    check_refused(rows, sizeof rows / sizeof rows[0]);
    check(&(struct row){SPAN("<>"), PATH_FORWARD, PATH_SYNTAX, "", ""});
    check(&(struct row){SPAN("<postmaster>"), PATH_REVERSE, PATH_SYNTAX, "", ""});
}

static void domains_and_routes_that_are_refused(void **state)
{
    const struct span rows[] = {
        SPAN("<@>"),
        SPAN("<a@>"),
        SPAN("<a@b@example.com>"),
        SPAN("<postmaster@>"),
        SPAN("<@example.com>"),
        SPAN("<a@ example.com>"),
        SPAN("<a@example.com >"),
        SPAN("<a@.example.com>"),
        SPAN("<a@example..com>"),
        SPAN("<a@example.com.>"),
        SPAN("<a@-example.com>"),
        SPAN("<a@example-.com>"),
        SPAN("<a@exam ple.com>"),
        SPAN("<a@exam\"ple.com>"),
        SPAN("<a@example.com\0>"),
        SPAN("<a@exam\0ple.com>"),
        SPAN("<a@[192.0.2.256]>"),
        SPAN("<a@[192.0.2]>"),
        SPAN("<a@[192.0.2.1>"),
        SPAN("<a@192.0.2.1]>"),
        SPAN("<a@[]>"),
        SPAN("<a@[2001:db8::1]>"),
        SPAN("<a@[IPv6:2001:db8::1::2]>"),
        SPAN("<a@[IPv6:]>"),
        SPAN("<a@[Future:1]>"),
        SPAN("<a@[192.0.2.1\0]>"),
        SPAN("<@x.example a@example.com>"),
        SPAN("<@x.example:>"),
        SPAN("<@x.example,:a@example.com>"),
        SPAN("<@x.example,y.example:a@example.com>"),
        SPAN("<@x..example:a@example.com>"),
        SPAN("<@:a@example.com>"),
        SPAN("<@x.example:@y.example:a@example.com>"),
        SPAN("<@x.example:postmaster>"),
    };

    (void)state;
    check_refused(rows, sizeof rows / sizeof rows[0]);
}

#define U "\xC3\xBC"

static void addresses_that_are_not_ascii(void **state)
{
    const struct {
        struct span text;
        const char *address;
    } rows[] = {
        {SPAN("<gr" U "n@example.com>"), "gr" U "n@example.com"},
        {SPAN("<a@gr" U "n.example.COM>"), "a@gr" U "n.example.com"},
        {SPAN("<\"gr" U " n\"@example.com>"), "\"gr" U " n\"@example.com"},
        {SPAN("<\"\\" U "\"@example.com>"), U "@example.com"},
        {SPAN("<@gr" U ".example:a@example.com>"), "a@example.com"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&(struct row){rows[i].text, PATH_FORWARD, PATH_UTF8, rows[i].address, ""});
        check(&(struct row){rows[i].text, PATH_REVERSE, PATH_UTF8, rows[i].address, ""});
    }
}

/* "<", local_size letters, "@", labels of 50 letters as long as they fit, ">": `size` bytes in all. */
static struct span long_path(char *storage, size_t local_size, size_t size)
{
    storage[0] = '<';
    for (size_t i = 1; i < size - 1; i++)
        storage[i] = i <= local_size || (i - local_size) % 50 != 0 ? 'a' : '.';
    storage[local_size + 1] = '@';
    storage[size - 1] = '>';
    return (struct span){storage, size};
}

static void lengths(void **state)
{
    char storage[400];
    struct address address;
    struct span text;

    (void)state;
    text = long_path(storage, 64, PATH_MAX_SIZE);
    assert_int_equal(path_parse(&text, PATH_FORWARD, &address), PATH_OK);
    text = long_path(storage, 65, PATH_MAX_SIZE);
    assert_int_equal(path_parse(&text, PATH_FORWARD, &address), PATH_SYNTAX);
    text = long_path(storage, 10, PATH_MAX_SIZE + 1);
    assert_int_equal(path_parse(&text, PATH_FORWARD, &address), PATH_SYNTAX);
    text = long_path(storage, 64, PATH_MAX_SIZE - 1);
    assert_int_equal(path_parse(&text, PATH_REVERSE, &address), PATH_OK);
}

static void a_path_cut_anywhere_is_none(void **state)
{
    static const char whole[] = "<@x.example:\"a\\\"b>\"@[IPv6:2001:db8::1]>";

    (void)state;
    for (size_t size = 0; size < sizeof whole - 1; size++)
        check(&(struct row){{whole, size}, PATH_FORWARD, PATH_SYNTAX, "", ""});
    check(&(struct row){{whole, sizeof whole - 1}, PATH_FORWARD, PATH_OK, "\"a\\\"b>\"@[IPv6:2001:db8::1]", ""});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_that_are_well_formed),
        cmocka_unit_test(local_parts_that_are_refused),
        cmocka_unit_test(domains_and_routes_that_are_refused),
        cmocka_unit_test(addresses_that_are_not_ascii),
        cmocka_unit_test(lengths),
        cmocka_unit_test(a_path_cut_anywhere_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
