/*
 * An envelope (who sent a message, to whom, from where) and its written form: the trace block at the head of each
 * spool file, from which the envelope can be rebuilt exactly.
 *
 *     Return-Path: <asker@example.org>
 *     X-Original-To: 8ball@example.com          one line for each recipient, in the order of RCPT
 *     Received: from client.example.org ([192.0.2.1])
 *     	by mail.example.com with ESMTP id 06DK3T9Q2B7XH0VA;
 *     	Sat, 31 Jan 2026 23:59:59 +0000
 *
 * The block ends with that first Received field; what follows is the sender's own word, even where it looks
 * the same. Lines in the spool end with LF. The exact time of receipt is the ID's. With TLS, a comment
 * "(TLSv1.3 TLS_AES_256_GCM_SHA384)" stands behind the ID.
 */
#ifndef COMMON_ENVELOPE_H
#define COMMON_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"

enum {
    ENVELOPE_RECIPIENTS_MAX = 1000,
    ENVELOPE_CLIENT_SIZE = 64, /* an IPv4 or IPv6 address, or "local", and the NUL */
    ENVELOPE_HELO_SIZE = 256,
    ENVELOPE_PROTOCOL_SIZE = 16, /* RFC 3848: SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS */
    ENVELOPE_TLS_SIZE = 80,
    ENVELOPE_TRACE_MAX = 1024 + (ENVELOPE_RECIPIENTS_MAX + 1) * (ADDRESS_SIZE + 20),
};

struct envelope {
    char id[ID_SIZE];
    struct address sender; /* empty text: the null sender */
    struct address *recipients;
    size_t recipient_count;
    size_t recipient_capacity;
    char client_address[ENVELOPE_CLIENT_SIZE];
    char client_helo[ENVELOPE_HELO_SIZE];
    char client_protocol[ENVELOPE_PROTOCOL_SIZE];
    char tls[ENVELOPE_TLS_SIZE]; /* protocol and cipher, or empty */
};

/* Frees the recipients and empties the rest; a zeroed envelope is an empty one. */
void envelope_free(struct envelope *envelope);

/* Adds a recipient at the end unless it is there already. Fails when memory or the limit is used up (temporary). */
__attribute__((warn_unused_result)) int envelope_add_recipient(struct envelope *envelope,
                                                               const struct address *recipient, struct err *err);

/* The time of receipt, from the ID. */
int64_t envelope_received_ms(const struct envelope *envelope);

/* A name that may stand in HELO and in the trace block: 1 to 255 of letters, digits, UTF-8 and . - _ : [ ] */
bool envelope_helo_is_valid(struct span name);

/* Writes the trace block, hostname being our own. Overflow of `trace` is the caller's to check. */
void envelope_write_trace(const struct envelope *envelope, const char *hostname, struct buf *trace);

/*
 * Reads the trace block at the head of a spool file's bytes into an empty envelope and gives its size in
 * `trace_size`. A block that is missing, damaged or longer than `head` is a permanent error.
 */
__attribute__((warn_unused_result)) int envelope_read_trace(struct envelope *envelope, struct span head,
                                                            size_t *trace_size, struct err *err);

#endif
