#include "processor/command/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int percent_of(const struct progress *progress, uint64_t done)
{
    if (done >= progress->total)
        return 100;
    return (int)((double)done * 100 / (double)progress->total);
}

struct progress progress_start(const struct term *term, const char *what, uint64_t total)
{
    return (struct progress){.term = term, .what = what, .total = total, .shown = -1};
}

static void make_line(int percent, const char *words, char line[static PROGRESS_LINE_SIZE])
{
    char bar[PROGRESS_CELLS + 1];
    int full = percent * PROGRESS_CELLS / 100;

    memset(bar, ' ', PROGRESS_CELLS);
    memset(bar, '#', (size_t)full);
    bar[PROGRESS_CELLS] = '\0';
    snprintf(line, PROGRESS_LINE_SIZE, "[%s] %3d %%  %.100s", bar, percent, words);
}

static void make_words(const struct progress *progress, uint64_t done, char words[static PROGRESS_LINE_SIZE])
{
    snprintf(words, PROGRESS_LINE_SIZE, "%" PRIu64 " of %" PRIu64 " %.40s", done,
             done > progress->total ? done : progress->total, progress->what);
}

void progress_text(const struct progress *progress, uint64_t done, char line[static PROGRESS_LINE_SIZE])
{
    char words[PROGRESS_LINE_SIZE];

    make_words(progress, done, words);
    make_line(percent_of(progress, done), words, line);
}

void progress_tell(struct progress *progress, uint64_t done, const char *words)
{
    char line[PROGRESS_LINE_SIZE];
    int percent = percent_of(progress, done);

    if (progress->term->width == 0 || percent == progress->shown)
        return;
    progress->shown = percent;
    make_line(percent, words, line);
    (void)fprintf(progress->term->out, "\r%.*s", (int)progress->term->width - 1, line);
    (void)fflush(progress->term->out);
}

void progress_show(struct progress *progress, uint64_t done)
{
    char words[PROGRESS_LINE_SIZE];

    make_words(progress, done, words);
    progress_tell(progress, done, words);
}

void progress_end(const struct progress *progress)
{
    if (progress->shown < 0)
        return;
    (void)fprintf(progress->term->out, "\r%*s\r", (int)progress->term->width - 1, "");
    (void)fflush(progress->term->out);
}
