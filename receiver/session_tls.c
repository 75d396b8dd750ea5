#include "receiver/session_tls.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "receiver/starttls.h"
#include "receiver/wire.h"

enum { CLEAR_MAX = 64 * 1024 }; /* who sends more shakes hands with rubbish, and fails */

static int ask_writer(int writer, const int client[static 2])
{
    char storage[WIRE_ANSWER_MAX];
    struct buf request = buf_over(storage, sizeof storage);
    struct frame_reader answer;
    int fds[FRAME_FDS_MAX];
    size_t count = 0;
    struct err err;

    frame_start(&request, WIRE_STARTTLS);
    if (frame_send(writer, &request, client, 2, &err) != 0 ||
        frame_receive(writer, storage, sizeof storage, &answer, fds, &count, &err) != 1)
        return -1;
    return answer.type == WIRE_SECURING && count == 1 ? fds[0] : -1;
}

/* The one byte that says that it has its key, and cannot do any harm with it. */
static int await_ready(int stream)
{
    int64_t ends = clock_monotonic_ms() + STARTTLS_READY_MS;
    struct pollfd polled = {.fd = stream, .events = POLLIN};
    char byte = 0;
    int ready;

    do {
        int64_t left = ends - clock_monotonic_ms();

        ready = poll(&polled, 1, left < 0 ? 0 : (int)left);
    } while (ready < 0 && errno == EINTR);
    return ready == 1 && read(stream, &byte, 1) == 1 && byte == STARTTLS_READY ? 0 : -1;
}

int session_tls_ask(int writer, const int client[static 2])
{
    int stream = ask_writer(writer, client);

    if (stream < 0 || await_ready(stream) == 0)
        return stream;
    (void)close(stream);
    return -1;
}

void session_tls_clear(int client)
{
    char dropped[4096];
    size_t total = 0;

    for (ssize_t count = 1; count > 0 && total < CLEAR_MAX; total += (size_t)count) {
        struct pollfd polled = {.fd = client, .events = POLLIN};

        if (poll(&polled, 1, 0) <= 0)
            return;
        count = read(client, dropped, sizeof dropped);
        if (count < 0)
            return;
    }
}

int session_tls_go(int stream)
{
    static const char byte = STARTTLS_GO;

    return write(stream, &byte, 1) == 1 ? 0 : -1;
}
