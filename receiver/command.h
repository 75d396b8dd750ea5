/*
 * Command lines: where they end, which verb they hold, and what its argument says. Whether a command is permitted now
 * is the machine's to know (smtp.c).
 *
 *     switch (command_take_line(&line, &input, &text)) {
 *     case COMMAND_LINE_PART:     `input` is used up
 *     case COMMAND_LINE_WHOLE:    `text` is a line without its CRLF, borrowed until the next is taken
 *     case COMMAND_LINE_TOO_LONG: such a line has ended; `text` is its beginning
 *     case COMMAND_LINE_BARE_LF:  an LF stands by itself in this line; `text` is what stands before it
 *     }
 *     struct command command = command_read(text);
 *     if (command.refusal != REPLY_NONE) ...                refused whatever the state
 *     if (command.verb == VERB_MAIL)
 *         refusal = command_parse_mail(command.argument, &mail);
 *
 * Only CRLF ends a line. One that holds a bare LF is refused at that LF, so that somebody who types gets an answer;
 * what follows, up to the CRLF, still belongs to it and is swallowed. So each line has one answer whatever it holds,
 * and text that another program took for the inside of a line is never run as a command. Reads may cut a line
 * anywhere.
 *
 * Verbs and keywords are read without regard to case (RFC 5321, section 2.4).
 */
#ifndef RECEIVER_COMMAND_H
#define RECEIVER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "receiver/reply.h"

/* Bytes, CRLF counted. */
enum {
    COMMAND_LINE_MAX = 512,       /* RFC 5321, section 4.5.3.1.4 */
    COMMAND_LONG_LINE_MAX = 1000, /* MAIL and RCPT, whose parameters extend it */
};

enum verb {
    VERB_UNKNOWN,
    VERB_HELO,
    VERB_EHLO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_STARTTLS,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_HELP,
    VERB_QUIT,
    VERB_COUNT,
};

struct command {
    enum verb verb;
    enum reply refusal;   /* of the line as such, whatever the session's state; or REPLY_NONE */
    bool ends_session;    /* the refusal is the last word: what follows such a line can't be trusted to be commands */
    struct span argument; /* without the spaces around it */
};

/* What MAIL said. BODY is checked, and makes no difference: every octet is kept. */
struct mail_arguments {
    struct address sender;
    bool has_size;
    uint64_t size_bytes; /* as declared; 0 without SIZE */
    bool has_body;
    bool utf8; /* SMTPUTF8: this transaction's addresses may be other than ASCII */
};

/* What BDAT said. */
struct chunk_arguments {
    uint64_t size_bytes;
    bool is_last;
};

enum command_line_status {
    COMMAND_LINE_PART,
    COMMAND_LINE_WHOLE,
    COMMAND_LINE_TOO_LONG,
    COMMAND_LINE_BARE_LF,
};

/* A line as far as it has come; a zeroed one is empty. */
struct command_line {
    size_t size;     /* bytes kept */
    bool ends_in_cr; /* the last byte seen, kept or not */
    bool too_long;
    bool refused; /* COMMAND_LINE_BARE_LF has been given for it */
    char bytes[COMMAND_LONG_LINE_MAX];
};

/* Takes bytes from the front of `input`, at most to the end of a line. `text` is left alone with COMMAND_LINE_PART.
 */
enum command_line_status command_take_line(struct command_line *line, struct span *input, struct span *text);

/* Reads a line; never fails. */
struct command command_read(struct span line);

/* Whether a line that begins so is followed by octets which are no commands: where they end can't be known when the
 * line is not good. */
bool command_brings_octets(struct span line);

/* Each gives REPLY_NONE when the argument is well-formed, or the reply that refuses it. */
enum reply command_parse_mail(struct span argument, struct mail_arguments *mail);
enum reply command_parse_bdat(struct span argument, struct chunk_arguments *chunk);
/* `utf8`: MAIL has said SMTPUTF8. */
enum reply command_parse_rcpt(struct span argument, bool utf8, struct address *recipient);

#endif
