#include "common/clock.h"

#include <string.h>
#include <time.h>

#include "common/buf.h"

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

/* Calendar time, counted as people do. */
struct calendar {
    int64_t year;
    unsigned month;   /* 1 to 12 */
    unsigned day;     /* 1 to 31 */
    unsigned weekday; /* 0: Sunday */
    unsigned hour, minute, second, millisecond;
};

enum {
    MS_A_DAY = 24 * 60 * 60 * 1000,
    DAYS_IN_400_YEARS = 400 * 365 + 97,
    MARCH_OF_0_TO_1970 = 719468, /* days from 0000-03-01 to 1970-01-01 */
    WEEKDAY_OF_1970 = 4,         /* a Thursday */
};

/* Quotient and remainder as for times before 1970: the remainder is never negative. */
static int64_t divide(int64_t number, int64_t by, unsigned *remainder)
{
    int64_t quotient = number / by - (number % by < 0);

    *remainder = (unsigned)(number - quotient * by);
    return quotient;
}

/*
 * In the Gregorian calendar. A year is taken to begin in March, so that the day that not every year has is its last
 * one; then the months begin after 0, 31, 61, 92 ... days: (153 m + 2) / 5.
 */
static void put_date(struct calendar *c, int64_t days)
{
    unsigned day_of_era, year, day_of_year, month;
    int64_t era = divide(days + MARCH_OF_0_TO_1970, DAYS_IN_400_YEARS, &day_of_era);

    /* Without the leap days so far: one in 4 years, none in 100, one in 400. */
    year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_IN_400_YEARS - 1)) / 365;
    day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    month = (5 * day_of_year + 2) / 153;
    c->day = day_of_year - (153 * month + 2) / 5 + 1;
    c->month = month < 10 ? month + 3 : month - 9;
    c->year = era * 400 + year + (c->month <= 2);
}

/*
 * By hand: the C library's gmtime_r() and strftime() look for the time zone first, which is a file to read, memory to
 * get and, in a sandbox, not to be had; and strftime() knows locales.
 */
static struct calendar calendar(int64_t time_ms)
{
    struct calendar c;
    unsigned left;
    int64_t days = divide(time_ms, MS_A_DAY, &left);

    put_date(&c, days);
    (void)divide(days + WEEKDAY_OF_1970, 7, &c.weekday);
    c.millisecond = left % 1000;
    c.second = left / 1000 % 60;
    c.minute = left / (60 * 1000) % 60;
    c.hour = left / (60 * 60 * 1000);
    return c;
}

/* ---- in writing ---- */

enum { WRITTEN_SIZE = 64 }; /* has room for any */

/* A time of a year that has more digits, or of one before the first, ends where its room does. */
static void cut(const struct buf *written, char *text, size_t size)
{
    struct span kept = span_slice(buf_span(written), 0, size - 1);

    memcpy(text, kept.data, kept.size);
    text[kept.size] = '\0';
}

static void put_year(struct buf *text, const struct calendar *c)
{
    if (c->year < 0)
        buf_put_byte(text, '-');
    buf_put_digits(text, (unsigned long long)(c->year < 0 ? -c->year : c->year), 4);
}

static void put_two(struct buf *text, const char *before, unsigned number)
{
    buf_put_text(text, before);
    buf_put_digits(text, number, 2);
}

static void put_time(struct buf *text, const char *before, const struct calendar *c)
{
    put_two(text, before, c->hour);
    put_two(text, ":", c->minute);
    put_two(text, ":", c->second);
}

void clock_iso8601(int64_t time_ms, char text[static CLOCK_ISO8601_SIZE])
{
    struct calendar c = calendar(time_ms);
    char storage[WRITTEN_SIZE];
    struct buf written = buf_over(storage, sizeof storage);

    put_year(&written, &c);
    put_two(&written, "-", c.month);
    put_two(&written, "-", c.day);
    put_time(&written, "T", &c);
    buf_put_text(&written, ".");
    buf_put_digits(&written, c.millisecond, 3);
    buf_put_text(&written, "Z");
    cut(&written, text, CLOCK_ISO8601_SIZE);
}

void clock_rfc5322(int64_t time_ms, char text[static CLOCK_RFC5322_SIZE])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct calendar c = calendar(time_ms);
    char storage[WRITTEN_SIZE];
    struct buf written = buf_over(storage, sizeof storage);

    buf_put_text(&written, days[c.weekday]);
    put_two(&written, ", ", c.day);
    buf_put_texts(&written, " ", months[c.month - 1], " ", NULL);
    put_year(&written, &c);
    put_time(&written, " ", &c);
    buf_put_text(&written, " +0000");
    cut(&written, text, CLOCK_RFC5322_SIZE);
}
