#include "common/desk.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fault.h"

bool desk_address(struct sockaddr_un *address, const char *index)
{
    int length;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    length = snprintf(address->sun_path, sizeof address->sun_path, "%s-desk", index);
    return length > 0 && (size_t)length < sizeof address->sun_path;
}

static bool is_answered(int desk)
{
    struct pollfd answer = {.fd = desk, .events = POLLIN};
    char byte;

    return poll(&answer, 1, DESK_WAIT_MS) == 1 && recv(desk, &byte, 1, 0) == 1 && byte == DESK_DONE;
}

bool desk_ask(const char *index, const char id[static ID_SIZE])
{
    struct sockaddr_un address;
    bool is_done;
    int desk;

    if (!desk_address(&address, index))
        return false;
    /* One that does not block: where others queue up already, it is quicker to go without. */
    desk = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (desk < 0)
        return false;
    is_done = connect(desk, (const struct sockaddr *)&address, sizeof address) == 0 &&
              send(desk, id, ID_LENGTH, MSG_NOSIGNAL) == ID_LENGTH && is_answered(desk);
    (void)close(desk);
    if (is_done)
        FAULT_POINT("desk-answered");
    return is_done;
}
