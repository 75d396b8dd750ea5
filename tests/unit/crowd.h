/*
 * A writer in a process of its own, as a receiver with the listening socket has it; the test is its listener, and all
 * the sessions.
 *
 *     struct crowd crowd = crowd_start(state, "reserve = 0\n");       state: of support_make_folder
 *     int session = crowd_join(&crowd, 1, "192.0.2.1");
 *
 *     crowd_write(session);
 *     crowd_commit(session, 2);
 *     assert_int_equal(crowd_hear(session).type, WIRE_COMMITTED);
 *     (void)close(session);
 *     crowd_finish(&crowd);
 *     ... strstr(crowd_log(&crowd), "accepted") ...
 *
 * All in this header, as only tests that link the receiver can use it.
 */
#ifndef TESTS_UNIT_CROWD_H
#define TESTS_UNIT_CROWD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "receiver/wire.h"
#include "receiver/writer.h"
#include "tests/unit/support.h"

enum { CROWD_PATIENCE_MS = 20000, CROWD_TEXT_SIZE = 65536 };

struct crowd {
    const char *folder;
    struct config config;
    int listener;   /* our end: -1 when it is closed */
    int writer_end; /* open in the writer alone */
    pid_t writer;
};

struct crowd_answer {
    int type; /* 0: the end */
    int fd;   /* with WIRE_READY */
    uint64_t failure;
};

static inline int crowd_serve(void *context)
{
    const struct crowd *crowd = context;
    struct writer writer = {.config = &crowd->config};

    (void)close(crowd->listener);
    log_open("writer", LOG_TO_STDERR, support_path(crowd->folder, "log"));
    return writer_run_all(&writer, crowd->writer_end) == 0 ? 0 : 1;
}

/* With these lines in its configuration besides. */
static inline struct crowd crowd_start(void **state, const char *more)
{
    struct crowd crowd = {.folder = *state};
    struct config_errors errors = {0};
    char text[4096];
    struct err err;
    int ends[2];

    snprintf(text, sizeof text,
             "hostname = \"mail.example.com\"\nspool = \"%s/spool\"\nindex = \"%s/lib/index.db\"\n"
             "route \"a@example.com\" {}\n%s",
             crowd.folder, crowd.folder, more);
    assert_int_equal(mkdir(support_path(crowd.folder, "lib"), 0700), 0);
    assert_int_equal(config_load_text(&crowd.config, "test.conf", text, &errors), 0);
    assert_int_equal(frame_pair(ends, &err), 0);
    crowd.listener = ends[0];
    crowd.writer_end = ends[1];
    crowd.writer = support_start_child(crowd_serve, &crowd);
    assert_true(crowd.writer > 0);
    (void)close(ends[1]);
    return crowd;
}

/* The listener goes, and the writer behind it. */
static inline void crowd_finish(struct crowd *crowd)
{
    if (crowd->listener >= 0)
        (void)close(crowd->listener);
    assert_true(support_exited(support_wait_child(crowd->writer), 0));
    config_free(&crowd->config);
}

static inline int crowd_join(const struct crowd *crowd, uint64_t number, const char *client)
{
    char storage[WIRE_JOIN_MAX];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;
    int ends[2];

    assert_int_equal(frame_pair(ends, &err), 0);
    frame_start(&frame, WIRE_JOIN);
    frame_put_number(&frame, number);
    frame_put_text(&frame, span_text(client));
    assert_int_equal(frame_send(crowd->listener, &frame, &ends[1], 1, &err), 0);
    (void)close(ends[1]);
    return ends[0];
}

/* -1 when the writer takes no more. */
static inline int crowd_begin(int session, uint64_t declared)
{
    char storage[1024];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_BEGIN);
    frame_put_text(&frame, SPAN("ESMTP"));
    frame_put_text(&frame, SPAN("client.example.org"));
    frame_put_text(&frame, SPAN("asker@example.org"));
    frame_put_text(&frame, SPAN("a@example.com\0"));
    frame_put_number(&frame, declared);
    return frame_send(session, &frame, NULL, 0, &err);
}

static inline void crowd_commit(int session, uint64_t size)
{
    char storage[64];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err;

    frame_start(&frame, WIRE_COMMIT);
    frame_put_number(&frame, size);
    assert_int_equal(frame_send(session, &frame, NULL, 0, &err), 0);
}

/* The next answer to a session, or word to the listener. */
static inline struct crowd_answer crowd_hear(int session)
{
    char storage[WIRE_ANSWER_MAX];
    struct pollfd there = {.fd = session, .events = POLLIN};
    struct frame_reader frame;
    struct crowd_answer answer = {.fd = -1};
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err;

    assert_int_equal(poll(&there, 1, CROWD_PATIENCE_MS), 1);
    if (frame_receive(session, storage, sizeof storage, &frame, fds, &fd_count, &err) != 1)
        return answer;
    answer.type = frame.type;
    if (fd_count == 1)
        answer.fd = fds[0];
    if (frame.type == WIRE_FAILED || frame.type == WIRE_CUT)
        answer.failure = frame_number(&frame);
    return answer;
}

/* A whole message of two bytes, but for its commit. */
static inline void crowd_write(int session)
{
    struct crowd_answer answer;

    assert_int_equal(crowd_begin(session, 0), 0);
    answer = crowd_hear(session);
    assert_int_equal(answer.type, WIRE_READY);
    assert_int_equal(write(answer.fd, "x\n", 2), 2);
    (void)close(answer.fd);
}

/* What the writer has logged, in storage that the next call overwrites. */
static inline const char *crowd_log(const struct crowd *crowd)
{
    static char text[CROWD_TEXT_SIZE];
    int fd = open(support_path(crowd->folder, "log"), O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, text, sizeof text - 1);

    assert_true(size >= 0);
    text[size] = '\0';
    (void)close(fd);
    return text;
}

#endif
