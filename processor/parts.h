/*
 * What a message is made of, as mailmill-mime tells it: a file of records, one after the other, and a file of decoded
 * contents that they point into. Written inside the sandbox by processor/mime/apart.c; read, and not believed further
 * than it is understood, by whoever wants to know.
 *
 *     parts_open(&parts, records_fd, contents_fd, &err);
 *     parts_rewind(&parts);
 *     while ((status = parts_next(&parts, &record, &err)) == 1)
 *         switch (record.type) ...
 *     parts_close(&parts);
 *
 * First come the message's own headers (PARTS_FIELD, in their order), then the addresses in some of them
 * (PARTS_ADDRESS) and the date, then every part (PARTS_PART), the first of which is the whole, each before those that
 * it has. All texts are the sender's word, UTF-8 if he meant well.
 */
#ifndef PROCESSOR_PARTS_H
#define PROCESSOR_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"

enum {
    PARTS_TEXT_MAX = 64 * 1024,  /* bytes of a text in a record; longer ones are cut between two characters */
    PARTS_COUNT_MAX = 10000,     /* parts; those beyond are not told of */
    PARTS_DEPTH_MAX = 100,       /* of parts in parts; those deeper are not told of */
    PARTS_ADDRESSES_MAX = 10000, /* addresses of all headers */
    PARTS_BODY_MAX = 32 << 20,   /* bytes of a text that is brought to UTF-8; a longer one is an attachment */
};

enum parts_type {
    PARTS_FIELD = 1, /* name, value */
    PARTS_ADDRESS,   /* name of its header in lower case, display name, address */
    PARTS_DATE,      /* ISO 8601, with the offset that it was given in */
    PARTS_PART,
    PARTS_LEFT_OUT, /* parts beyond the limits were not looked at */
    PARTS_TYPE_END,
};

enum parts_role {
    PARTS_MULTIPART,  /* has parts, no contents */
    PARTS_TEXT,       /* text to be read: contents in UTF-8, its lines end with LF */
    PARTS_HTML,       /* the same, as HTML */
    PARTS_ATTACHMENT, /* contents decoded, byte for byte */
    PARTS_MESSAGE,    /* a message within the message: its contents are all of it */
    PARTS_ENCLOSED,   /* a part of such a message; no contents of its own */
    PARTS_ROLE_COUNT,
};

struct parts_record {
    enum parts_type type;
    struct span name;   /* of a header; of an address the display name; of a part its file's, as proposed */
    struct span value;  /* of a header, of an address the address, of the date */
    struct span header; /* of an address */
    enum parts_role role;
    unsigned number; /* of a part, from 1 in the order in which they stand */
    unsigned depth;  /* the whole has 0 */
    struct span content_type, charset, encoding, disposition, content_id; /* empty where there is none */
    struct span contents;                                                 /* borrowed until parts_close() */
};

struct parts {
    int records;
    int64_t at;
    struct span contents; /* mapped */
    char storage[FRAME_SIZE_MAX];
};

/* The descriptors stay the caller's; nobody may write to the files any more. */
__attribute__((warn_unused_result)) int parts_open(struct parts *parts, int records, int contents, struct err *err);
void parts_close(struct parts *parts);
void parts_rewind(struct parts *parts);
/* 1: a record, valid until the next call; 0: no more; -1: unreadable, or nonsense (protocol). */
__attribute__((warn_unused_result)) int parts_next(struct parts *parts, struct parts_record *record, struct err *err);

/* The part's name for a file: what was proposed made safe, or one made up. `name` has FILENAME_SIZE and is empty. */
void parts_file_name(const struct parts_record *part, struct buf *name);

/* For a writer: adds a record to the empty buffer, of FRAME_SIZE_MAX. `offset` is where a part's contents begin. */
void parts_put(struct buf *frame, const struct parts_record *record, uint64_t offset);

#endif
