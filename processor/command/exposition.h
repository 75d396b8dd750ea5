/*
 * Figures in the text format of Prometheus, version 0.0.4.
 *
 *     exposition_family(out, "mailmill_rejections_total", "counter", "Messages that were refused.");
 *     exposition_sample(out, "mailmill_rejections_total",
 *                       (const struct exposition_label[]){{"reason", reason}, {0}}, count);
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef PROCESSOR_COMMAND_EXPOSITION_H
#define PROCESSOR_COMMAND_EXPOSITION_H

#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

struct exposition_label {
    const char *name; /* NULL: behind the last one */
    struct span value;
};

/* The two lines that stand before a family's samples, all of which follow each other. */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);
/* `labels` NULL: none. A value's bytes that are no UTF-8 become U+FFFD. */
void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels, int64_t value);
/* The same for a time, in seconds. */
void exposition_seconds(FILE *out, const char *name, const struct exposition_label *labels, int64_t value_ms);

enum { EXPOSITION_SECONDS_SIZE = 32 };
/* Milliseconds as seconds: "0.01", "60", "-0.5". */
void exposition_put_seconds(struct buf *text, int64_t value_ms);

#endif
