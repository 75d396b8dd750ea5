/*
 * Has a message taken apart in the sandbox, for the handlers that look at its parts.
 *
 *     take_apart(message, &parts, &err)
 *     while (parts_next(&parts, &record, &err) == 1)
 *         ...
 *     parts_close(&parts)
 */
#ifndef PROCESSOR_HANDLERS_TAKE_H
#define PROCESSOR_HANDLERS_TAKE_H

#include "common/err.h"
#include "processor/parts.h"

/* Of the message in the file `message`. Permanent: it is no message, or too much for the worker. */
__attribute__((warn_unused_result)) int take_apart(int message, struct parts *parts, struct err *err);

#endif
