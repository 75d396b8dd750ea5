/*
 * What a session tells its writer of mail that does not arrive: for the log, and some of it for the history.
 *
 *     session_report_rejection(writer, &smtp)      at SMTP_REJECTED and SMTP_ABORT
 *     session_report_sent_away(writer, &smtp)      at the end, whatever the end is
 *
 * Both give -1 when the writer is gone.
 */
#ifndef RECEIVER_SESSION_REPORT_H
#define RECEIVER_SESSION_REPORT_H

#include "receiver/smtp.h"

/* The last refusal, smtp->rejection. */
__attribute__((warn_unused_result)) int session_report_rejection(int writer, const struct smtp *smtp);

/* The 421, if there was one, to a client that had mail to bring. Nothing of others, as scanners come in numbers. */
__attribute__((warn_unused_result)) int session_report_sent_away(int writer, const struct smtp *smtp);

#endif
