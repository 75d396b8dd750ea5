#include "receiver/writer_commit.h"

#include <malloc.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A stack for SQLite, whose needs here are an eighth of it; the sanitizers want more than they say. */
enum { STACK_SIZE = 256 * 1024 };

/* ---- queues ---- */

static void push(struct commit_queue *queue, struct commit_entry *entry)
{
    entry->next = NULL;
    if (queue->first == NULL)
        queue->first = entry;
    else
        queue->last->next = entry;
    queue->last = entry;
}

static struct commit_entry *pop(struct commit_queue *queue)
{
    struct commit_entry *entry = queue->first;

    queue->first = entry->next;
    return entry;
}

static struct commit_entry *take_all(struct commit_queue *queue)
{
    struct commit_entry *first = queue->first;

    queue->first = NULL;
    return first;
}

static void append(struct commit_queue *queue, struct commit_entry *group)
{
    while (group != NULL) {
        struct commit_entry *entry = group;

        group = entry->next;
        push(queue, entry);
    }
}

/* ---- the threads; all with the lock held but where it is let go ---- */

/* Once for each time that it is read, so it never blocks; and with the lock let go, or who is woken would have to
 * wait for it at once. */
static void wake_writer(struct writer_commit *commit)
{
    if (commit->is_woken)
        return;
    commit->is_woken = true;
    (void)pthread_mutex_unlock(&commit->lock);
    (void)eventfd_write(commit->wake, 1);
    (void)pthread_mutex_lock(&commit->lock);
}

static void end_group(struct writer_commit *commit, struct commit_entry *group)
{
    append(&commit->ended, group);
    wake_writer(commit);
}

static void fail_group(struct writer_commit *commit, struct commit_entry *group, const struct err *err)
{
    for (struct commit_entry *entry = group; entry != NULL; entry = entry->next)
        entry->err = *err;
    end_group(commit, group);
}

/* A few may wait for as many that are on their way; the last of these finds nobody to wait for. */
static bool is_folder_due(const struct writer_commit *commit)
{
    return commit->settled_count > 0 && commit->settled_count >= commit->nearly_settled;
}

/* By one thread at a time. Whatever is settled while the folder is flushed gets the next flush: this one may have
 * come too early for it. */
static void flush_folder(struct writer_commit *commit)
{
    commit->folder_is_flushed = true;
    while (is_folder_due(commit)) {
        struct commit_entry *group = take_all(&commit->settled);
        struct err err;
        int status;

        commit->settled_count = 0;
        (void)pthread_mutex_unlock(&commit->lock);
        status = spool_flush_new(commit->spool, &err);
        (void)pthread_mutex_lock(&commit->lock);
        if (status == 0)
            append(&commit->flushed, group);
        else
            fail_group(commit, group, &err);
    }
    commit->folder_is_flushed = false;
}

/* By one thread at a time, too. What is flushed while another process has the index gets the next transaction. */
static void record_flushed(struct writer_commit *commit)
{
    commit->is_recording = true;
    while (commit->flushed.first != NULL) {
        struct commit_entry *group = take_all(&commit->flushed);

        (void)pthread_mutex_unlock(&commit->lock);
        commit->record(commit->context, group);
        (void)pthread_mutex_lock(&commit->lock);
        end_group(commit, group);
    }
    commit->is_recording = false;
}

static void settle_next(struct writer_commit *commit)
{
    struct commit_entry *entry = pop(&commit->waiting);
    bool is_waited_for = entry->size <= WRITER_COMMIT_WAITED_FOR;
    int status;

    commit->waiting_count--;
    commit->nearly_settled += is_waited_for;
    (void)pthread_mutex_unlock(&commit->lock);
    status = spool_settle(commit->spool, entry->id, entry->file, &entry->err);
    (void)pthread_mutex_lock(&commit->lock);
    commit->nearly_settled -= is_waited_for;
    if (status != 0) {
        push(&commit->ended, entry);
        wake_writer(commit);
    } else {
        push(&commit->settled, entry);
        commit->settled_count++;
    }
    if (!commit->folder_is_flushed)
        flush_folder(commit);
    if (!commit->is_recording)
        record_flushed(commit);
}

static void *work(void *context)
{
    struct writer_commit *commit = context;

    (void)pthread_mutex_lock(&commit->lock);
    while (!commit->closing) {
        if (commit->waiting.first != NULL) {
            settle_next(commit);
            continue;
        }
        commit->idle++;
        (void)pthread_cond_wait(&commit->wanted, &commit->lock);
        commit->idle--;
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return NULL;
}

/* One more, if that is allowed and can be had. */
static void add_thread(struct writer_commit *commit)
{
    pthread_attr_t attributes;

    if (commit->thread_count == WRITER_COMMIT_THREADS || pthread_attr_init(&attributes) != 0)
        return;
    if (pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
        pthread_create(&commit->threads[commit->thread_count], &attributes, work, commit) == 0)
        commit->thread_count++;
    (void)pthread_attr_destroy(&attributes);
}

/* ---- for the writer ---- */

int writer_commit_open(struct writer_commit *commit, const struct spool *spool, commit_record *record, void *context,
                       struct err *err)
{
    *commit = (struct writer_commit){.spool = spool,
                                     .record = record,
                                     .context = context,
                                     .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                     .lock = PTHREAD_MUTEX_INITIALIZER,
                                     .wanted = PTHREAD_COND_INITIALIZER};
    if (commit->wake < 0)
        return err_system(err, "eventfd");
    /* Only one of them needs memory at a time; by itself the C library sets some aside for each. */
    (void)mallopt(M_ARENA_MAX, 1);
    commit->is_open = true;
    return 0;
}

void writer_commit_start(struct writer_commit *commit, struct commit_entry *entry)
{
    bool is_awaited;

    entry->err.kind = ERR_NONE;
    (void)pthread_mutex_lock(&commit->lock);
    push(&commit->waiting, entry);
    if (++commit->waiting_count > commit->idle)
        add_thread(commit);
    if (commit->thread_count == 0)
        settle_next(commit); /* no thread is to be had: slower, and just as safe */
    is_awaited = commit->idle > 0;
    (void)pthread_mutex_unlock(&commit->lock);
    if (is_awaited)
        (void)pthread_cond_signal(&commit->wanted);
}

struct commit_entry *writer_commit_take(struct writer_commit *commit)
{
    struct commit_entry *taken;
    eventfd_t count;

    (void)pthread_mutex_lock(&commit->lock);
    /* One that is still to write it wakes the writer once more, and for what ends until then. */
    if (commit->is_woken && eventfd_read(commit->wake, &count) == 0)
        commit->is_woken = false;
    taken = take_all(&commit->ended);
    (void)pthread_mutex_unlock(&commit->lock);
    return taken;
}

void writer_commit_close(struct writer_commit *commit)
{
    if (!commit->is_open)
        return;
    (void)pthread_mutex_lock(&commit->lock);
    commit->closing = true;
    (void)pthread_cond_broadcast(&commit->wanted);
    (void)pthread_mutex_unlock(&commit->lock);
    for (unsigned i = 0; i < commit->thread_count; i++)
        (void)pthread_join(commit->threads[i], NULL);
    (void)close(commit->wake);
    *commit = (struct writer_commit){0};
}
