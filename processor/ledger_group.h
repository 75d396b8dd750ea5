/*
 * Deliveries of one handler that share a run. The newest is the run's own, the leader; the others, its group, have
 * their own rows, attempts and ends, which are written down together with the leader's.
 *
 *     ledger_newest(&index, route, handler, now, &id, &err)             the leader
 *     ledger_group_start(&index, &leader, now, &group, &err)            instead of ledger_start
 *     ledger_end(&index, &leader, &(struct ledger_end){.group = &group, ...}, now, &err)
 *     ledger_group_free(&group)
 */
#ifndef PROCESSOR_LEDGER_GROUP_H
#define PROCESSOR_LEDGER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/index.h"
#include "processor/ledger.h"

enum { LEDGER_GROUP_MAX = 1000 }; /* deliveries of one run, the leader included; what is beyond makes the next */

struct ledger_member {
    int64_t id;
    char message_id[ID_SIZE];
    int64_t recipient, position;
    int64_t attempts, attempts_before;
    int64_t first_ms, held_ms; /* as in struct delivery */
    bool gives_up;             /* with a leader that is to be tried again: this one is dead */
};

struct ledger_group {
    struct ledger_member *members; /* oldest first */
    size_t count;
};

/* The newest of those due that may share a run: 1 found, 0 none, -1 error. */
__attribute__((warn_unused_result)) int ledger_newest(struct index *index, const char *route, const char *handler,
                                                      int64_t now_ms, int64_t *id, struct err *err);

/*
 * Starts the leader as ledger_start does, and with it all due ones that are older, within one transaction; 1 as
 * there. `group` is empty before, and the caller's to free.
 */
__attribute__((warn_unused_result)) int ledger_group_start(struct index *index, struct delivery *leader,
                                                           int64_t now_ms, struct ledger_group *group,
                                                           struct err *err);
void ledger_group_free(struct ledger_group *group);

#endif
