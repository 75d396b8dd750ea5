/*
 * Paths as MAIL and RCPT give them (RFC 5321, section 4.1.2): angle brackets, an optional source route, a mailbox.
 *
 *     struct span rest = argument;                       "<@a.example:"john doe"@example.com> SIZE=1"
 *     status = path_parse(&rest, PATH_FORWARD, &address);
 *     ...                                                address "john doe"@example.com, rest " SIZE=1"
 *
 * A source route is checked and dropped: it never has a say in where a message goes. Quoted local parts are brought
 * to the canonical form, so that every spelling of a mailbox is the same address from here on.
 */
#ifndef RECEIVER_PATH_H
#define RECEIVER_PATH_H

#include "common/address.h"
#include "common/buf.h"

enum { PATH_MAX_SIZE = 256 }; /* octets, punctuation counted (RFC 5321, section 4.5.3.1.3) */

enum path_kind {
    PATH_REVERSE, /* a sender: "<>" is the null sender */
    PATH_FORWARD, /* a recipient: "<postmaster>" needs no domain */
};

enum path_status {
    PATH_OK,     /* and all of it is ASCII, a source route included */
    PATH_UTF8,   /* read as well, but it is for those who may use SMTPUTF8 only (RFC 6531) */
    PATH_SYNTAX, /* not a path, or longer than one may be, or not valid UTF-8 */
};

/*
 * Reads a path from the front of `text` and leaves what follows it there. With PATH_SYNTAX, `text` is untouched and
 * `address` empty.
 */
enum path_status path_parse(struct span *text, enum path_kind kind, struct address *address);

#endif
