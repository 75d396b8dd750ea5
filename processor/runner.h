/*
 * The runner: attempts from start to end. An attempt is a handler's run and, for a `reply` handler, the letter made
 * of what it said and the run of the sendmail command that takes it; runs of on-dead programs go the same way. Each
 * stage waits for the turn's commit, or for an answer of the launcher or the helper; nothing here blocks.
 *
 *     starting --committed--> handler --ended--> recorded --committed--> (gone)
 *     starting --committed--> handler --ended--> compose --answered--> send --ended--> recorded --committed--> (gone)
 *     a reply that waited in the outbox:
 *     starting --committed--> send --ended--> recorded --committed--> (gone)
 *     a program that is told of what is dead:
 *     starting --committed--> on-dead --ended--> recorded --committed--> (gone)
 *     one that need not run, or never can:
 *     recorded --committed--> (gone)
 *
 * What can't be written down waits in the stage `record` until it can. What a filter made is in the outbox before its
 * end is recorded.
 *
 *     runner_start(&runner, handler, delivery, now, &err);
 *     runner_committed(&runner, now);                     what the turn wrote down is durable: programs are started,
 *                                                         and what follows from ends is done
 *     runner_lost(&runner, now);                          or nothing of it was written: starts never were, ends are
 *                                                         written down again
 *     runner_ended(&runner, &launcher_answer, now);
 *     runner_answered(&runner, &message_answer, now);
 *     runner_continue(&runner, now);                      in every turn of the loop
 */
#ifndef PROCESSOR_RUNNER_H
#define PROCESSOR_RUNNER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "processor/attempt.h"
#include "processor/launcher.h"
#include "processor/message.h"

enum { RUNNER_PAUSE_MS = 1000 }; /* before writing down again what could not be written */

struct runner {
    struct attempt_context context;

    struct attempt **attempts; /* `count` of them */
    size_t count, capacity;
    uint64_t last_number;
    bool changed; /* an attempt ended since this was last set to false: more may be due */
};

/*
 * Starts an attempt of the delivery. 0: it is written down as running, or it was found that it need not run and that
 * is. -1: nothing was changed, try again later.
 */
__attribute__((warn_unused_result)) int runner_start(struct runner *runner, const struct config_handler *handler,
                                                     int64_t delivery, int64_t now_ms, struct err *err);

/* Likewise, the handler's on-dead program for a delivery that died. */
__attribute__((warn_unused_result)) int runner_start_on_dead(struct runner *runner,
                                                             const struct config_handler *handler, int64_t delivery,
                                                             int64_t now_ms, struct err *err);

void runner_committed(struct runner *runner, int64_t now_ms);
void runner_lost(struct runner *runner, int64_t now_ms);
void runner_ended(struct runner *runner, const struct launcher_answer *answer, int64_t now_ms);
void runner_answered(struct runner *runner, const struct message_answer *answer, int64_t now_ms);
void runner_continue(struct runner *runner, int64_t now_ms);
/* The clock was set: what waits to be written down waits no longer. */
void runner_hurry(struct runner *runner);
/* The helper was started anew. */
void runner_forget(struct runner *runner);
/* Has everything that is under way stopped; it will be tried again. */
void runner_stop(struct runner *runner, int64_t now_ms);
void runner_free(struct runner *runner);

/*
 * Whether anything is under way that has an end of its own to come. What only waits to be written down, into an index
 * that can't be written, does not count: its deliveries are still `running` there, and so are tried again.
 */
bool runner_is_busy(const struct runner *runner);
/* Whether one more attempt may be started, of whatever handler. */
bool runner_has_place(const struct runner *runner);
/* How many attempts of a handler are under way. */
unsigned runner_count(const struct runner *runner, const char *route, const char *handler);
/* Whether its on-dead program runs: once at a time, and no attempt. */
bool runner_has_on_dead(const struct runner *runner, const char *route, const char *handler);
/* When runner_continue wants to be called by itself: INT64_MAX for never. */
int64_t runner_next_ms(const struct runner *runner);

/* Two for each attempt whose program runs; `fds` has room for 2 * count. Gives how many were filled in. */
size_t runner_poll(const struct runner *runner, struct pollfd *fds);
/* Reads what has come on a descriptor that poll(2) found ready. */
void runner_readable(struct runner *runner, int fd);

#endif
