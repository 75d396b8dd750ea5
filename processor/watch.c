#include "processor/watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/*
 * The receiver renames files in; a person may copy one; IN_ATTRIB of the folder itself is the operator's touch. Of
 * its own end a folder that someone has open, as we do, does not tell; the one above it does.
 */
static int watch_both(const struct watch *watch, const char *root, const char *path)
{
    const uint32_t self = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

    if (inotify_add_watch(watch->fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | self) < 0)
        return -1;
    return inotify_add_watch(watch->fd, root, IN_DELETE | IN_MOVED_FROM | self) < 0 ? -1 : 0;
}

int watch_open(struct watch *watch, const struct spool *spool, struct err *err)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/new", spool->path);

    if (length < 0 || (size_t)length >= sizeof path)
        return err_set(err, ERR_PERMANENT, "the spool's path is too long: %s", spool->path);
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        return err_system(err, "inotify");
    if (watch_both(watch, spool->path, path) != 0) {
        err_system(err, "watching %s", path);
        watch_close(watch);
        return -1;
    }
    return 0;
}

void watch_close(struct watch *watch)
{
    if (watch->fd >= 0)
        (void)close(watch->fd);
    watch->fd = -1;
}

int watch_read(const struct watch *watch, struct watch_batch *batch, struct err *err)
{
    ssize_t size = read(watch->fd, batch->bytes, sizeof batch->bytes);

    batch->at = 0;
    batch->size = size < 0 ? 0 : (size_t)size;
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        return err_system(err, "reading inotify events");
    return 0;
}

/* IN_IGNORED is the last event of a watch, whatever ended it. */
static bool is_end(const struct inotify_event *event)
{
    if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0)
        return true;
    return event->len > 0 && (event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0 && strcmp(event->name, "new") == 0;
}

enum watch_event watch_next(struct watch_batch *batch, const char **name)
{
    while (batch->at < batch->size) {
        const struct inotify_event *event = (const void *)(batch->bytes + batch->at);

        batch->at += sizeof *event + event->len;
        if ((event->mask & IN_Q_OVERFLOW) != 0)
            return WATCH_LOST;
        if (is_end(event))
            return WATCH_GONE;
        if (event->len == 0 && (event->mask & IN_ATTRIB) != 0)
            return WATCH_WAKE;
        if (event->len > 0 && (event->mask & (IN_MOVED_TO | IN_CLOSE_WRITE)) != 0 && event->name[0] != '.') {
            *name = event->name;
            return (event->mask & IN_MOVED_TO) != 0 ? WATCH_FILE : WATCH_CLOSED;
        }
    }
    return WATCH_NONE;
}
