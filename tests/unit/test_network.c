#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/network.h"
#include "tests/unit/support.h"

static void an_address_has_one_text(void **state)
{
    static const struct {
        const char *text, *canonical; /* NULL: it is no address */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:C000:201", "192.0.2.1"},
        {"::", "::"},
        {"::1", "::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"", NULL},
        {"local", NULL},
        {"192.0.2", NULL},
        {"192.0.2.1 ", NULL},
        {"192.0.02.1", NULL},
        {"0xC0.0.2.1", NULL},
        {"192.0.2.1/32", NULL},
        {"[::1]", NULL},
        {"fe80::1%lo", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char address[NETWORK_ADDRESS_SIZE];
        char text[NETWORK_ADDRESS_TEXT_SIZE];
        int status = network_address_parse(address, span_text(rows[i].text));

        assert_int_equal(status, rows[i].canonical == NULL ? -1 : 0);
        if (status != 0)
            continue;
        network_address_text(address, text);
        assert_string_equal(text, rows[i].canonical);
    }
    assert_int_equal(network_address_parse((unsigned char[NETWORK_ADDRESS_SIZE]){0}, SPAN("::1\0")), -1);
}

static void a_network_has_its_addresses(void **state)
{
    static const struct {
        const char *network, *address;
        bool contains;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::ffff:192.0.2.0/120", "192.0.2.77", true},
        {"::ffff:192.0.2.0/120", "192.0.3.77", false},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.4/31", "192.0.2.5", true},
        {"192.0.2.4/31", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::/0", "::ffff:203.0.113.9", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::2", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char address[NETWORK_ADDRESS_SIZE];
        struct networks networks = {.count = 1};
        struct network network;
        struct err err;

        assert_int_equal(network_parse(&network, rows[i].network, &err), 0);
        assert_int_equal(network_address_parse(address, span_text(rows[i].address)), 0);
        networks.list = &network;
        if (networks_contain(&networks, address) != rows[i].contains)
            fail_msg("%s and %s", rows[i].network, rows[i].address);
    }
}

static void none_contain_nothing(void **state)
{
    (void)state;
    assert_false(networks_contain(&(struct networks){0}, (unsigned char[NETWORK_ADDRESS_SIZE]){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_text),
        cmocka_unit_test(a_network_has_its_addresses),
        cmocka_unit_test(none_contain_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
