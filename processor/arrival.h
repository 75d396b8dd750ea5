/*
 * Arrivals: a message that finds nothing waiting, and a place free, is started in the step that queues it. That is
 * what the schedule would do with it, without having to find it again.
 *
 *     arrival.is_open = may anything be started;
 *     started = arrival_start(&arrival, &envelope, size, &headers, now, &err);
 *     if (started == 0) ledger_queue(...)
 *
 * Only for what is most common: one recipient, by a route that looks for no copies, and a first handler that is run,
 * by itself and in whatever order.
 */
#ifndef PROCESSOR_ARRIVAL_H
#define PROCESSOR_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/envelope.h"
#include "processor/message.h"
#include "processor/runner.h"
#include "processor/schedule.h"

struct arrival {
    struct schedule *schedule;
    struct runner *runner;
    bool is_open;
};

/* 1: its attempt is the runner's, and starts when the turn is committed; 0: it is to be queued; -1: trouble, and
 * nothing was changed. */
__attribute__((warn_unused_result)) int arrival_start(const struct arrival *arrival, const struct envelope *envelope,
                                                      uint64_t size_bytes, const struct message_headers *headers,
                                                      int64_t now_ms, struct err *err);

#endif
