/*
 * The outbox: what handlers made and others still need, one file each in the spool's out/. A letter that could not be
 * sent is sent again as it is, and what a filter printed is read by the handlers after it, without running its
 * handler a second time. When the message has ended, all of it goes.
 *
 *     fd = outbox_create(&outbox, key, &err);      out/KEY.new
 *     ... it is written ...
 *     outbox_publish(&outbox, key, fd, &err);      out/KEY, durable
 *     outbox_remove(&outbox, key);                 once it was sent
 *
 *     fd = outbox_scratch(&outbox, &err);
 *     ... it is written ...
 *     outbox_keep(&outbox, key, fd, &err);         out/KEY, durable
 *     outbox_forget(&outbox, &index, id, &err);    once the message has ended
 */
#ifndef PROCESSOR_OUTBOX_H
#define PROCESSOR_OUTBOX_H

#include "common/err.h"
#include "common/index.h"
#include "common/spool.h"

struct outbox {
    int folder;
};

/* Opens out/ in the spool, making it if it is missing, and removes what no delivery of the index waits to send. */
__attribute__((warn_unused_result)) int outbox_open(struct outbox *outbox, const struct spool *spool,
                                                    struct index *index, struct err *err);
void outbox_close(struct outbox *outbox);

/* A nameless file for what is still being written; gone when it is closed. */
__attribute__((warn_unused_result)) int outbox_scratch(const struct outbox *outbox, struct err *err);
__attribute__((warn_unused_result)) int outbox_create(const struct outbox *outbox, const char *key, struct err *err);
__attribute__((warn_unused_result)) int outbox_publish(const struct outbox *outbox, const char *key, int fd,
                                                       struct err *err);
/* Gives a scratch file its name, in place of an older one of that name. */
__attribute__((warn_unused_result)) int outbox_keep(const struct outbox *outbox, const char *key, int fd,
                                                    struct err *err);
/* Opens a published one for reading; a missing one is a permanent error. */
__attribute__((warn_unused_result)) int outbox_read(const struct outbox *outbox, const char *key, struct err *err);
void outbox_remove(const struct outbox *outbox, const char *key);
/* Removes all that a message's deliveries made. */
__attribute__((warn_unused_result)) int outbox_forget(const struct outbox *outbox, struct index *index,
                                                      const char *id, struct err *err);

#endif
