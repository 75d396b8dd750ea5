#include "receiver/starttls_verdict.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

void starttls_pair_name(const struct config *config, char pair[static STARTTLS_PAIR_SIZE])
{
    const char *const files[] = {config->certificate, config->key};
    struct buf name = buf_over(pair, STARTTLS_PAIR_SIZE);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct stat s;

        if (stat(files[i], &s) != 0) {
            buf_clear(&name);
            return;
        }
        buf_printf(&name, "%s%llx:%llx:%llx:%llx.%lx:%llx.%lx", i == 0 ? "" : ":", (unsigned long long)s.st_dev,
                   (unsigned long long)s.st_ino, (unsigned long long)s.st_size, (unsigned long long)s.st_mtim.tv_sec,
                   (unsigned long)s.st_mtim.tv_nsec, (unsigned long long)s.st_ctim.tv_sec,
                   (unsigned long)s.st_ctim.tv_nsec);
    }
    if (name.overflowed)
        buf_clear(&name);
}

int starttls_verdict_judge(const struct starttls_verdict *verdict, const char *certificate, int64_t now_s,
                           struct err *err)
{
    if (verdict->reason[0] != '\0')
        return err_set(err, ERR_PERMANENT, "%s", verdict->reason);
    if (now_s >= verdict->until_s)
        return err_set(err, ERR_PERMANENT, "the certificate %.160s has expired; renew it", certificate);
    if (now_s < verdict->from_s)
        return err_set(err, ERR_PERMANENT, "the certificate %.160s is not valid yet; is the clock right?",
                       certificate);
    return 0;
}

/* ---- the file: one line, "PAIR FROM UNTIL REASON" ---- */

static void write_text(struct buf *text, const char *pair, const struct starttls_verdict *verdict)
{
    buf_printf(text, "%s %lld %lld ", pair, (long long)verdict->from_s, (long long)verdict->until_s);
    for (const char *byte = verdict->reason; *byte != '\0'; byte++)
        buf_put_byte(text, *byte == '\n' ? '?' : *byte);
    buf_put_byte(text, '\n');
}

/* Cuts a number and the space behind it off. */
static bool read_time(struct span *text, int64_t *time_s)
{
    size_t size = span_find(*text, ' ');
    unsigned long long number;

    if (size == text->size || span_number(span_slice(*text, 0, size), INT64_MAX, &number) != 0)
        return false;
    *time_s = (int64_t)number;
    *text = span_slice(*text, size + 1, text->size);
    return true;
}

bool starttls_verdict_read(struct span text, const char *pair, struct starttls_verdict *verdict)
{
    struct span name = span_text(pair);
    struct buf reason = buf_over(verdict->reason, sizeof verdict->reason);

    if (name.size == 0 || text.size <= name.size || !span_equal(span_slice(text, 0, name.size), name) ||
        text.data[name.size] != ' ' || span_find(text, '\n') != text.size - 1 || span_find(text, '\0') < text.size)
        return false;
    text = span_slice(text, name.size + 1, text.size - 1);
    if (!read_time(&text, &verdict->from_s) || !read_time(&text, &verdict->until_s))
        return false;
    buf_put(&reason, text);
    return !reason.overflowed;
}

static int file_path(const struct config *config, char path[static PATH_SIZE], struct err *err)
{
    struct buf buf = buf_over(path, PATH_SIZE);

    buf_printf(&buf, "%s-starttls", config->index);
    return buf.overflowed ? err_set(err, ERR_PERMANENT, "the path %s is too long", config->index) : 0;
}

bool starttls_verdict_find(const struct config *config, const char *pair, struct starttls_verdict *verdict)
{
    char path[PATH_SIZE];
    char text[STARTTLS_VERDICT_MAX];
    struct err err;
    ssize_t size = -1;
    int fd;

    if (file_path(config, path, &err) != 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) {
        size = read(fd, text, sizeof text);
        (void)close(fd);
    }
    return size > 0 && starttls_verdict_read((struct span){text, (size_t)size}, pair, verdict);
}

/* In one go over what is there. Two that write at the same time may leave what is no verdict; the next one is. */
static int write_file(const char *path, struct span text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0660);
    ssize_t written;

    if (fd < 0)
        return err_system(err, "%s", path);
    written = write(fd, text.data, text.size);
    if (written < 0)
        err_system(err, "%s", path);
    else if ((size_t)written < text.size)
        err_set(err, ERR_TEMPORARY, "%s: no room for it", path);
    (void)close(fd);
    return written == (ssize_t)text.size ? 0 : -1;
}

int starttls_verdict_keep(const struct config *config, const char *pair, const struct starttls_verdict *verdict,
                          struct err *err)
{
    char path[PATH_SIZE];
    char storage[STARTTLS_VERDICT_MAX];
    struct buf text = buf_over(storage, sizeof storage);
    struct starttls_verdict kept;

    if (pair[0] == '\0' || (starttls_verdict_find(config, pair, &kept) && kept.from_s == verdict->from_s &&
                            kept.until_s == verdict->until_s && strcmp(kept.reason, verdict->reason) == 0))
        return 0;
    write_text(&text, pair, verdict);
    return file_path(config, path, err) != 0 ? -1 : write_file(path, buf_span(&text), err);
}
