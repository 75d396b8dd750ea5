#include "processor/mime/digest.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

#include "common/buf.h"

enum { CHUNK_SIZE = 64 * 1024, NAME_SIZE = 64 /* longer names are none of ours */ };

/*
 * RFC 5321, section 4.4, and what is in use beside it: where mail was going (Delivered-To and its like), who had a
 * look at it (RFC 7208, RFC 8601, RFC 8617), and signatures, which RFC 6376 calls trace fields too.
 */
static const char *const trace_names[] = {
    "Received",
    "X-Received",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Envelope-From",
    "Received-SPF",
    "Authentication-Results",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "DKIM-Signature",
    "DomainKey-Signature",
};

enum place {
    LINE_START, /* of a line of the header */
    FIELD_NAME, /* `name` has its beginning */
    FIELD_BODY,
    BODY, /* of the message */
};

struct digest {
    GChecksum *sum;
    enum place place;
    bool is_trace; /* the field that we are in */
    char name_storage[NAME_SIZE];
    struct buf name;
};

static void add(struct digest *digest, struct span bytes)
{
    if (bytes.size > 0)
        g_checksum_update(digest->sum, (const guchar *)bytes.data, (gssize)bytes.size);
}

static bool is_trace(struct span name)
{
    for (size_t i = 0; i < sizeof trace_names / sizeof trace_names[0]; i++)
        if (span_equal_nocase(span_trim(name), span_text(trace_names[i])))
            return true;
    return false;
}

/* The byte behind the name says what it was: a colon, or else no name. */
static void end_name(struct digest *digest, char next)
{
    digest->is_trace = next == ':' && is_trace(buf_span(&digest->name));
    if (!digest->is_trace)
        add(digest, buf_span(&digest->name));
    digest->place = FIELD_BODY;
}

/* Takes what belongs together off the front of a part of the message. */
static void take(struct digest *digest, struct span *rest)
{
    char byte = rest->data[0];
    size_t size = 1;

    switch (digest->place) {
    case LINE_START:
        buf_clear(&digest->name);
        /* A folded line belongs to the field before it; an empty one ends the header. */
        digest->place = byte == '\n' ? BODY : byte == ' ' || byte == '\t' ? FIELD_BODY : FIELD_NAME;
        return;
    case FIELD_NAME:
        if (byte == ':' || byte == '\n' || digest->name.size + 1 == NAME_SIZE) {
            end_name(digest, byte);
            return;
        }
        buf_put_byte(&digest->name, byte);
        break;
    case FIELD_BODY:
        size = span_find(*rest, '\n');
        digest->place = size < rest->size ? LINE_START : FIELD_BODY;
        size += size < rest->size;
        if (!digest->is_trace)
            add(digest, span_slice(*rest, 0, size));
        break;
    case BODY:
        size = rest->size;
        add(digest, *rest);
        break;
    }
    *rest = span_slice(*rest, size, rest->size);
}

/* Gives the bytes read, or -1. One byte more than the most is as good as any number more. */
static int64_t read_all(int fd, struct digest *digest, struct err *err)
{
    static char chunk[CHUNK_SIZE];
    int64_t total = 0;
    ssize_t got;

    while ((got = pread(fd, chunk, sizeof chunk, (off_t)total)) != 0 && total <= DIGEST_MESSAGE_MAX) {
        struct span rest = {chunk, got > 0 ? (size_t)got : 0};

        if (got < 0 && errno != EINTR)
            return err_system(err, "reading a message");
        while (rest.size > 0)
            take(digest, &rest);
        total += got > 0 ? got : 0;
    }
    if (digest->place == FIELD_NAME)
        end_name(digest, '\n');
    return total;
}

int digest_make(int fd, char digest[static MESSAGE_DIGEST_SIZE], struct err *err)
{
    struct digest state = {.sum = g_checksum_new(G_CHECKSUM_SHA256)};
    int64_t size;

    state.name = buf_over(state.name_storage, sizeof state.name_storage);
    size = read_all(fd, &state, err);
    digest[0] = '\0';
    if (size >= 0 && size <= DIGEST_MESSAGE_MAX)
        snprintf(digest, MESSAGE_DIGEST_SIZE, "%s", g_checksum_get_string(state.sum));
    g_checksum_free(state.sum);
    return size < 0 ? -1 : 0;
}
