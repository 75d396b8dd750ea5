/*
 * The table of configuration keys, for those who read a configuration. The rows themselves are described in
 * common/config.h, which also gives them to everybody else (config_keys).
 */
#ifndef COMMON_CONFIG_KEYS_H
#define COMMON_CONFIG_KEYS_H

#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"

/* The row of a key, or NULL. `section` is "", "route" or "handler". */
const struct config_key *config_key_find(const char *section, struct span name);
/* A row's place in the table, and in every `lines`. */
size_t config_key_index(const struct config_key *key);

/* The key of that section that was probably meant by a name that is none, or NULL. */
const struct config_key *config_key_suggest(const char *section, struct span name);
/* The key of that name in another section, the innermost first, or NULL. */
const struct config_key *config_key_elsewhere(const char *section, struct span name);

#endif
