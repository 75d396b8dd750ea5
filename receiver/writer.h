/*
 * The writer: the process that sees the spool and the index, and never the network. It answers one session's requests
 * (receiver/wire.h) until the session is gone. File first, then the index row, then the answer from which the client
 * gets its 250.
 *
 *     struct writer writer = {.config = &config, .session = fd, .client = "192.0.2.1"};
 *     status = writer_run(&writer);
 */
#ifndef RECEIVER_WRITER_H
#define RECEIVER_WRITER_H

#include "common/config.h"
#include "common/envelope.h"
#include "common/index.h"
#include "common/spool.h"
#include "receiver/starttls.h"
#include "receiver/writer_tls.h"

enum writer_state {
    WRITER_IDLE,    /* no message */
    WRITER_WRITING, /* a file in tmp/ that the session appends to */
    WRITER_STATE_COUNT,
};

struct writer {
    const struct config *config;
    int session; /* our end of the socketpair */
    char client[ENVELOPE_CLIENT_SIZE];
    struct starttls starttls; /* without a config: TLS is not offered */

    /* Private to the writer. */
    enum writer_state state;
    struct spool spool; /* opened, and the sandbox applied, when the first message begins */
    struct index index; /* opened when the first message is committed */
    struct envelope envelope;
    struct writer_tls tls;
    int file;            /* of the message, or -1 */
    uint64_t trace_size; /* bytes */
};

/* Serves the session to its end. 0, or -1 when the session broke the rules and was cut off. */
int writer_run(struct writer *writer);

#endif
