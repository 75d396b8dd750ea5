/*
 * Telling a service manager how we are: the datagram of sd_notify(3), written by hand, as it is one datagram.
 */
#ifndef PROCESSOR_NOTIFY_H
#define PROCESSOR_NOTIFY_H

/* Sends "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=..." to $NOTIFY_SOCKET; without one, nothing. */
void notify_manager(const char *state);

/* RELOADING=1 with the time that Type=notify-reload wants beside it. */
void notify_reloading(void);

#endif
