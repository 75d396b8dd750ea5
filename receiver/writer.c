#include "receiver/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/desk.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/wire.h"
#include "receiver/writer_session.h"

enum {
    EVENTS_MAX = 64,         /* looked at in one go */
    GROUP_MAX = 64,          /* messages in one transaction of the index */
    INDEX_PAUSE_MS = 5000,   /* after a failure: clients don't wait behind an index that is stuck */
    ALONE_MAX = 1024 * 1024, /* bytes of a message that is flushed by this process itself when no other is there */
};

/* ---- the index ---- */

/*
 * The messages are safe in the spool already and the processor adopts files that have no row: a failure here is worth
 * a line in the log, and not a 451, after which the client would send the message a second time.
 */
static int try_index(struct writer *writer, const struct index_message *messages, size_t count, struct err *err)
{
    if (clock_monotonic_ms() < writer->index_due_ms)
        return err_set(err, ERR_TEMPORARY, "it failed a moment ago");
    if (writer->has_one_session && writer->index.db == NULL &&
        desk_ask(writer->config->index, messages->envelope->id))
        return 0;
    if (writer->index.db == NULL && index_open(&writer->index, writer->config->index, INDEX_RECEIVER, err) != 0)
        return -1;
    return index_add_messages(&writer->index, messages, count, err);
}

static void add_to_index(struct writer *writer, const struct index_message *messages, size_t count)
{
    struct err err = {0};

    if (count == 0 || try_index(writer, messages, count, &err) == 0)
        return;
    for (size_t i = 0; i < count; i++)
        log_say(LOG_WARNING, "%s has no index row yet: %s", messages[i].envelope->id, err.text);
    if (clock_monotonic_ms() >= writer->index_due_ms)
        writer->index_due_ms = clock_monotonic_ms() + INDEX_PAUSE_MS;
}

/* Adds the first messages of a list, and gives the first that had no room in the transaction. */
static struct commit_entry *add_group(struct writer *writer, struct commit_entry *entry)
{
    struct index_message messages[GROUP_MAX];
    size_t count = 0;

    for (; entry != NULL && count < GROUP_MAX; entry = entry->next) {
        const struct writer_session *session = entry->owner;

        if (entry->err.kind == ERR_NONE)
            messages[count++] = (struct index_message){&session->envelope, session->size};
    }
    add_to_index(writer, messages, count);
    return entry;
}

/* Of a writer, by whatever thread of its commit, or by itself when that has nothing in hand. */
static void add_all(void *context, struct commit_entry *entry)
{
    struct writer *writer = context;

    while (entry != NULL)
        entry = add_group(writer, entry);
}

/* ---- one session ---- */

static int commit_alone(struct writer *writer, struct writer_session *session, struct err *err)
{
    struct commit_entry *entry = &session->entry;

    if (spool_commit(&writer->spool, entry->id, entry->file, &entry->err) == 0)
        entry->err.kind = ERR_NONE;
    add_all(writer, entry);
    return writer_session_answer(writer, session, err);
}

static void close_all(struct writer *writer)
{
    writer_commit_close(&writer->commit);
    index_close(&writer->index);
    spool_close(&writer->spool);
}

int writer_run(struct writer *writer, int session_socket, const char *client)
{
    struct writer_session session;
    struct err err = {0};
    int status;

    writer_session_init(&session, writer->config, session_socket, span_text(client));
    writer->starttls.starter = -1;
    writer->has_one_session = true;
    do {
        status = writer_session_hear(writer, &session, &err);
        if (status == 1 && session.state == WRITER_COMMITTING && commit_alone(writer, &session, &err) != 0)
            status = -1;
    } while (status == 1);
    if (status < 0)
        log_say(LOG_ERR, "session of %s cut off: %s", session.client, err.text);
    writer_session_end(writer, &session);
    close_all(writer);
    /* With this process ends mailmill-tls. */
    writer_tls_end(&session.tls, session.client, status == 0 ? STARTTLS_END_MS : 0);
    return status;
}

/* ---- many sessions ---- */

/* The listener's name in epoll is this; a session's is itself, and that of the threads is the commit. */
static void *const listener_name = NULL;

static int watch(const struct writer *writer, int fd, void *name, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = name};

    if (epoll_ctl(writer->events, EPOLL_CTL_ADD, fd, &event) != 0)
        return err_system(err, "epoll_ctl");
    return 0;
}

static void unlink_session(struct writer_session **link, const struct writer_session *session)
{
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
}

/* Of those that are leaving. */
static void forget_session(struct writer *writer, struct writer_session *session)
{
    unlink_session(&writer->leaving, session);
    writer_tls_end(&session->tls, session->client, 0);
    free(session);
}

/* The last word of its mailmill-tls, or its death without one, comes later than the session's end, and is waited for
 * beside all else. */
static void remove_session(struct writer *writer, struct writer_session *session)
{
    struct err err;

    unlink_session(&writer->sessions, session);
    writer_session_end(writer, session);
    session->next = writer->leaving;
    writer->leaving = session;
    if (session->tls.link.control < 0 || watch(writer, session->tls.link.control, session, &err) != 0)
        forget_session(writer, session);
}

static void hear_last_word(struct writer *writer, struct writer_session *session)
{
    starttls_hear(&session->tls.link, session->client, 0);
    if (session->tls.link.control < 0)
        forget_session(writer, session);
}

/* The session is gone. What it had completed is not: that stays until its commit has ended. */
static void hang_up(struct writer *writer, struct writer_session *session)
{
    (void)close(session->socket);
    session->socket = -1;
    if (session->state != WRITER_COMMITTING)
        remove_session(writer, session);
}

/* It may never end by itself: the listener, who started it, ends it. */
static void cut_off(struct writer *writer, struct writer_session *session, const struct err *why)
{
    char storage[WIRE_ANSWER_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    log_say(LOG_ERR, "session of %s cut off: %s", session->client, why->text);
    frame_start(&frame, WIRE_CUT);
    frame_put_number(&frame, session->number);
    if (writer->listener >= 0 && frame_send(writer->listener, &frame, NULL, 0, &err) != 0)
        log_say(LOG_ERR, "the listener can't be told: %s", err.text);
    hang_up(writer, session);
}

static void answer_all(struct writer *writer, struct commit_entry *entry)
{
    struct err err = {0};

    while (entry != NULL) {
        struct writer_session *session = entry->owner;
        int status;

        entry = entry->next; /* before the session it is part of goes */
        status = writer_session_answer(writer, session, &err);
        if (session->socket < 0)
            remove_session(writer, session);
        else if (status != 0)
            cut_off(writer, session, &err);
    }
}

static bool is_only_message(const struct writer *writer, const struct writer_session *session)
{
    for (const struct writer_session *other = writer->sessions; other != NULL; other = other->next)
        if (other != session && writer_session_has_message(other))
            return false;
    return true;
}

/* Threads cost a little, and pay off as soon as there is a second message. */
static int start_commit(struct writer *writer, struct writer_session *session, struct err *err)
{
    if (session->size <= ALONE_MAX && is_only_message(writer, session))
        return commit_alone(writer, session, err);
    if (!writer->commit.is_open && (writer_commit_open(&writer->commit, &writer->spool, add_all, writer, err) != 0 ||
                                    watch(writer, writer->commit.wake, &writer->commit, err) != 0)) {
        log_say(LOG_ERR, "no flushing side by side: %s", err->text);
        writer_commit_close(&writer->commit);
        return commit_alone(writer, session, err);
    }
    writer_commit_start(&writer->commit, &session->entry);
    return 0;
}

static void hear_session(struct writer *writer, struct writer_session *session)
{
    bool was_committing = session->state == WRITER_COMMITTING;
    struct err err = {0};
    int status = writer_session_hear(writer, session, &err);

    if (status < 0 && err.number == EAGAIN)
        return;
    if (status == 1 && !was_committing && session->state == WRITER_COMMITTING)
        status = start_commit(writer, session, &err) == 0 ? 1 : -1;
    if (status < 0)
        cut_off(writer, session, &err);
    else if (status == 0)
        hang_up(writer, session);
}

static void hear(struct writer *writer, struct writer_session *session)
{
    if (session->socket >= 0)
        hear_session(writer, session);
    else
        hear_last_word(writer, session);
}

static int add_session(struct writer *writer, int fd, uint64_t number, struct span client, struct err *err)
{
    struct writer_session *session = malloc(sizeof *session);

    if (session == NULL)
        return err_system(err, "memory for a session");
    writer_session_init(session, writer->config, fd, client);
    session->number = number;
    /* A session that does not listen must not hold up the others. */
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || watch(writer, fd, session, err) != 0) {
        free(session);
        return err_system(err, "a session's socket");
    }
    session->next = writer->sessions;
    writer->sessions = session;
    return 0;
}

/* 1: a session more; 0: the listener is gone; -1: a session that can't be served. */
static int hear_listener(struct writer *writer, struct err *err)
{
    char storage[WIRE_JOIN_MAX];
    struct frame_reader frame;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    uint64_t number;
    struct span client;
    int status = frame_receive(writer->listener, storage, sizeof storage, &frame, fds, &fd_count, err);

    if (status != 1)
        return status < 0 && err->kind != ERR_PROTOCOL ? 0 : status;
    number = frame_number(&frame);
    client = frame_text(&frame, ENVELOPE_CLIENT_SIZE - 1);
    if (frame.type == WIRE_JOIN && frame_is_whole(&frame) && fd_count == 1 &&
        add_session(writer, fds[0], number, client, err) == 0)
        return 1;
    while (fd_count > 0)
        (void)close(fds[--fd_count]);
    return -1;
}

static void on_listener(struct writer *writer)
{
    struct err err = {.text = "malformed"};
    int status = hear_listener(writer, &err);

    if (status < 0)
        log_say(LOG_ERR, "a session can't be served: %s", err.text);
    if (status != 0)
        return;
    (void)close(writer->listener);
    writer->listener = -1;
}

static int serve_some(struct writer *writer, struct err *err)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(writer->events, events, EVENTS_MAX, -1);

    if (count < 0)
        return errno == EINTR ? 0 : err_system(err, "epoll_wait");
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == listener_name)
            on_listener(writer);
        else if (events[i].data.ptr != &writer->commit)
            hear(writer, events[i].data.ptr);
    }
    /* Behind the rest, which may be about sessions that end here. */
    if (writer->commit.is_open)
        answer_all(writer, writer_commit_take(&writer->commit));
    return 0;
}

int writer_run_all(struct writer *writer, int listener)
{
    struct err err = {0};
    int status = 0;

    writer->listener = listener;
    writer->starttls.starter = -1;
    /* While there is nothing that it would take along: no session, no message. */
    if (writer->starttls.config != NULL)
        status = starttls_leave_starter(&writer->starttls, &err);
    /* What is paid once for all sessions need not wait for the first message: no word of theirs is read outside of
     * the sandbox. What fails is said, and tried again, when a message begins. */
    if (status == 0 && writer_session_lock_in(writer, &err) != 0)
        log_say(LOG_WARNING, "no message can be taken yet: %s", err.text);
    writer->events = epoll_create1(EPOLL_CLOEXEC);
    if (status == 0)
        status =
            writer->events < 0 ? err_system(&err, "epoll_create1") : watch(writer, listener, listener_name, &err);
    while (status == 0 && (writer->listener >= 0 || writer->sessions != NULL))
        status = serve_some(writer, &err);
    if (status != 0)
        log_say(LOG_CRIT, "the writer ends: %s", err.text);
    if (writer->events >= 0)
        (void)close(writer->events);
    close_all(writer);
    starttls_end_starter(&writer->starttls);
    while (writer->leaving != NULL)
        forget_session(writer, writer->leaving);
    return status;
}
