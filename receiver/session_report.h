/*
 * What a session tells its writer of mail that does not arrive: for the log, and some of it for the history.
 *
 *     session_report_rejection(writer, &smtp)      at SMTP_REJECTED and SMTP_ABORT
 *     session_report_sent_away(writer, &smtp)      at the end, whatever the end is
 *     session_report_line(writer, level, text)     a line for the log
 *
 * These give -1 when the writer is gone. Lines that are made here, for log_redirect():
 *
 *     session_report_discarded(&smtp)              at SMTP_DISCARDED
 *     session_report_end("timed out", &smtp, "command")
 */
#ifndef RECEIVER_SESSION_REPORT_H
#define RECEIVER_SESSION_REPORT_H

#include "receiver/smtp.h"

/* The last refusal, smtp->rejection. */
__attribute__((warn_unused_result)) int session_report_rejection(int writer, const struct smtp *smtp);

/* The 421, if there was one, to a client that had mail to bring. Nothing of others, as scanners come in numbers. */
__attribute__((warn_unused_result)) int session_report_sent_away(int writer, const struct smtp *smtp);

/* Cut where it is longer than WIRE_LOG_MAX. */
__attribute__((warn_unused_result)) int session_report_line(int writer, int level, struct span text);

/* A message of which no recipient is kept. */
void session_report_discarded(const struct smtp *smtp);

/* An end that neither side has announced; `in`: what was being waited for. */
void session_report_end(const char *what, const struct smtp *smtp, const char *in);

#endif
