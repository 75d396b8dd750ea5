#include "processor/message.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/frame.h"

/* ---- the texts of the two structs, in the order in which they stand in a frame ---- */

static const size_t header_texts[] = {
    offsetof(struct message_headers, subject),    offsetof(struct message_headers, from),
    offsetof(struct message_headers, to),         offsetof(struct message_headers, date),
    offsetof(struct message_headers, reply_to),   offsetof(struct message_headers, message_id),
    offsetof(struct message_headers, references), offsetof(struct message_headers, list_id),
    offsetof(struct message_headers, no_reply),
};
static const size_t reply_texts[] = {
    offsetof(struct message_reply, from),       offsetof(struct message_reply, to),
    offsetof(struct message_reply, subject),    offsetof(struct message_reply, in_reply_to),
    offsetof(struct message_reply, references), offsetof(struct message_reply, date),
    offsetof(struct message_reply, message_id),
};

enum {
    HEADER_TEXTS = sizeof header_texts / sizeof header_texts[0],
    REPLY_TEXTS = sizeof reply_texts / sizeof reply_texts[0],
};
static_assert(HEADER_TEXTS * MESSAGE_TEXT_SIZE == sizeof(struct message_headers), "every text has a row");
static_assert(REPLY_TEXTS * MESSAGE_TEXT_SIZE == sizeof(struct message_reply), "every text has a row");

static void put_texts(struct buf *frame, const void *object, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        frame_put_text(frame, span_text((const char *)object + offsets[i]));
}

/* UTF-8 without control characters, those above 127 included. */
static bool is_clean(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        unsigned char next = i + 1 < text.size ? (unsigned char)text.data[i + 1] : 0;

        if (byte < ' ' || byte == 0x7f || (byte == 0xc2 && next < 0xa0))
            return false;
    }
    return span_is_utf8(text);
}

static int take_texts(struct frame_reader *reader, void *object, const size_t *offsets, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct span text = frame_text(reader, MESSAGE_TEXT_MAX);
        char *kept = (char *)object + offsets[i];

        if (!is_clean(text))
            return err_set(err, ERR_PROTOCOL, "a text with control characters, or not in UTF-8");
        memcpy(kept, text.data, text.size);
        kept[text.size] = '\0';
    }
    return frame_is_whole(reader) ? 0 : err_set(err, ERR_PROTOCOL, "a malformed frame of type %u", reader->type);
}

void message_put_headers(struct buf *frame, const struct message_headers *headers)
{
    put_texts(frame, headers, header_texts, HEADER_TEXTS);
}

void message_put_reply(struct buf *frame, const struct message_reply *reply)
{
    put_texts(frame, reply, reply_texts, REPLY_TEXTS);
}

int message_take_headers(struct frame_reader *reader, struct message_headers *headers, struct err *err)
{
    return take_texts(reader, headers, header_texts, HEADER_TEXTS, err);
}

int message_take_reply(struct frame_reader *reader, struct message_reply *reply, struct err *err)
{
    return take_texts(reader, reply, reply_texts, REPLY_TEXTS, err);
}

/* ---- the helper ---- */

/* posix_spawn() and what it wants prepared give an error number, 0 for none. */
static int spawn(pid_t *pid, const char *path, int socket)
{
    const char *slash = strrchr(path, '/');
    char name[64];
    char *arguments[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    sigset_t all;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return error;
    snprintf(name, sizeof name, "%s", slash == NULL ? path : slash + 1);
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    /* Blocked from its first moment on: what stops the processor does not stop this. */
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigaddset(&blocked, SIGINT);
    (void)sigaddset(&blocked, SIGHUP);
    (void)sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&attributes, &blocked);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    error = posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (error == 0)
        error = posix_spawn(pid, path, &actions, &attributes, arguments, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

int message_start(struct message_helper *helper, const char *path, struct err *err)
{
    int ends[2];

    *helper = (struct message_helper){.socket = -1};
    if (frame_pair(ends, err) != 0)
        return -1;
    errno = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ? errno : spawn(&helper->pid, path, ends[1]);
    if (errno != 0) {
        err_system(err, "starting %s", path);
        (void)close(ends[0]);
        (void)close(ends[1]);
        helper->pid = 0;
        return -1;
    }
    (void)close(ends[1]);
    helper->socket = ends[0];
    return 0;
}

void message_stop(struct message_helper *helper)
{
    if (helper->pid == 0)
        return;
    (void)close(helper->socket);
    /* It would end by itself, but after what it is busy with. Its workers end with it. */
    (void)kill(helper->pid, SIGKILL);
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *helper = (struct message_helper){.socket = -1};
}

void message_end(struct message_helper *helper, int patience_ms)
{
    struct pollfd ended = {.events = POLLIN};

    if (helper->pid == 0)
        return;
    (void)shutdown(helper->socket, SHUT_RDWR);
    ended.fd = (int)syscall(SYS_pidfd_open, helper->pid, 0);
    if (ended.fd >= 0) {
        (void)poll(&ended, 1, patience_ms);
        (void)close(ended.fd);
    }
    message_stop(helper);
}

bool message_is_busy(const struct message_helper *helper)
{
    return helper->pid == 0 || helper->in_flight >= MESSAGE_IN_FLIGHT_MAX;
}

/* ---- asking and answering ---- */

static int ask(struct message_helper *helper, const struct buf *frame, const int *fds, size_t fd_count,
               struct err *err)
{
    if (message_is_busy(helper))
        return err_set(err, ERR_BUG, "the message parser was asked while it was busy");
    if (frame_send(helper->socket, frame, fds, fd_count, err) != 0)
        return err_prefix(err, "asking the message parser");
    helper->in_flight++;
    return 0;
}

int message_ask_parse(struct message_helper *helper, uint64_t token, int fd, bool wants_digest, struct err *err)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);

    frame_start(&frame, MESSAGE_FRAME_PARSE);
    frame_put_number(&frame, token);
    frame_put_number(&frame, wants_digest);
    return ask(helper, &frame, &fd, 1, err);
}

int message_ask_compose(struct message_helper *helper, uint64_t token, const struct message_reply *reply, int body,
                        int output, struct err *err)
{
    char storage[MESSAGE_FRAME_SIZE];
    struct buf frame = buf_over(storage, sizeof storage);
    const int fds[] = {body, output};

    frame_start(&frame, MESSAGE_FRAME_COMPOSE);
    frame_put_number(&frame, token);
    message_put_reply(&frame, reply);
    return ask(helper, &frame, fds, 2, err);
}

int message_ask_parts(struct message_helper *helper, uint64_t token, int fd, int records, int contents,
                      struct err *err)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    const int fds[] = {fd, records, contents};

    frame_start(&frame, MESSAGE_FRAME_PARTS);
    frame_put_number(&frame, token);
    return ask(helper, &frame, fds, 3, err);
}

/* What a worker wrote is not believed further than it is understood. */
static void take_failure(struct frame_reader *reader, struct err *failure)
{
    uint64_t kind = frame_number(reader);
    struct span text = frame_text(reader, ERR_TEXT_SIZE - 1);

    if (!frame_is_whole(reader) || !is_clean(text))
        err_set(failure, ERR_PERMANENT, "the message parser failed and made no sense");
    else
        err_set(failure, kind == ERR_TEMPORARY ? ERR_TEMPORARY : ERR_PERMANENT, "%.*s", (int)text.size, text.data);
}

/* Two messages are taken for the same by it: it is a digest, or it is none. */
static int take_digest(struct frame_reader *reader, char digest[static MESSAGE_DIGEST_SIZE], struct err *err)
{
    struct span text = frame_text(reader, MESSAGE_DIGEST_SIZE - 1);

    memcpy(digest, text.data, text.size);
    digest[text.size] = '\0';
    if (text.size == 0 || strspn(digest, "0123456789abcdef") == MESSAGE_DIGEST_SIZE - 1)
        return 0;
    digest[0] = '\0';
    return err_set(err, ERR_PROTOCOL, "a digest that is none");
}

static int take_answer(struct frame_reader *reader, struct message_answer *answer, struct err *err)
{
    switch (reader->type) {
    case MESSAGE_FRAME_HEADERS:
        answer->kind = MESSAGE_PARSED;
        return take_digest(reader, answer->digest, err) != 0 ? -1
                                                             : message_take_headers(reader, &answer->headers, err);
    case MESSAGE_FRAME_DONE:
        answer->kind = MESSAGE_COMPOSED;
        return frame_is_whole(reader) ? 0 : err_set(err, ERR_PROTOCOL, "a malformed frame");
    case MESSAGE_FRAME_FAILED:
        answer->kind = MESSAGE_FAILED;
        take_failure(reader, &answer->err);
        return 0;
    default:
        return err_set(err, ERR_PROTOCOL, "an answer of unknown type %u", reader->type);
    }
}

int message_receive(struct message_helper *helper, struct message_answer *answer, struct err *err)
{
    char storage[MESSAGE_FRAME_SIZE];
    struct frame_reader reader;
    struct err failure = {0};
    int status = frame_receive(helper->socket, storage, sizeof storage, &reader, NULL, NULL, err);

    if (status < 0 && err->number == EAGAIN)
        return 0;
    if (status < 0)
        return err_prefix(err, "the message parser");
    if (status == 0)
        return err_set(err, ERR_TEMPORARY, "the message parser is gone");
    memset(answer, 0, sizeof *answer);
    answer->token = frame_number(&reader);
    if (reader.bad || helper->in_flight == 0)
        return err_set(err, ERR_PROTOCOL, "the message parser answered what it was not asked");
    helper->in_flight--;
    if (take_answer(&reader, answer, &failure) != 0) {
        /* One worker's nonsense is its own message's failure. */
        memset(&answer->headers, 0, sizeof answer->headers);
        answer->digest[0] = '\0';
        answer->kind = MESSAGE_FAILED;
        err_set(&answer->err, ERR_PERMANENT, "the message parser answered %s", failure.text);
    }
    return 1;
}
