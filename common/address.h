/*
 * A mail address in canonical form: what the envelope, the trace block, the index and the routes all hold.
 *
 * The local part keeps its letters' case and is quoted only where it must be ("john doe"@example.com); the domain is
 * in lower case, or an address literal in brackets. Comparing ignores the case of ASCII letters. Two addresses are
 * the same when their canonical forms are.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    ADDRESS_LOCAL_MAX = 64,   /* RFC 5321, section 4.5.3.1.1, octets without quotes and escapes */
    ADDRESS_DOMAIN_MAX = 255, /* section 4.5.3.1.2 */
    ADDRESS_SIZE = 2 * ADDRESS_LOCAL_MAX + 2 + 1 + ADDRESS_DOMAIN_MAX + 1,
};

struct address {
    char text[ADDRESS_SIZE]; /* canonical, NUL-terminated; empty for the null sender, bare "postmaster" allowed */
    size_t local_size;       /* bytes of the local part as written, quotes included */
};

/*
 * The canonical address of a local part (its octets, unquoted) and a domain ("" for bare postmaster). Refused: NUL or
 * control bytes, a length over the limits, non-ASCII that is not valid UTF-8, an empty local part.
 */
__attribute__((warn_unused_result)) int address_build(struct address *address, struct span local, struct span domain,
                                                      struct err *err);

/*
 * Reads the canonical form, as in a configuration or a trace block: "local@domain", quoted local part allowed. The
 * domain must look like one (letters, digits, hyphens, dots, UTF-8) or be an address literal. Errors are permanent
 * and name the text.
 */
__attribute__((warn_unused_result)) int address_parse(struct address *address, struct span text, struct err *err);

/* The two sides as written; the domain is empty for bare "postmaster" and the null sender. */
struct span address_local(const struct address *address);
struct span address_domain(const struct address *address);
/* The local part's octets without quotes and escapes, into `local`; returns how many. */
size_t address_local_octets(const struct address *address, char local[static ADDRESS_LOCAL_MAX + 1]);

bool address_equal(const struct address *a, const struct address *b);
/* A local part that other servers would read as a route to elsewhere: it holds '%', '!' or '@'. */
bool address_is_indirect(const struct address *address);
/* A syntactically valid domain name: labels of 1 to 63 letters, digits, hyphens, underscores or UTF-8, 255 octets in
 * all. */
bool address_domain_is_valid(struct span domain);

#endif
