/*
 * A message's ID: 16 characters of Crockford's base32, time-ordered. Nine characters are the 45 low bits of the
 * milliseconds since 1970 (enough until the year 3084), seven are random.
 */
#ifndef COMMON_ID_H
#define COMMON_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum { ID_LENGTH = 16, ID_SIZE = ID_LENGTH + 1 };

/* `random` is 35 bits of randomness; more are ignored. */
void id_make(int64_t time_ms, uint64_t random, char id[static ID_SIZE]);
/* 16 characters of the alphabet, upper case. */
bool id_is_valid(struct span text);
/* The time in a valid ID. */
int64_t id_time_ms(const char id[static ID_SIZE]);
/*
 * Brings what a person typed (1 to 16 characters, any case, I and L for 1, O for 0) to the alphabet's own form.
 * Gives false when it can't be the beginning of an ID.
 */
bool id_prefix(struct span typed, char prefix[static ID_SIZE]);

#endif
