/*
 * Rejections that the processor has not brought into the index yet (common/rejection.h): without one that runs, all
 * of them since it last did. They are looked at and left where they are.
 *
 *     refused_open(&refused, config->index, &err);       before the index, whose snapshot is the later one
 *     refused_start(&refused, last_id);                  the highest ID in the index's table
 *     while (refused_next(&refused, &rejection))
 *         ...
 *     refused_close(&refused);
 *
 * Each rejection is given once, here or by the table, whatever the processor does meanwhile: what it has in hand says
 * at its end from which ID its lines are counted (processor/rejections.h), and those up to `last_id` are in the
 * table.
 */
#ifndef PROCESSOR_COMMAND_REFUSED_H
#define PROCESSOR_COMMAND_REFUSED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/rejection.h"

struct refused_file {
    char *text; /* all of it */
    size_t size;
};

struct refused {
    struct refused_file files[2]; /* older one first */
    int64_t last_id;
    size_t file; /* where refused_next() is */
    size_t at;
    int64_t id; /* of its next line; 0: they have none yet */
};

/* Reads what there is. Nothing there is fine. */
__attribute__((warn_unused_result)) int refused_open(struct refused *refused, const char *index, struct err *err);
void refused_close(struct refused *refused);

/* Begins, also anew, with the oldest. */
void refused_start(struct refused *refused, int64_t last_id);
/* The next one, its texts borrowed until refused_close. False: there are no more. */
bool refused_next(struct refused *refused, struct rejection *rejection);

#endif
