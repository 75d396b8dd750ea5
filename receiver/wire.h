/*
 * What the session and the writer say to each other: one frame (common/frame.h) for each row.
 *
 *     session                                      writer
 *     WIRE_BEGIN     protocol, helo, sender,    ->
 *                    recipients (a NUL each),
 *                    declared size
 *                                               <- WIRE_READY with a descriptor, or WIRE_FAILED with a failure
 *     WIRE_COMMIT    bytes appended             ->
 *                                               <- WIRE_COMMITTED with the ID, or WIRE_FAILED
 *     WIRE_DISCARD                              ->
 *     WIRE_REJECTED  for the history or not,    ->
 *                    recipient, reply, helo,
 *                    sender
 *     WIRE_LOG       level, text                ->
 *     WIRE_STARTTLS  with two descriptors:      ->
 *                    the client
 *                                               <- WIRE_SECURING with a stream in its place, or WIRE_FAILED
 *     WIRE_CLIENT    the client's address, or   ->
 *                    "" where the connection
 *                    is the proxy's own
 *                                               <- WIRE_WELCOME, or WIRE_TOO_MANY when the client has as many
 *                                                  sessions as it may
 *
 *     listener                                     writer
 *     WIRE_JOIN      number, client; its socket ->
 *                                               <- WIRE_CUT with the number of a session that broke the rules
 *
 * WIRE_CLIENT is the first request of a session whose peer is a trusted proxy, and of no other one.
 *
 * The writer trusts none of it: each request is permitted in given states only, every length is bounded, and the
 * recipients are held against the configuration again. Anything else ends the session.
 */
#ifndef RECEIVER_WIRE_H
#define RECEIVER_WIRE_H

enum {
    WIRE_RECIPIENTS_MAX = 128 * 1024, /* bytes of all recipients' texts, a NUL after each */
    WIRE_LOG_MAX = 1024,
    WIRE_FRAME_MAX = WIRE_RECIPIENTS_MAX + 2048,
    WIRE_ANSWER_MAX = 64,
    WIRE_JOIN_MAX = 128,
    WIRE_REJECTED_MAX = 4096,
};

enum wire_request {
    WIRE_BEGIN = 1,
    WIRE_COMMIT,
    WIRE_DISCARD,
    WIRE_REJECTED,
    WIRE_LOG,
    WIRE_STARTTLS,
    WIRE_CLIENT,
    WIRE_REQUEST_END,
};

enum wire_answer {
    WIRE_READY = 64,
    WIRE_COMMITTED,
    WIRE_FAILED,
    WIRE_SECURING,
    WIRE_WELCOME,
    WIRE_TOO_MANY,
};

/* Between the listener, who starts sessions, and the writer of them all. */
enum wire_notice {
    WIRE_JOIN = 128,
    WIRE_CUT,
};

#endif
