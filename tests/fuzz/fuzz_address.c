/*
 * Addresses: what is taken has one canonical form, which reads back as itself and keeps to its limits.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct address *address)
{
    char octets[ADDRESS_LOCAL_MAX + 1];
    struct address again;
    struct err err = {0};
    size_t count = address_local_octets(address, octets);

    assert(strlen(address->text) < ADDRESS_SIZE && count > 0 && count <= ADDRESS_LOCAL_MAX);
    assert(span_is_utf8(span_text(address->text)));
    for (const char *at = address->text; *at != '\0'; at++)
        assert((unsigned char)*at >= 0x20 && *at != 0x7F);
    assert(address_parse(&again, span_text(address->text), &err) == 0);
    assert(strcmp(again.text, address->text) == 0 && again.local_size == address->local_size);
    assert(address_build(&again, (struct span){octets, count}, address_domain(address), &err) == 0);
    assert(strcmp(again.text, address->text) == 0 && address_equal(&again, address));
    assert(address_is_indirect(address) == (strpbrk(octets, "%!@") != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address address;
    struct err err = {0};
    struct span text = {(const char *)data, size};
    size_t half = size / 2;

    if (address_parse(&address, text, &err) == 0)
        use(&address);
    else
        assert(err.kind == ERR_PERMANENT && address.text[0] == '\0');
    if (address_build(&address, span_slice(text, 0, half), span_slice(text, half, size), &err) == 0)
        use(&address);
    return 0;
}
