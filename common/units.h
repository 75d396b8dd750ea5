/*
 * Numbers with a unit behind them, as people write sizes and durations: "25M", "5m". Pure.
 *
 *     uint64_t bytes;
 *     if (units_parse_size("25M", &bytes) != 0)
 *         ... it is not such text
 */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

struct units_row {
    const char *name; /* "": a bare number */
    uint64_t factor;
};

/* Digits and the name of one row, as a multiple of its factor. -1: not such text, or beyond INT64_MAX. */
__attribute__((warn_unused_result)) int units_parse(const char *text, const struct units_row *rows, size_t count,
                                                    uint64_t *value);

/* In bytes; K, M and G are powers of 1024, and capital. -1: not such text. */
__attribute__((warn_unused_result)) int units_parse_size(const char *text, uint64_t *bytes);

#endif
