#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/frame.h"
#include "tests/unit/support.h"

enum { TYPE = 200, ROOM = 256 };

struct line {
    int ends[2];
    size_t open_before;
};

static int connect_line(void **state)
{
    static struct line line;
    struct err err = {0};

    line.open_before = support_open_descriptors();
    *state = &line;
    return frame_pair(line.ends, &err);
}

/* Whatever a test did, no descriptor is left over. */
static int cut_line(void **state)
{
    struct line *line = *state;

    for (size_t i = 0; i < 2; i++)
        if (line->ends[i] >= 0)
            (void)close(line->ends[i]);
    return support_open_descriptors() == line->open_before ? 0 : -1;
}

/* ---- building and reading ---- */

static void fields_come_back_in_order(void **state)
{
    char storage[ROOM];
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader reader;

    (void)state;
    frame_start(&frame, TYPE);
    frame_put_text(&frame, SPAN("a\0b"));
    frame_put_number(&frame, UINT64_MAX);
    frame_put_number(&frame, 0);
    frame_put_text(&frame, SPAN(""));
    assert_false(frame.overflowed);
    assert_int_equal(frame.size, 1 + (4 + 3) + 8 + 8 + 4);
    reader = frame_read(buf_span(&frame));
    assert_int_equal(reader.type, TYPE);
    assert_false(frame_is_whole(&reader)); /* there is more */
    assert_true(span_equal(frame_text(&reader, 3), SPAN("a\0b")));
    assert_true(frame_number(&reader) == UINT64_MAX);
    assert_true(frame_number(&reader) == 0);
    assert_true(span_equal(frame_text(&reader, 0), SPAN("")));
    assert_true(frame_is_whole(&reader));
    frame_start(&frame, 1); /* begins anew */
    assert_int_equal(frame.size, 1);
}

static void a_frame_too_short_reads_as_nothing(void **state)
{
    char storage[ROOM];
    struct buf frame = buf_over(storage, sizeof storage);

    (void)state;
    frame_start(&frame, TYPE);
    frame_put_number(&frame, 7);
    frame_put_text(&frame, SPAN("text"));
    for (size_t size = 0; size < frame.size; size++) {
        /* A copy of just these bytes, so that a step beyond them is seen. */
        char *bytes = malloc(size + 1);
        struct frame_reader reader;
        struct span text;
        uint64_t number;

        assert_non_null(bytes);
        memcpy(bytes, frame.data, size);
        reader = frame_read((struct span){bytes, size});
        assert_int_equal(reader.type, size == 0 ? 0 : TYPE);
        number = frame_number(&reader);
        text = frame_text(&reader, 100);
        assert_true(number == (size >= 9 ? 7 : 0));
        assert_int_equal(text.size, 0);
        assert_non_null(text.data);
        assert_false(frame_is_whole(&reader));
        free(bytes);
    }
}

static void bytes_left_over_are_bad(void **state)
{
    struct frame_reader reader = frame_read(SPAN("\1x"));

    (void)state;
    assert_false(frame_is_whole(&reader));
    reader = frame_read(SPAN("\1"));
    assert_true(frame_is_whole(&reader));
    reader = frame_read((struct span){NULL, 0});
    assert_false(frame_is_whole(&reader));
    assert_int_equal(reader.type, 0);
}

static void a_text_longer_than_allowed_is_bad(void **state)
{
    char storage[ROOM];
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader reader;

    (void)state;
    frame_start(&frame, TYPE);
    frame_put_text(&frame, SPAN("four"));
    frame_put_number(&frame, 7);
    reader = frame_read(buf_span(&frame));
    assert_int_equal(frame_text(&reader, 4).size, 4);
    assert_true(frame_number(&reader) == 7);
    assert_true(frame_is_whole(&reader));
    reader = frame_read(buf_span(&frame));
    assert_int_equal(frame_text(&reader, 3).size, 0);
    assert_true(frame_number(&reader) == 0); /* nothing is read after what was bad */
    assert_int_equal(frame_text(&reader, 100).size, 0);
    assert_false(frame_is_whole(&reader));
}

static void a_text_that_claims_too_much_is_bad(void **state)
{
    static const uint32_t lengths[] = {5, 100, INT32_MAX, UINT32_C(1) << 31, UINT32_MAX - 4, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char bytes[1 + 4 + 4] = {TYPE & 0x7F, 0, 0, 0, 0, 'f', 'o', 'u', 'r'};
        struct frame_reader reader = frame_read((struct span){bytes, sizeof bytes});

        memcpy(bytes + 1, &lengths[i], sizeof lengths[i]);
        assert_int_equal(frame_text(&reader, SIZE_MAX).size, 0);
        assert_false(frame_is_whole(&reader));
    }
}

static void what_does_not_fit_is_noticed(void **state)
{
    static char big[FRAME_SIZE_MAX + 1];
    static char room[FRAME_SIZE_MAX + 100];
    char storage[16];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err = {0};

    (void)state;
    frame_start(&frame, TYPE);
    frame_put_text(&frame, SPAN("0123456789A"));
    assert_true(frame.overflowed);
    assert_int_equal(frame_send(-1, &frame, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
    frame_start(&frame, TYPE);
    assert_false(frame.overflowed);
    frame = buf_over(room, sizeof room);
    frame_start(&frame, TYPE);
    frame_put_text(&frame, (struct span){big, sizeof big}); /* there is room for it here, but not on its way */
    assert_true(frame.overflowed);
}

/* ---- sending and receiving ---- */

static struct buf hello(char storage[static ROOM])
{
    struct buf frame = buf_over(storage, ROOM);

    frame_start(&frame, TYPE);
    frame_put_text(&frame, SPAN("hello"));
    return frame;
}

static void a_frame_goes_across(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    char received[ROOM];
    struct buf frame = hello(storage);
    struct frame_reader reader;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 99;
    struct err err = {0};

    /* Two frames stay two. */
    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), 0);
    frame_start(&frame, 1);
    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), 0);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, fds, &fd_count, &err), 1);
    assert_int_equal(reader.type, TYPE);
    assert_true(span_equal(frame_text(&reader, 5), SPAN("hello")));
    assert_true(frame_is_whole(&reader));
    assert_int_equal(fd_count, 0);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 1);
    assert_int_equal(reader.type, 1);
    assert_true(frame_is_whole(&reader));
    assert_true((fcntl(line->ends[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(line->ends[1], F_GETFD) & FD_CLOEXEC) != 0);
}

static void the_largest_frame_goes_across(void **state)
{
    static char storage[FRAME_SIZE_MAX + 2];
    static char received[FRAME_SIZE_MAX];
    struct line *line = *state;
    struct buf frame = buf_over(storage, sizeof storage);
    struct frame_reader reader;
    struct err err = {0};

    frame_start(&frame, TYPE);
    while (frame.size < FRAME_SIZE_MAX)
        buf_put_byte(&frame, 'x');
    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), 0);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 1);
    assert_int_equal(reader.rest.size, FRAME_SIZE_MAX - 1);
    assert_memory_equal(received, storage, FRAME_SIZE_MAX);
    buf_put_byte(&frame, 'x');
    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
}

/* It would arrive as the end of the stream. */
static void a_frame_without_a_type_is_not_sent(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    struct buf frame = buf_over(storage, sizeof storage);
    struct err err = {0};

    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
}

static void a_frame_larger_than_its_room_is_refused(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    char received[ROOM];
    struct buf frame = hello(storage);
    struct frame_reader reader;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err = {0};

    /* The descriptor that comes with a frame that is refused does not stay open (cut_line looks). */
    assert_int_equal(frame_send(line->ends[0], &frame, (int[]){STDERR_FILENO}, 1, &err), 0);
    assert_int_equal(frame_receive(line->ends[1], received, frame.size - 1, &reader, fds, &fd_count, &err), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_int_equal(fd_count, 0);
    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), 0);
    assert_int_equal(frame_receive(line->ends[1], received, frame.size, &reader, fds, &fd_count, &err), 1);
    assert_true(span_equal(frame_text(&reader, 5), SPAN("hello")));
}

static void nothing_there_is_eagain(void **state)
{
    struct line *line = *state;
    char received[ROOM];
    struct frame_reader reader;
    struct err err = {0};

    assert_int_equal(fcntl(line->ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.number, EAGAIN);
}

static void the_other_end_gone_is_the_end(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    char received[ROOM];
    struct buf frame = hello(storage);
    struct frame_reader reader;
    struct err err = {0};

    assert_int_equal(frame_send(line->ends[0], &frame, NULL, 0, &err), 0);
    (void)close(line->ends[0]);
    line->ends[0] = -1;
    /* What was sent before is still there. */
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 1);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 0);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 0);
    /* Sending is an error and no SIGPIPE. */
    assert_int_equal(frame_send(line->ends[1], &frame, NULL, 0, &err), -1);
    assert_int_equal(err.number, EPIPE);
}

/* ---- descriptors ---- */

static void descriptors_go_along(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    char received[ROOM];
    struct buf frame = hello(storage);
    struct frame_reader reader;
    int fds[FRAME_FDS_MAX];
    struct err err = {0};
    int sent[FRAME_FDS_MAX];

    for (size_t i = 0; i < FRAME_FDS_MAX; i++) {
        sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(sent[i] >= 0);
    }
    for (size_t count = 1; count <= FRAME_FDS_MAX; count++) {
        size_t fd_count = 99;

        assert_int_equal(frame_send(line->ends[0], &frame, sent, count, &err), 0);
        assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, fds, &fd_count, &err), 1);
        assert_true(span_equal(frame_text(&reader, 5), SPAN("hello")));
        assert_int_equal(fd_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
            assert_int_equal(close(fds[i]), 0);
        }
    }
    assert_int_equal(frame_send(line->ends[0], &frame, sent, FRAME_FDS_MAX + 1, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
    for (size_t i = 0; i < FRAME_FDS_MAX; i++)
        assert_int_equal(close(sent[i]), 0); /* they stayed the sender's */
}

static void descriptors_nobody_asked_for_are_closed(void **state)
{
    struct line *line = *state;
    char storage[ROOM];
    char received[ROOM];
    struct buf frame = hello(storage);
    struct frame_reader reader;
    struct err err = {0};

    for (int i = 0; i < 20; i++) {
        assert_int_equal(frame_send(line->ends[0], &frame, (int[]){0, 1, 2}, 3, &err), 0);
        assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), 1);
        assert_true(span_equal(frame_text(&reader, 5), SPAN("hello")));
    }
}

/* Sends a datagram with copies of descriptor 2, more than frame_send() would, or with no byte in it. */
static void send_roughly(int socket, size_t bytes, size_t count)
{
    enum { COUNT_MAX = 250 };
    static union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(COUNT_MAX * sizeof(int))];
    } control;
    char byte = TYPE & 0x7F;
    struct iovec part = {.iov_base = &byte, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};

    assert_true(bytes <= 1 && count <= COUNT_MAX);
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), bytes);
}

static void too_many_descriptors_are_refused(void **state)
{
    static const size_t counts[] = {FRAME_FDS_MAX + 1, FRAME_FDS_MAX + 2, 50, 250};
    struct line *line = *state;
    char received[ROOM];
    struct frame_reader reader;
    struct err err = {0};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int fds[FRAME_FDS_MAX];
        size_t fd_count = 0;

        send_roughly(line->ends[0], 1, counts[i]);
        assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, fds, &fd_count, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(fd_count, 0);
        send_roughly(line->ends[0], 1, counts[i]);
        assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, NULL, NULL, &err), -1);
    }
}

/* A process that sends one has nothing more to say to us. */
static void an_empty_datagram_is_the_end(void **state)
{
    struct line *line = *state;
    char received[ROOM];
    struct frame_reader reader;
    int fds[FRAME_FDS_MAX];
    size_t fd_count = 0;
    struct err err = {0};

    send_roughly(line->ends[0], 0, 2);
    assert_int_equal(frame_receive(line->ends[1], received, sizeof received, &reader, fds, &fd_count, &err), 0);
    assert_int_equal(fd_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_in_order),
        cmocka_unit_test(a_frame_too_short_reads_as_nothing),
        cmocka_unit_test(bytes_left_over_are_bad),
        cmocka_unit_test(a_text_longer_than_allowed_is_bad),
        cmocka_unit_test(a_text_that_claims_too_much_is_bad),
        cmocka_unit_test(what_does_not_fit_is_noticed),
        cmocka_unit_test_setup_teardown(a_frame_goes_across, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(the_largest_frame_goes_across, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(a_frame_without_a_type_is_not_sent, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(a_frame_larger_than_its_room_is_refused, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(nothing_there_is_eagain, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(the_other_end_gone_is_the_end, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(descriptors_go_along, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(descriptors_nobody_asked_for_are_closed, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(too_many_descriptors_are_refused, connect_line, cut_line),
        cmocka_unit_test_setup_teardown(an_empty_datagram_is_the_end, connect_line, cut_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
