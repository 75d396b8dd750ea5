/*
 * From the scanned text, by libconfuse, to the structs of common/config.h.
 */
#ifndef COMMON_CONFIG_READ_H
#define COMMON_CONFIG_READ_H

#include "common/config.h"
#include "common/config_scan.h"

/* Fills `config` as far as it gets and reports each mistake; freeing it is the caller's, whatever happened. */
void config_read(struct config *config, const struct config_scan *scan, struct config_errors *errors);

#endif
