/*
 * The values of configuration keys: text to what is kept, each kind by its own rule.
 *
 *     struct err err = {0};
 *     if (config_value_store(key, texts, count, &config, &err) != 0)
 *         ... err.text says what is wrong with the value and what to write instead
 *
 * The field that key->offset names in `base` (a struct config, or a struct config_handler) is filled; what it held
 * before is freed. On failure it is as it was.
 */
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H

#include <stddef.h>

#include "common/config.h"
#include "common/err.h"

/* `texts` are the values as libconfuse gives them: one, or of a list any number. */
__attribute__((warn_unused_result)) int config_value_store(const struct config_key *key, const char *const *texts,
                                                           size_t count, void *base, struct err *err);
/* A NULL-terminated list of copies; NULL: no memory. */
char **config_list_copy(const char *const *texts, size_t count);
/* Frees a NULL-terminated list and its texts. */
void config_list_free(char **list);

#endif
