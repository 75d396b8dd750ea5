/*
 * What the parts of the SMTP machine (receiver/smtp.h) share, and nobody else includes: smtp.c steps and talks with
 * the driver, smtp_verbs.c runs commands, smtp_body.c follows messages, smtp_refuse.c answers.
 */
#ifndef RECEIVER_SMTP_PARTS_H
#define RECEIVER_SMTP_PARTS_H

#include "receiver/smtp.h"

/* What a turn gives when the driver has nothing to do for it: it ends in SMTP_MORE unless there is more input. */
#define SMTP_GO_ON SMTP_MORE

/* A reply with our own name where it has a place for one. */
void smtp_say(const struct smtp *smtp, enum reply reply, struct buf *output);

/* Refuses a command or a message, and notes it for the log. `shown` is for those replies that name an address. Gives
 * SMTP_REJECTED. */
enum smtp_event smtp_refuse(struct smtp *smtp, enum reply reply, struct span shown, struct buf *output);
enum smtp_event smtp_refuse_recipient(struct smtp *smtp, enum reply reply, struct span recipient, struct buf *output);

/* Back to where EHLO has left the client. */
void smtp_forget_transaction(struct smtp *smtp);

/* Takes at most one line. */
enum smtp_event smtp_follow_commands(struct smtp *smtp, struct span *input, struct buf *output);

/* DATA has been permitted: says so, and takes what comes next as the message. */
void smtp_start_content(struct smtp *smtp, struct buf *output);
enum smtp_event smtp_follow_content(struct smtp *smtp, struct span *input, struct buf *output, struct span *body);

/* The same for BDAT, permitted or not: its octets come in either case, and its answer stands behind them (RFC 3030,
 * section 2). */
enum smtp_event smtp_start_chunk(struct smtp *smtp, const struct chunk_arguments *chunk);
enum smtp_event smtp_follow_chunk(struct smtp *smtp, struct span *input, struct buf *output, struct span *body);

#endif
