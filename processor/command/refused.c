#include "processor/command/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = REJECTION_JOURNAL_MAX + 2 * REJECTION_LINE_MAX };

/* ---- reading the files ---- */

/* -1 with errno where it is there and can't be opened. */
static int open_file(const char *path, int *fd, struct err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 && errno != ENOENT ? err_system(err, "%s", path) : 0;
}

static int read_file(struct refused_file *file, int fd, const char *path, struct err *err)
{
    ssize_t size = 0;

    file->text = malloc(FILE_MAX);
    if (file->text == NULL)
        return err_system(err, "memory for %s", path);
    while (file->size < FILE_MAX && (size = read(fd, file->text + file->size, FILE_MAX - file->size)) > 0)
        file->size += (size_t)size;
    return size < 0 ? err_system(err, "%s", path) : 0;
}

static bool is_same(int one, int other)
{
    struct stat a, b;

    return one >= 0 && other >= 0 && fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

int refused_open(struct refused *refused, const char *index, struct err *err)
{
    struct rejection_paths paths;
    int journal = -1, taken = -1, status;

    *refused = (struct refused){0};
    if (rejection_paths(&paths, index, err) != 0)
        return -1;
    /* In this order: one that is taken in between is then seen under both names, and none is missed. */
    status = open_file(paths.journal, &journal, err);
    if (status == 0)
        status = open_file(paths.taken, &taken, err);
    if (status == 0 && taken >= 0)
        status = read_file(&refused->files[0], taken, paths.taken, err);
    if (status == 0 && journal >= 0 && !is_same(journal, taken))
        status = read_file(&refused->files[1], journal, paths.journal, err);
    if (journal >= 0)
        (void)close(journal);
    if (taken >= 0)
        (void)close(taken);
    if (status != 0)
        refused_close(refused);
    return status;
}

void refused_close(struct refused *refused)
{
    free(refused->files[0].text);
    free(refused->files[1].text);
    *refused = (struct refused){0};
}

/* ---- their lines ---- */

/* The ID of a file's first line, as the last one says it; 0 where it does not. */
static int64_t first_id(const struct refused_file *file)
{
    static const char mark[] = "\nN\t";
    unsigned long long id;
    const char *found = file->size == 0 ? NULL : memrchr(file->text, 'N', file->size);
    struct span text = {file->text, file->size};
    size_t at;

    if (found == NULL || found == file->text)
        return 0;
    at = (size_t)(found - file->text) - 1;
    if (!span_equal(span_slice(text, at, at + 3), span_text(mark)) || text.data[text.size - 1] != '\n' ||
        span_number(span_slice(text, at + 3, text.size - 1), INT64_MAX, &id) != 0)
        return 0;
    return (int64_t)id;
}

void refused_start(struct refused *refused, int64_t last_id)
{
    refused->last_id = last_id;
    refused->file = refused->at = 0;
    refused->id = first_id(&refused->files[0]);
}

static bool next_line(struct refused *refused, struct span *line)
{
    const struct refused_file *file = &refused->files[refused->file];
    struct span rest = span_slice((struct span){file->text, file->size}, refused->at, file->size);

    if (rest.size == 0)
        return false;
    *line = span_slice(rest, 0, span_find(rest, '\n'));
    refused->at += line->size + 1;
    return true;
}

bool refused_next(struct refused *refused, struct rejection *rejection)
{
    struct span line;

    while (refused->file < 2) {
        if (!next_line(refused, &line)) {
            refused->at = 0;
            if (++refused->file < 2)
                refused->id = first_id(&refused->files[refused->file]);
        } else if (rejection_read(line, rejection) == 0) {
            int64_t id = refused->id;

            refused->id += id > 0;
            if (id == 0 || id > refused->last_id)
                return true;
        }
    }
    return false;
}
