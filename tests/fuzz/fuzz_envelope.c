/*
 * The trace block: whatever the bytes are, reading stays within them; and what was read, written back, reads the
 * same. A damaged spool file must not change its envelope each time that the index is made anew.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_same(const struct envelope *a, const struct envelope *b)
{
    require(strcmp(a->id, b->id) == 0 && id_is_valid(span_text(a->id)));
    require(strcmp(a->sender.text, b->sender.text) == 0 && a->sender.local_size == b->sender.local_size);
    require(a->recipient_count == b->recipient_count);
    for (size_t i = 0; i < a->recipient_count; i++)
        require(strcmp(a->recipients[i].text, b->recipients[i].text) == 0 &&
                a->recipients[i].local_size == b->recipients[i].local_size);
    require(strcmp(a->client_address, b->client_address) == 0);
    require(strcmp(a->client_helo, b->client_helo) == 0);
    require(strcmp(a->client_protocol, b->client_protocol) == 0);
    require(strcmp(a->tls, b->tls) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char storage[ENVELOPE_TRACE_MAX];
    struct buf trace = buf_over(storage, sizeof storage);
    struct envelope envelope = {0};
    struct envelope again = {0};
    struct err err = {0};
    size_t trace_size = 0;

    if (envelope_read_trace(&envelope, (struct span){(const char *)data, size}, &trace_size, &err) != 0) {
        require(err.kind == ERR_PERMANENT && envelope.recipients == NULL);
        return 0;
    }
    require(trace_size > 0 && trace_size <= size);
    require(envelope.recipient_count > 0 && envelope.recipient_count <= ENVELOPE_RECIPIENTS_MAX);
    envelope_write_trace(&envelope, "mail.example.com", &trace);
    require(!trace.overflowed);
    require(envelope_read_trace(&again, buf_span(&trace), &trace_size, &err) == 0 && trace_size == trace.size);
    require_same(&envelope, &again);
    envelope_free(&envelope);
    envelope_free(&again);
    return 0;
}
