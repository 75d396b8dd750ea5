/*
 * Telling a service manager how we are: the datagram of sd_notify(3), written by hand, as it is one datagram.
 */
#ifndef PROCESSOR_NOTIFY_H
#define PROCESSOR_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=..." to $NOTIFY_SOCKET; without one, nothing. */
void notify_manager(const char *state);

/* RELOADING=1 with the time that Type=notify-reload wants beside it. */
void notify_reloading(void);

/*
 * A manager's watchdog (WatchdogSec=, sd_watchdog_enabled(3)): it wants a word within a time, and starts anew who
 * gives none. It is told twice in that time.
 *
 *     struct watchdog watchdog;
 *     watchdog_open(&watchdog);
 *     for (;;)
 *         sleep no longer than watchdog_continue(&watchdog, now)
 */
struct watchdog {
    int64_t every_ms; /* 0: nobody wants to hear */
    int64_t due_ms;   /* monotonic */
};

/* As the environment says, if it says so of this process. */
void watchdog_open(struct watchdog *watchdog);
/* Sends "WATCHDOG=1" when it is time. Gives the milliseconds until the next one; INT64_MAX: none. */
int64_t watchdog_continue(struct watchdog *watchdog, int64_t now_ms);

#endif
