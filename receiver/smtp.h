/*
 * The SMTP machine: bytes from the client in, replies and events out. It makes no system call, reads no clock and
 * allocates nothing; whoever drives it owns the socket, the file and the time (RFC 5321).
 *
 *     smtp_init(&smtp, &policy, recipient_storage, sizeof recipient_storage);
 *     smtp_greet(&smtp, &output);
 *     for (;;)
 *         switch (smtp_step(&smtp, &input, &output, &body)) {
 *         case SMTP_MORE:      write `output`, read into `input`; nothing more comes: leave, and discard an open file
 *         case SMTP_FLUSH:     write `output`
 *         case SMTP_OPEN:      open a file for the envelope in `smtp`;  smtp_opened(&smtp, failure, &output)
 *         case SMTP_BODY:      append `body` to it, it went wrong:      smtp_write_failed(&smtp, failure)
 *         case SMTP_COMMIT:    make it durable;                smtp_committed(&smtp, failure, id, &output)
 *         case SMTP_ABORT:     discard the file; smtp.rejection says why
 *         case SMTP_WITHDRAWN: discard the file: the client has thought better of it, nothing was refused
 *         case SMTP_DISCARDED: a message of which no recipient is kept was swallowed and answered 250
 *         case SMTP_REJECTED:  smtp.rejection says what was refused
 *         case SMTP_STARTTLS:  write `output`, shake hands:            smtp_secured(&smtp)
 *                              or, before it is written, there is none: smtp_not_secured(&smtp, &output)
 *         case SMTP_CLOSE:     write `output`, leave
 *         }
 *
 * Each SMTP_OPEN that is answered FAILURE_NONE is followed by any number of SMTP_BODY and one of SMTP_COMMIT,
 * SMTP_ABORT, SMTP_WITHDRAWN or the end of the connection. Step is called again after every event but SMTP_CLOSE,
 * with what is left of `input`; it asks for SMTP_FLUSH whenever `output` may lack room for an answer, so the three
 * that answer never fail. The envelope may be read until the next step. Which bytes arrive together makes no
 * difference to replies, events or body, but for this: what arrives in the same read as STARTTLS, behind it, is
 * thrown away, as somebody else may have put it there (RFC 3207, section 6; CVE-2011-0411). `input` is empty then.
 */
#ifndef RECEIVER_SMTP_H
#define RECEIVER_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/envelope.h"
#include "receiver/command.h"
#include "receiver/content.h"
#include "receiver/reply.h"

enum { SMTP_OUTPUT_MIN = 2 * REPLY_ROOM_MAX }; /* the least that `output` must hold when empty */

enum smtp_verdict { SMTP_RECIPIENT_KEPT, SMTP_RECIPIENT_UNKNOWN, SMTP_RECIPIENT_FOREIGN };

typedef enum smtp_verdict smtp_recipient_check(void *context, const struct address *recipient);

/* Borrowed by the machine; must stay as it is, but that STARTTLS may be offered no longer. */
struct smtp_policy {
    const char *hostname;      /* our own, for replies */
    uint64_t max_message_size; /* bytes as sent: CRLF line ends counted, dot-stuffing not */
    unsigned max_recipients;   /* of one message */
    uint64_t max_header_size;  /* of that, all before the first empty line */
    unsigned max_errors;       /* with this many refused commands (5xx) and no message accepted the session ends */
    unsigned max_commands;     /* of the whole session */
    bool offer_starttls;       /* and answer SMTP_STARTTLS */
    bool discard_unknown;      /* take unknown local parts of our domains with 250 and drop them */
    smtp_recipient_check *recipient;
    void *context;
};

enum smtp_event {
    SMTP_MORE,
    SMTP_FLUSH,
    SMTP_OPEN,
    SMTP_BODY,
    SMTP_COMMIT,
    SMTP_ABORT,
    SMTP_WITHDRAWN,
    SMTP_DISCARDED,
    SMTP_REJECTED,
    SMTP_STARTTLS,
    SMTP_CLOSE,
};

/* How far the client has come; commands are permitted by it. */
enum smtp_state {
    SMTP_CONNECTED, /* no HELO or EHLO yet */
    SMTP_READY,     /* no transaction */
    SMTP_MAIL,      /* a sender, no recipient that we take */
    SMTP_RCPT,      /* a sender and recipients */
    SMTP_CHUNKS,    /* the same, and BDAT has begun */
    SMTP_STATE_COUNT,
};

/* What the next byte belongs to, or which answer of the driver's is waited for. */
enum smtp_mode {
    SMTP_MODE_COMMAND,
    SMTP_MODE_OPENING,
    SMTP_MODE_CONTENT,
    SMTP_MODE_CHUNK,
    SMTP_MODE_COMMITTING,
    SMTP_MODE_SECURING,
    SMTP_MODE_CLOSED,
};

/* The last refusal, for the log and the history. The texts are as the client gave them: whoever writes them down
 * cleans them. */
struct smtp_rejection {
    enum reply reply;
    bool of_mail;           /* for this mail did not arrive, and no other refusal says so already */
    struct span recipient;  /* canonical where it could be read; empty when no recipient was refused */
    struct span reply_text; /* without CRLF */
    char recipient_storage[ADDRESS_SIZE];
    char reply_storage[REPLY_LINE_MAX];
};

struct smtp {
    const struct smtp_policy *policy;
    enum smtp_state state;
    enum smtp_mode mode;

    /* The envelope so far. */
    char helo[ENVELOPE_HELO_SIZE]; /* empty before HELO or EHLO */
    bool extended;                 /* EHLO, not HELO */
    struct mail_arguments mail;    /* sender, declared size, body type */
    struct buf recipients;         /* canonical, without repetition, a NUL after each; the caller's storage */
    unsigned recipient_count;
    unsigned refused_count;   /* recipients of this transaction that were refused */
    unsigned discarded_count; /* and those accepted and dropped */

    bool secured; /* TLS is active */
    struct smtp_rejection rejection;
    bool quits;           /* the client has said QUIT, and all is answered but that the connection ends */
    bool asked;           /* the client has said that it brings mail, in whatever words */
    enum reply sent_away; /* the 421 with which the session ends; or REPLY_NONE */
    unsigned commands;
    unsigned errors; /* 5xx since the last message accepted; recipients beside one that we take are not counted */

    /* Private to the machine. */
    bool brings_mail;      /* the last command is one of a transaction's */
    bool transaction_over; /* the envelope is forgotten at the next step */
    bool file_is_open;
    enum reply_failure failure;   /* of the file */
    struct chunk_arguments chunk; /* its size is what is still to come */
    enum reply chunk_refusal;     /* what is said at its end instead of taking it; or REPLY_NONE */
    bool chunks_failed;           /* the last command was a BDAT that was refused: more may be on their way */
    size_t securing_reply_size;   /* of the 220 at the end of `output`, while SMTP_STARTTLS waits for its answer */
    struct command_line line;
    struct content content;
};

/* `recipient_storage` holds the recipients' texts; a transaction that fills it gets 452 for the next one. */
void smtp_init(struct smtp *smtp, const struct smtp_policy *policy, char *recipient_storage,
               size_t recipient_storage_size);

/* The 220 that opens the session. */
void smtp_greet(struct smtp *smtp, struct buf *output);
/* Instead of it, to a client that has spoken before: 554, and the session ends; smtp.rejection says so. */
void smtp_refuse_early(struct smtp *smtp, struct buf *output);

/*
 * Takes bytes from the front of `input`, adds replies to `output`, and returns at the first thing that the driver
 * must do. With SMTP_BODY, `body` is what to append to the file (LF line ends), borrowed until the next step; nothing
 * else touches it.
 */
enum smtp_event smtp_step(struct smtp *smtp, struct span *input, struct buf *output, struct span *body);

/* Answers SMTP_OPEN: 354, or the reply for the failure; the transaction then stays, for another try. */
void smtp_opened(struct smtp *smtp, enum reply_failure failure, struct buf *output);

/* After SMTP_BODY: the rest is swallowed, then the failure's reply given with SMTP_ABORT. */
void smtp_write_failed(struct smtp *smtp, enum reply_failure failure);

/* Answers SMTP_COMMIT: 250 with the ID, or the reply for the failure; then `id` is not looked at. */
void smtp_committed(struct smtp *smtp, enum reply_failure failure, const char *id, struct buf *output);

/* Answers SMTP_STARTTLS: TLS is active, and the client begins anew (RFC 3207, section 4.2). */
void smtp_secured(struct smtp *smtp);
/* The same: takes the 220 out of `output` again, says 454, and goes on in the clear as if nothing had been asked. */
void smtp_not_secured(struct smtp *smtp, struct buf *output);

/* Ends the session from our side: REPLY_TIMEOUT, REPLY_SHUTDOWN, REPLY_UNAVAILABLE. Steps then give SMTP_CLOSE only.
 */
void smtp_hang_up(struct smtp *smtp, enum reply reply, struct buf *output);

/* Whether a message is on its way: between the chunks of one as well. */
bool smtp_in_body(const struct smtp *smtp);

/* The name of what the client speaks in this transaction: "SMTP", "ESMTP", "ESMTPS" (RFC 3848), "UTF8SMTP" or
 * "UTF8SMTPS" (RFC 6531, section 4.3). */
const char *smtp_protocol(const struct smtp *smtp);

/*
 * Walks the recipients: gives the next one's text after `previous` (NULL: the first), or NULL at the end. Borrowed,
 * and NUL-terminated.
 */
const char *smtp_next_recipient(const struct smtp *smtp, const char *previous);

#endif
