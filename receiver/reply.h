/*
 * Replies: every answer that the receiver can give, by name, in one table; and the table from a failure of ours to
 * the reply that a client gets for it.
 *
 *     reply_put(&output, REPLY_UNKNOWN_USER, address_text);   "550 5.1.1 <address>: no such address here\r\n"
 *     reply_put_ehlo(&output, hostname, max_message_size, false);    the one reply of several lines
 *
 * A reply line is at most REPLY_LINE_MAX bytes with its CRLF (RFC 5321, section 4.5.3.1.5): text put into it is cut
 * to fit, and control and non-ASCII bytes in it become question marks. Enhanced codes stand on every reply but the
 * greeting, those to HELO and EHLO, and 354 (RFC 2034, section 4).
 */
#ifndef RECEIVER_REPLY_H
#define RECEIVER_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum {
    REPLY_LINE_MAX = 512,  /* bytes, CRLF counted */
    REPLY_ROOM_MAX = 1024, /* bytes that any one answer needs at most, the EHLO reply included */
};

enum reply {
    REPLY_NONE, /* nothing to say: also "fine, go on" where a function judges */
    REPLY_GREETING,
    REPLY_HELO,
    REPLY_SENDER_OK,
    REPLY_RECIPIENT_OK,
    REPLY_START_MAIL,
    REPLY_START_TLS,
    REPLY_CHUNK_OK,
    REPLY_ACCEPTED,
    REPLY_DROPPED, /* the same to the client, for a message none of whose recipients is kept */
    REPLY_RESET,
    REPLY_NOOP,
    REPLY_VRFY,
    REPLY_HELP,
    REPLY_GOODBYE,

    REPLY_TIMEOUT,
    REPLY_SHUTDOWN,
    REPLY_UNAVAILABLE,
    REPLY_TOO_SLOW,
    REPLY_TOO_MANY_SESSIONS,
    REPLY_TOO_MANY_FROM_CLIENT,
    REPLY_TOO_MANY_ERRORS,
    REPLY_TOO_MANY_COMMANDS,
    REPLY_NO_PROXY_HEADER,
    REPLY_OUT_OF_STEP,
    REPLY_NOT_HTTP,

    REPLY_NO_TLS,
    REPLY_TEMPORARY_FAILURE,
    REPLY_NO_RESOURCES,
    REPLY_DISK_FULL,
    REPLY_TOO_MANY_RECIPIENTS,

    REPLY_UNKNOWN_COMMAND,
    REPLY_LINE_TOO_LONG,
    REPLY_BARE_LF,
    REPLY_CONTROL_BYTE,
    REPLY_NOT_IMPLEMENTED,
    REPLY_BAD_HELO,
    REPLY_NO_ARGUMENT,
    REPLY_NEEDS_ARGUMENT,
    REPLY_MAIL_SYNTAX,
    REPLY_RCPT_SYNTAX,
    REPLY_BAD_SENDER,
    REPLY_BAD_RECIPIENT,
    REPLY_NOT_ASCII,
    REPLY_BAD_CHUNK,
    REPLY_BAD_SIZE,
    REPLY_BAD_BODY,
    REPLY_REPEATED_PARAMETER,
    REPLY_BAD_PARAMETER,
    REPLY_UNKNOWN_PARAMETER,
    REPLY_NEEDS_HELO,
    REPLY_NESTED_MAIL,
    REPLY_NEEDS_MAIL,
    REPLY_NEEDS_RECIPIENT,
    REPLY_NO_VALID_RECIPIENT,
    REPLY_CHUNKS_BEGUN,
    REPLY_CHUNK_AFTER_FAILURE,
    REPLY_SECURED_ALREADY,
    REPLY_TOO_EARLY,
    REPLY_UNKNOWN_USER,
    REPLY_NO_RELAY,
    REPLY_TOO_BIG,
    REPLY_HEADER_TOO_BIG,
    REPLY_BARE_LINE_END,
    REPLY_LOOP,
    REPLY_REFUSED,
    REPLY_COUNT,
};

/* What went wrong on our side while a message was taken in. */
enum reply_failure {
    FAILURE_NONE,
    FAILURE_TEMPORARY, /* whatever has no word of its own */
    FAILURE_DISK_FULL,
    FAILURE_NO_RESOURCES, /* memory, descriptors, processes */
    FAILURE_TOO_BIG,      /* the file reached the size that it may have */
    FAILURE_REFUSED,      /* the writer holds the message to be one that must not be kept */
    FAILURE_COUNT,
};

/* Three digits. */
unsigned reply_code(enum reply reply);

/* Adds the whole line. `argument` is put where the reply has a place for it; others leave it out. */
void reply_put(struct buf *output, enum reply reply, struct span argument);

/* The answer to EHLO: our name and the extensions, SIZE with its limit in bytes, STARTTLS only where it is offered.
 */
void reply_put_ehlo(struct buf *output, struct span hostname, uint64_t max_message_size, bool offer_starttls);

/* The reply for a failure; FAILURE_NONE is REPLY_ACCEPTED. */
enum reply reply_for_failure(enum reply_failure failure);

/* The failure that an errno stands for; 0 is FAILURE_NONE. */
enum reply_failure reply_failure_of(int number);

#endif
