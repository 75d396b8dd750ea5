#include "common/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void frame_start(struct buf *frame, uint8_t type)
{
    buf_clear(frame);
    buf_put_byte(frame, (char)type);
}

void frame_put_number(struct buf *frame, uint64_t number)
{
    char bytes[sizeof number];

    memcpy(bytes, &number, sizeof number);
    buf_put(frame, (struct span){bytes, sizeof bytes});
}

void frame_put_text(struct buf *frame, struct span text)
{
    uint32_t length = (uint32_t)text.size;
    char bytes[sizeof length];

    if (text.size > FRAME_SIZE_MAX) {
        frame->overflowed = true;
        return;
    }
    memcpy(bytes, &length, sizeof length);
    buf_put(frame, (struct span){bytes, sizeof bytes});
    buf_put(frame, text);
}

struct frame_reader frame_read(struct span frame)
{
    if (frame.size == 0)
        return (struct frame_reader){.bad = true};
    return (struct frame_reader){.type = (uint8_t)frame.data[0], .rest = span_slice(frame, 1, frame.size)};
}

/* Takes `size` bytes off the front, or marks the frame bad and gives none. */
static struct span take(struct frame_reader *reader, size_t size)
{
    struct span taken = span_slice(reader->rest, 0, size);

    if (reader->bad || taken.size < size) {
        reader->bad = true;
        return (struct span){"", 0};
    }
    reader->rest = span_slice(reader->rest, size, reader->rest.size);
    return taken;
}

uint64_t frame_number(struct frame_reader *reader)
{
    uint64_t number = 0;
    struct span bytes = take(reader, sizeof number);

    if (bytes.size == sizeof number)
        memcpy(&number, bytes.data, sizeof number);
    return number;
}

struct span frame_text(struct frame_reader *reader, size_t max)
{
    uint32_t length = 0;
    struct span bytes = take(reader, sizeof length);

    if (bytes.size == sizeof length)
        memcpy(&length, bytes.data, sizeof length);
    if (length > max)
        reader->bad = true;
    return take(reader, length);
}

bool frame_is_whole(const struct frame_reader *reader)
{
    return !reader->bad && reader->rest.size == 0;
}

int frame_pair(int ends[static 2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return err_system(err, "socketpair");
    return 0;
}

/* The control message that carries descriptors, as sendmsg(2) and recvmsg(2) want it. */
union fd_message {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
};

int frame_send(int socket, const struct buf *frame, const int *fds, size_t fd_count, struct err *err)
{
    struct iovec part = {.iov_base = frame->data, .iov_len = frame->size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_message control = {0};
    ssize_t sent;

    /* A frame of no bytes would be taken for the end of the stream. */
    if (frame->overflowed || frame->size == 0 || frame->size > FRAME_SIZE_MAX || fd_count > FRAME_FDS_MAX)
        return err_set(err, ERR_BUG, "a frame of type %d does not fit", frame->data[0]);
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return err_system(err, "sending a frame");
    return 0;
}

/* Takes the descriptors out of a received message; those that nobody asked for are closed. */
static size_t take_fds(struct msghdr *message, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        size_t room = header->cmsg_len - CMSG_LEN(0);

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= room; at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
            if (fds != NULL && count < FRAME_FDS_MAX)
                fds[count++] = fd;
            else
                (void)close(fd);
        }
    }
    return count;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

int frame_receive(int socket, char *storage, size_t size, struct frame_reader *reader, int *fds, size_t *fd_count,
                  struct err *err)
{
    struct iovec part = {.iov_base = storage, .iov_len = size};
    union fd_message control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    size_t count;
    ssize_t received;

    do
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return err_system(err, "receiving a frame");
    count = take_fds(&message, fds);
    if (received == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        if (fds != NULL)
            close_all(fds, count);
        return received == 0 ? 0 : err_set(err, ERR_PROTOCOL, "a frame larger than %zu bytes", size);
    }
    if (fd_count != NULL)
        *fd_count = count;
    *reader = frame_read((struct span){storage, (size_t)received});
    return 1;
}
