/*
 * Group commit: messages that complete together are flushed side by side, each by a thread, and share the flush of
 * the folder that makes their names durable: it is flushed as soon as half of them are in it, and those settled
 * meanwhile share the next flush. One that is alone waits for nobody, and no one for a large one. What is flushed is
 * recorded in the index by one of the threads, so that nobody else waits while another process has it.
 *
 *     writer_commit_open(&commit, &spool, record, context, &err);     behind the sandbox, which threads inherit
 *     writer_commit_start(&commit, &entry);            returns at once; the entry stays where it is
 *     poll(commit.wake) ...
 *     for (entry = writer_commit_take(&commit); entry != NULL; entry = entry->next)
 *         entry->err.kind == ERR_NONE: the message is safe in new/
 *     writer_commit_close(&commit);                    when nothing that was started is still to be taken
 *
 * The threads touch the spool, the entries that were started and, one of them at a time, what `record` does. Without
 * an entry that was started and not taken they touch nothing.
 */
#ifndef RECEIVER_WRITER_COMMIT_H
#define RECEIVER_WRITER_COMMIT_H

#include <pthread.h>
#include <stdbool.h>

#include "common/err.h"
#include "common/spool.h"

enum {
    WRITER_COMMIT_THREADS = 16,          /* at most; made when they are needed */
    WRITER_COMMIT_WAITED_FOR = 64 * 1024 /* bytes of a message that takes little longer than others */
};

struct commit_entry {
    const char *id;
    int file;      /* the message's, wholly written */
    uint64_t size; /* bytes */
    void *owner;
    struct err err; /* ERR_NONE, or why it is not in new/ or not known to survive there */
    struct commit_entry *next;
};

/* Records a list of messages that are in new/. What fails is its own affair: they are safe. */
typedef void commit_record(void *context, struct commit_entry *group);

struct commit_queue {
    struct commit_entry *first, *last;
};

struct writer_commit {
    int wake; /* readable when there is something to take */

    /* Private to the module. */
    const struct spool *spool;
    commit_record *record;
    void *context; /* for it */
    bool is_open;
    pthread_mutex_t lock;         /* for all that follows */
    pthread_cond_t wanted;        /* something waits */
    struct commit_queue waiting;  /* for a thread */
    unsigned waiting_count, idle; /* threads that have nothing to do */
    unsigned nearly_settled;      /* those that others wait for */
    struct commit_queue settled;  /* in new/, for the folder's next flush */
    unsigned settled_count;
    struct commit_queue flushed; /* to be recorded */
    struct commit_queue ended;   /* to be taken */
    bool is_woken;               /* `wake` is readable, or about to be */
    bool folder_is_flushed;      /* by a thread, now */
    bool is_recording;           /* a thread, now */
    bool closing;
    pthread_t threads[WRITER_COMMIT_THREADS];
    unsigned thread_count;
};

__attribute__((warn_unused_result)) int writer_commit_open(struct writer_commit *commit, const struct spool *spool,
                                                           commit_record *record, void *context, struct err *err);
void writer_commit_start(struct writer_commit *commit, struct commit_entry *entry);
/* What has ended since the last time, a list in the order of its ends; NULL: nothing. */
struct commit_entry *writer_commit_take(struct writer_commit *commit);
void writer_commit_close(struct writer_commit *commit); /* harmless when it is not open */

#endif
