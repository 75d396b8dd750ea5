/*
 * One log line for one thing that happened, in words first and then key=value pairs that grep finds.
 *
 *     log_open("mailmill-receiver", config.log_file);
 *     struct log_line line;
 *     log_start(&line, LOG_INFO, "accepted");
 *     log_text(&line, "id", id);
 *     log_number(&line, "size", size);
 *     log_end(&line);
 *
 * Lines go to syslog, to standard error (with the "<6>" priority that journald reads), to a file, or to a function
 * (a sandboxed process hands its lines to the one it came from). No raw byte from the network gets into a line:
 * control and non-ASCII bytes are written as \xNN, and a value with a space, a quote or an equals sign is quoted.
 * Levels are those of syslog(3).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

#include "common/buf.h"

enum { LOG_LINE_SIZE = 1024 };

struct log_line {
    int level;
    struct buf buf;
    char storage[LOG_LINE_SIZE];
};

enum log_target { LOG_TO_SYSLOG, LOG_TO_STDERR };

/*
 * Lines go to `file` (absolute path, appended to, made if missing) where it is given and can be opened; else to
 * `target`. Says in the first line when the file could not be opened. `program` is borrowed for good.
 */
void log_open(const char *program, enum log_target target, const char *file);
/*
 * The same, but file and syslog are opened with the first line, or by log_ready(): for a process that most often has
 * nothing to say. `file` is borrowed until then.
 */
void log_open_late(const char *program, enum log_target target, const char *file);
/* Opens what is not yet open, as it may not be possible any more when there is something to say: in a sandbox. */
void log_ready(void);

/*
 * Whose a log file is that root opens: it is opened with that user's rights, and where only root can make it, made
 * and given to user and group. So a process that gives up root can open it again after a log rotation.
 */
void log_owner(uid_t uid, gid_t gid);

/*
 * Turns to `file` anew (NULL: to the target), as its old self may have been put aside by a log rotation. One that
 * can't be opened is named in the log that there is, which is kept.
 */
void log_reopen(const char *file);

/* From now on every finished line goes to `sink` instead; for a process that must not open or write anything else. */
typedef void log_sink(void *context, int level, struct span text);
void log_redirect(log_sink *sink, void *context);

void log_start(struct log_line *line, int level, const char *what);
void log_text(struct log_line *line, const char *key, struct span value);
void log_number(struct log_line *line, const char *key, int64_t value);
void log_end(struct log_line *line); /* a line too long for its storage ends in "..." */

/* A line of words alone, with the same cleaning. */
void log_say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Passes on a line that a sandboxed process wrote: cleaned again, as its word is not trusted. */
void log_relay(int level, struct span text);

#endif
