#include "common/index_busy.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { US = 1000 }; /* in a millisecond */

/* The last one again and again. Short at first, for another's transaction of a row or two. */
static const int pauses_us[] = {50, 100, 200, 400, 800, 1500, 3 * US, 5 * US, 10 * US, 20 * US, 50 * US};

enum { PAUSE_COUNT = sizeof pauses_us / sizeof pauses_us[0] };

int index_busy_pause_us(int count, int total_ms)
{
    int64_t left_us = (int64_t)total_ms * US;
    int last = PAUSE_COUNT - 1;

    for (int i = 0; i < count && i < last; i++)
        left_us -= pauses_us[i];
    if (count > last)
        left_us -= (int64_t)(count - last) * pauses_us[last];
    if (left_us <= 0)
        return 0;
    count = count < last ? count : last;
    return left_us < pauses_us[count] ? (int)left_us : pauses_us[count];
}

static int wait_a_little(void *context, int count)
{
    int pause_us = index_busy_pause_us(count, (int)(intptr_t)context);
    struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)pause_us * 1000};

    if (pause_us == 0)
        return 0;
    (void)nanosleep(&pause, NULL); /* a signal only makes it shorter */
    return 1;
}

int index_wait_at_most(sqlite3 *db, int total_ms)
{
    return sqlite3_busy_handler(db, wait_a_little, (void *)(intptr_t)total_ms);
}
