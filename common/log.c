#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

/* A process has one log; this is the only state that a module here keeps for itself. */
static struct {
    const char *program;
    enum log_target target;
    int file;              /* -1: none */
    bool is_late;          /* nothing is open yet */
    const char *late_file; /* to be opened then, or NULL */
    log_sink *sink;
    void *sink_context;
    bool has_owner;
    uid_t uid;
    gid_t gid;
} destination = {.program = "mailmill", .target = LOG_TO_STDERR, .file = -1};

void log_owner(uid_t uid, gid_t gid)
{
    destination.has_owner = true;
    destination.uid = uid;
    destination.gid = gid;
}

enum { LOG_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, LOG_MODE = 0660 };

/* A new file where only root may make one. Nothing that is there is touched, and no link can lead elsewhere. */
static int make_file(const char *file)
{
    struct open_how how = {.flags = (unsigned)(LOG_FLAGS | O_EXCL), .mode = LOG_MODE, .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof how);

    if (fd >= 0 && fchown(fd, destination.uid, destination.gid) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* Root opens it with its owner's rights: the owner may have put anything in its place. */
static int open_file(const char *file)
{
    int fd;

    if (geteuid() != 0 || !destination.has_owner)
        return open(file, LOG_FLAGS, LOG_MODE);
    (void)setfsgid(destination.gid);
    (void)setfsuid(destination.uid);
    fd = open(file, LOG_FLAGS, LOG_MODE);
    (void)setfsuid(0);
    (void)setfsgid(getegid());
    if (fd >= 0 || errno != EACCES)
        return fd;
    fd = make_file(file);
    if (fd < 0 && errno == EEXIST)
        errno = EACCES;
    return fd;
}

void log_open_late(const char *program, enum log_target target, const char *file)
{
    destination.program = program;
    destination.target = target;
    destination.late_file = file;
    destination.is_late = true;
    if (destination.file >= 0)
        (void)close(destination.file);
    destination.file = -1;
}

void log_ready(void)
{
    const char *file = destination.late_file;

    if (!destination.is_late)
        return;
    destination.is_late = false;
    destination.late_file = NULL;
    if (file != NULL)
        destination.file = open_file(file);
    if (destination.file < 0 && destination.target == LOG_TO_SYSLOG) {
        int number = errno;

        openlog(destination.program, LOG_PID | LOG_NDELAY, LOG_MAIL);
        tzset(); /* syslog(3) stamps its lines with local time, which is another file */
        errno = number;
    }
    if (destination.file < 0 && file != NULL)
        log_say(LOG_ERR, "cannot open the log file %s: %s", file, strerror(errno));
}

void log_open(const char *program, enum log_target target, const char *file)
{
    log_open_late(program, target, file);
    log_ready();
}

void log_reopen(const char *file)
{
    int fd = file == NULL ? -1 : open_file(file);

    if (file != NULL && fd < 0) {
        log_say(LOG_ERR, "cannot open the log file %s, the log stays where it is: %s", file, strerror(errno));
        return;
    }
    if (destination.file >= 0)
        (void)close(destination.file);
    destination.file = fd;
}

void log_redirect(log_sink *sink, void *context)
{
    destination.sink = sink;
    destination.sink_context = context;
}

/* One write a line, so that several processes mix none. A log that cannot be written has nowhere to say so. */
static void write_line(int fd, const char *head, struct span text)
{
    char storage[LOG_LINE_SIZE + 128];
    struct buf line = buf_over(storage, sizeof storage);

    buf_put_text(&line, head);
    buf_put(&line, text);
    buf_put_byte(&line, '\n');
    if (write(fd, line.data, line.size) < 0)
        return;
}

static void emit(int level, struct span text)
{
    char storage[96];
    struct buf head = buf_over(storage, sizeof storage);
    char time_text[CLOCK_ISO8601_SIZE];

    if (destination.sink == NULL)
        log_ready();
    if (destination.sink != NULL) {
        destination.sink(destination.sink_context, level, text);
    } else if (destination.file >= 0) {
        clock_iso8601(clock_now_ms(), time_text);
        buf_put_texts(&head, time_text, " ", destination.program, "[", NULL);
        buf_put_number(&head, (unsigned long long)getpid());
        buf_put_text(&head, "]: ");
        write_line(destination.file, storage, text);
    } else if (destination.target == LOG_TO_SYSLOG) {
        syslog(level, "%.*s", (int)text.size, text.data);
    } else if (getenv("JOURNAL_STREAM") != NULL) {
        buf_printf(&head, "<%d>", level);
        write_line(STDERR_FILENO, storage, text);
    } else {
        buf_put_texts(&head, destination.program, ": ", NULL);
        write_line(STDERR_FILENO, storage, text);
    }
}

/* What is escaped in a value; in words of our own, and in a line that was cleaned before, a quote is only a quote. */
static const char in_value[] = "\\\"";
static const char in_words[] = "\\";
static const char in_clean_line[] = "";

/* Stops where the line is full: what came behind a gap would be read as if it stood there. */
static void put_clean(struct buf *buf, struct span text, const char *escaped)
{
    for (size_t i = 0; i < text.size && !buf->overflowed; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte < ' ' || byte > '~' || strchr(escaped, byte) != NULL)
            buf_printf(buf, "\\x%02x", byte);
        else
            buf_put_byte(buf, (char)byte);
    }
}

static bool needs_quotes(struct span value)
{
    return value.size == 0 || span_find(value, ' ') < value.size || span_find(value, '"') < value.size ||
           span_find(value, '=') < value.size;
}

void log_start(struct log_line *line, int level, const char *what)
{
    line->level = level;
    line->buf = buf_over(line->storage, sizeof line->storage);
    buf_put_text(&line->buf, what);
}

void log_text(struct log_line *line, const char *key, struct span value)
{
    const char *quote = needs_quotes(value) ? "\"" : "";

    if (!line->buf.overflowed)
        buf_put_texts(&line->buf, " ", key, "=", quote, NULL);
    put_clean(&line->buf, value, in_value);
    if (!line->buf.overflowed)
        buf_put_text(&line->buf, quote);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    char storage[32];
    struct buf digits = buf_over(storage, sizeof storage);

    buf_put_number(&digits, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value);
    if (!line->buf.overflowed)
        buf_put_texts(&line->buf, " ", key, value < 0 ? "=-" : "=", storage, NULL);
}

void log_end(struct log_line *line)
{
    if (line->buf.overflowed) {
        size_t room = line->buf.capacity - 1;

        if (line->buf.size > room - 3)
            line->buf.size = room - 3;
        line->buf.overflowed = false;
        buf_put_text(&line->buf, "...");
    }
    emit(line->level, buf_span(&line->buf));
}

void log_say(int level, const char *format, ...)
{
    char text[LOG_LINE_SIZE + 1]; /* one more than fits into a line, so that a line cut here shows it */
    struct log_line line;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_start(&line, level, "");
    put_clean(&line.buf, span_text(text), in_words);
    log_end(&line);
}

void log_relay(int level, struct span text)
{
    struct log_line line;

    log_start(&line, level & LOG_PRIMASK, "");
    put_clean(&line.buf, text, in_clean_line);
    log_end(&line);
}
