/*
 * The sessions that a listener has running: a fixed number of slots, each with a process and the client it serves.
 *
 *     slots_open(&slots, max, &err);
 *     if (slots_are_full(&slots) || slots_count(&slots, &client) >= max_per_client) turn it away
 *     slots_add(&slots, process, number, &client);
 *     slots_remove(&slots, process, &client);          when it has ended
 *     slots_free(&slots);
 *
 * A process forked from the listener does not have the list.
 */
#ifndef RECEIVER_SLOTS_H
#define RECEIVER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "receiver/client.h"

struct slot {
    pid_t process; /* 0: free */
    uint64_t number;
    struct client client;
};

struct slots {
    struct slot *list;
    size_t size;  /* of the list */
    size_t reach; /* all behind are free, and have never been taken */
    size_t taken; /* of them */
};

__attribute__((warn_unused_result)) int slots_open(struct slots *slots, size_t size, struct err *err);
void slots_free(struct slots *slots);

bool slots_are_full(const struct slots *slots);
/* Nine of ten are taken. */
bool slots_are_nearly_full(const struct slots *slots);
/* How many serve this client; what a proxy passes on is not the proxy's. */
size_t slots_count(const struct slots *slots, const struct client *client);

/* Takes a slot; there must be a free one. */
void slots_add(struct slots *slots, pid_t process, uint64_t number, const struct client *client);
/* Frees the slot of a process, and says whom it served. False: it has none. */
bool slots_remove(struct slots *slots, pid_t process, struct client *client);

/* The process of the session with this number, or 0. */
pid_t slots_find(const struct slots *slots, uint64_t number);
/* Sends all of them a signal. */
void slots_signal(const struct slots *slots, int number);

#endif
