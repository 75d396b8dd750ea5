#include "common/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;

    /* These clocks always exist; there is no failure to report. */
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

/* Splits into calendar time and the milliseconds left (0 to 999), also before 1970. */
static struct tm calendar(int64_t time_ms, unsigned *milliseconds)
{
    int64_t remainder = time_ms % 1000;
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm = {0};

    if (remainder < 0) {
        remainder += 1000;
        seconds--;
    }
    *milliseconds = (unsigned)remainder % 1000;
    (void)gmtime_r(&seconds, &tm);
    return tm;
}

void clock_iso8601(int64_t time_ms, char text[static CLOCK_ISO8601_SIZE])
{
    unsigned milliseconds;
    struct tm tm = calendar(time_ms, &milliseconds);
    size_t used = strftime(text, CLOCK_ISO8601_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

    snprintf(text + used, CLOCK_ISO8601_SIZE - used, ".%03uZ", milliseconds);
}

void clock_rfc5322(int64_t time_ms, char text[static CLOCK_RFC5322_SIZE])
{
    /* strftime() would write the names in the locale's language; its digits are the same everywhere. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    unsigned milliseconds;
    struct tm tm = calendar(time_ms, &milliseconds);
    char rest[CLOCK_RFC5322_SIZE];

    (void)strftime(rest, sizeof rest, "%Y %H:%M:%S +0000", &tm);
    snprintf(text, CLOCK_RFC5322_SIZE, "%s, %02u %s %.20s", days[(unsigned)tm.tm_wday % 7],
             (unsigned)tm.tm_mday % 100, months[(unsigned)tm.tm_mon % 12], rest);
}
