/*
 * What a message says of itself: its decoded headers, and the letter that answers it. Foreign bytes are read and
 * written by mailmill-headers and mailmill-mime alone, programs that do each request in a sandboxed process of its
 * own. This is the other side of either:
 *
 *     program_find(MESSAGE_PROGRAM, path, sizeof path, &err);
 *     message_start(&helper, path, &err);
 *     ... poll helper.socket for reading ...
 *     if (!message_is_busy(&helper))
 *         message_ask_parse(&helper, token, message_fd, &err);
 *     ...
 *     while ((status = message_receive(&helper, &answer, &err)) == 1)
 *         act on answer.token
 *     if (status == -1)
 *         message_stop(&helper), and message_start() again; what was asked and not answered must be asked again
 *
 * Every request gets exactly one answer for as long as the helper lives, in any order, at the latest after about
 * MESSAGE_DEADLINE_MS and the time it waited for its turn. Nothing here waits. An answer is checked: its texts are
 * UTF-8 without control characters, whatever a taken-over parser would like to say.
 *
 * A request that failed permanently would fail again: the message made its parser crash or run too long. Such a
 * message can still be delivered, with empty headers, and must not be answered automatically.
 */
#ifndef PROCESSOR_MESSAGE_H
#define PROCESSOR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    MESSAGE_TEXT_MAX = 4096, /* bytes of a decoded header; longer ones are cut between two characters */
    MESSAGE_TEXT_SIZE = MESSAGE_TEXT_MAX + 1,
    MESSAGE_DIGEST_SIZE = 65,                         /* SHA-256 in hexadecimal digits, and the NUL */
    MESSAGE_IN_FLIGHT_MAX = 16,                       /* requests that may wait for their answers at once */
    MESSAGE_DEADLINE_MS = 10000,                      /* for one request, once it has begun */
    MESSAGE_END_MS = 1000,                            /* what mailmill-mime is given to end; its parent twice that */
    MESSAGE_FRAME_SIZE = 10 * (MESSAGE_TEXT_MAX + 8), /* the largest frame: its type, a token, a digest, nine texts */
};

/*
 * Decoded headers, the first of each name: UTF-8, one line, control characters made spaces, trimmed; empty when the
 * message has none. All of it is the sender's word.
 */
struct message_headers {
    char subject[MESSAGE_TEXT_SIZE];
    char from[MESSAGE_TEXT_SIZE];
    char to[MESSAGE_TEXT_SIZE];
    char date[MESSAGE_TEXT_SIZE];
    char reply_to[MESSAGE_TEXT_SIZE];
    char message_id[MESSAGE_TEXT_SIZE];
    char references[MESSAGE_TEXT_SIZE];
    char list_id[MESSAGE_TEXT_SIZE];
    char no_reply[MESSAGE_TEXT_SIZE]; /* empty, or why RFC 3834 forbids an automatic reply, judged by headers alone */
};

/* What an automatic reply is made of, besides its body. A control character in any of them is refused. */
struct message_reply {
    char from[MESSAGE_TEXT_SIZE];        /* an address, without a name */
    char to[MESSAGE_TEXT_SIZE];          /* likewise */
    char subject[MESSAGE_TEXT_SIZE];     /* of the message that is answered; "Re: " is put before it */
    char in_reply_to[MESSAGE_TEXT_SIZE]; /* its Message-ID, or empty */
    char references[MESSAGE_TEXT_SIZE];  /* its References, or empty */
    char date[MESSAGE_TEXT_SIZE];        /* of the reply, RFC 5322 */
    char message_id[MESSAGE_TEXT_SIZE];  /* of the reply, "<left@right>" */
};

struct message_helper {
    int socket; /* readable: message_receive() has something to say */
    pid_t pid;  /* 0: not started */
    unsigned in_flight;
};

enum message_answer_kind {
    MESSAGE_PARSED,   /* `headers` and `digest` are filled */
    MESSAGE_COMPOSED, /* what was asked for stands in the output files, whole */
    MESSAGE_FAILED,   /* `err` says why; what an output file holds then is rubbish */
};

struct message_answer {
    enum message_answer_kind kind;
    uint64_t token; /* of the request */
    struct message_headers headers;
    char digest[MESSAGE_DIGEST_SIZE]; /* empty: not asked for, or the message is too large for one */
    struct err err;
};

/* The helper's program (common/program.h). It has mailmill-mime do what takes more than plain headers. */
#define MESSAGE_PROGRAM "mailmill-headers"
/* What takes messages apart, and needs no other program. */
#define MESSAGE_PARTS_PROGRAM "mailmill-mime"

/*
 * Starts the program at `path`. It gets the socket, standard error and no other descriptor. It ends when the socket
 * does and not before: it is in a process group of its own and deaf to TERM, so that what stops the processor lets it
 * finish.
 */
__attribute__((warn_unused_result)) int message_start(struct message_helper *helper, const char *path,
                                                      struct err *err);
/* Ends it and waits for that, which is short. A zeroed or stopped helper is fine. */
void message_stop(struct message_helper *helper);
/* The same, but it may end by itself, and with it all that it has started, within so many milliseconds. */
void message_end(struct message_helper *helper, int patience_ms);

/* As many requests as there may be are waiting for their answers. */
bool message_is_busy(const struct message_helper *helper);

/*
 * Asks for the headers of the message file `fd`, open for reading, and for the digest of its content, if that is
 * wanted: all of the message is read for it (processor/mime/digest.h). The descriptor stays the caller's.
 */
__attribute__((warn_unused_result)) int message_ask_parse(struct message_helper *helper, uint64_t token, int fd,
                                                          bool wants_digest, struct err *err);
/*
 * Asks for a whole reply (RFC 5322, lines end with LF) to be written to the empty file `output`, its body the text in
 * the file `body`, from its beginning. Both stay the caller's.
 */
__attribute__((warn_unused_result)) int message_ask_compose(struct message_helper *helper, uint64_t token,
                                                            const struct message_reply *reply, int body, int output,
                                                            struct err *err);

/*
 * Asks for all that the message file `fd` holds: records (processor/parts.h) and the decoded contents that they tell
 * of, written to two empty files. All three stay the caller's, and `fd` loses its position.
 */
__attribute__((warn_unused_result)) int message_ask_parts(struct message_helper *helper, uint64_t token, int fd,
                                                          int records, int contents, struct err *err);

/* 1: an answer; 0: none there now; -1: the helper is gone or talks nonsense. */
__attribute__((warn_unused_result)) int message_receive(struct message_helper *helper, struct message_answer *answer,
                                                        struct err *err);

/* ---- how the two programs talk: frames of common/frame.h, for message.c and the programs only ---- */

enum message_frame {
    MESSAGE_FRAME_PARSE = 1, /* token, whether a digest is wanted; a descriptor: the message */
    MESSAGE_FRAME_COMPOSE,   /* token, the texts of struct message_reply; two descriptors: body, output */
    MESSAGE_FRAME_PARTS,     /* token; three descriptors: message, records, contents */
    MESSAGE_FRAME_HEADERS,   /* token, the digest or an empty text, the texts of struct message_headers */
    MESSAGE_FRAME_DONE,      /* token */
    MESSAGE_FRAME_FAILED,    /* token, the kind of error, its text */
    MESSAGE_FRAME_NOT_PLAIN, /* from a worker of mailmill-headers to that alone: mailmill-mime is to read them */
};

/* Either struct's texts, one after the other. Reading fails (protocol) when one is missing, too long or not clean. */
void message_put_headers(struct buf *frame, const struct message_headers *headers);
void message_put_reply(struct buf *frame, const struct message_reply *reply);
struct frame_reader;
__attribute__((warn_unused_result)) int message_take_headers(struct frame_reader *reader,
                                                             struct message_headers *headers, struct err *err);
__attribute__((warn_unused_result)) int message_take_reply(struct frame_reader *reader, struct message_reply *reply,
                                                           struct err *err);

#endif
