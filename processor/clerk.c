#include "processor/clerk.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/desk.h"
#include "common/fault.h"
#include "common/log.h"
#include "processor/intake_step.h"

/* ---- the desk ---- */

static int watch(const struct clerk *clerk, int fd)
{
    return epoll_ctl(clerk->events, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

/* What an earlier processor has left there is nobody's: the lock on the spool is ours. All else is somebody's. */
static int clear_place(const char *path, struct err *err)
{
    struct stat status;

    if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return err_set(err, ERR_PERMANENT, "%s is in the way, and no socket", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_system(err, "removing %s", path);
    return 0;
}

static int take_place(struct clerk *clerk, const char *index, struct err *err)
{
    struct sockaddr_un address;

    if (!desk_address(&address, index))
        return err_set(err, ERR_PERMANENT, "the path %s-desk is too long for a socket", index);
    if (clear_place(address.sun_path, err) != 0)
        return -1;
    clerk->events = epoll_create1(EPOLL_CLOEXEC);
    clerk->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (clerk->events < 0 || clerk->listener < 0 ||
        bind(clerk->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(clerk->listener, SOMAXCONN) != 0 || watch(clerk, clerk->listener) != 0)
        return err_system(err, "listening on %s", address.sun_path);
    return 0;
}

void clerk_open(struct clerk *clerk, const char *index)
{
    struct err err;

    if (take_place(clerk, index, &err) == 0)
        return;
    log_say(LOG_WARNING, "receivers open the index themselves: %s", err.text);
    clerk_close(clerk);
}

/* ---- guests ---- */

static void dismiss(struct clerk *clerk, size_t at)
{
    (void)close(clerk->guests[at].socket);
    clerk->count--;
    memmove(&clerk->guests[at], &clerk->guests[at + 1], (clerk->count - at) * sizeof clerk->guests[0]);
}

/* Gives true when the row is there, or will be with the turn's commit. */
static bool put_row(struct clerk *clerk, const char *id)
{
    struct index *index = clerk->intake->index;
    struct err err;
    int row = intake_has_row(index, id, &err);

    if (row == 0)
        row = intake_add_row(clerk->intake, id, &err) == 0 ? intake_has_row(index, id, &err) : -1;
    if (row < 0)
        log_say(LOG_WARNING, "%s has no index row yet: %s", id, err.text);
    return row == 1;
}

static void hear_guest(struct clerk *clerk, size_t at)
{
    char id[ID_SIZE + 1] = "";
    ssize_t size = recv(clerk->guests[at].socket, id, sizeof id, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size == ID_LENGTH && id_is_valid((struct span){id, ID_LENGTH}) && !clerk->guests[at].waits &&
        put_row(clerk, id))
        clerk->guests[at].waits = true;
    else
        dismiss(clerk, at);
}

/* Who has been here longest without a word; `count` when there is none. */
static size_t find_silent(const struct clerk *clerk)
{
    size_t at = 0;

    while (at < clerk->count && clerk->guests[at].waits)
        at++;
    return at;
}

/* What would be there at once again, and again, is left alone for a while. */
static void note_trouble(struct clerk *clerk, int number, int64_t now_ms)
{
    if (number == EAGAIN || number == EINTR || number == ECONNABORTED)
        return;
    log_say(LOG_WARNING, "receivers open the index themselves for a moment: %s", strerror(number));
    clerk->resume_ms = now_ms + CLERK_PAUSE_MS;
}

/* So many at a time. The silent give way; while all wait for the turn's end, who comes waits outside for the next. */
static void welcome(struct clerk *clerk, int64_t now_ms)
{
    for (size_t i = 0; i < CLERK_GUESTS_MAX; i++) {
        size_t silent = find_silent(clerk);
        int guest;

        if (clerk->count == CLERK_GUESTS_MAX && silent == clerk->count)
            return;
        guest = accept4(clerk->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (guest < 0) {
            note_trouble(clerk, errno, now_ms);
            return;
        }
        if (clerk->count == CLERK_GUESTS_MAX)
            dismiss(clerk, silent);
        clerk->guests[clerk->count++] = (struct clerk_guest){.socket = guest};
        if (watch(clerk, guest) != 0)
            dismiss(clerk, clerk->count - 1);
        else
            hear_guest(clerk, clerk->count - 1); /* most have said it by now */
    }
}

static void hear(struct clerk *clerk, int fd)
{
    for (size_t i = 0; i < clerk->count; i++)
        if (clerk->guests[i].socket == fd) {
            hear_guest(clerk, i);
            return;
        }
}

void clerk_hear(struct clerk *clerk, int64_t now_ms)
{
    struct epoll_event events[CLERK_GUESTS_MAX + 1];
    int count;

    if (clerk->events < 0)
        return; /* closed by what was heard of in the same turn: the signal to stop */
    count = epoll_wait(clerk->events, events, CLERK_GUESTS_MAX + 1, 0);
    clerk->resume_ms = 0;
    for (int i = 0; i < count; i++)
        if (events[i].data.fd != clerk->listener)
            hear(clerk, events[i].data.fd);
    /* Behind the others, whose descriptors' numbers may come again here. */
    welcome(clerk, now_ms);
}

static void dismiss_waiting(struct clerk *clerk)
{
    for (size_t i = clerk->count; i > 0; i--)
        if (clerk->guests[i - 1].waits)
            dismiss(clerk, i - 1);
}

void clerk_answer(struct clerk *clerk)
{
    static const char done = DESK_DONE;

    for (size_t i = 0; i < clerk->count; i++)
        if (clerk->guests[i].waits) {
            FAULT_POINT("clerk-before-answer");
            (void)send(clerk->guests[i].socket, &done, 1, MSG_NOSIGNAL); /* who has left does not care */
        }
    dismiss_waiting(clerk);
}

void clerk_lost(struct clerk *clerk)
{
    dismiss_waiting(clerk);
}

void clerk_close(struct clerk *clerk)
{
    while (clerk->count > 0)
        dismiss(clerk, clerk->count - 1);
    if (clerk->listener >= 0)
        (void)close(clerk->listener);
    if (clerk->events >= 0)
        (void)close(clerk->events);
    clerk->events = clerk->listener = -1;
    clerk->resume_ms = 0;
}
