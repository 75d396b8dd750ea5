/*
 * The options by which messages are chosen, alike for every command that takes them.
 *
 *     enum { LIST_LIMIT = FILTER_OPTIONS, LIST_OPTIONS };
 *     static const struct option_row rows[LIST_OPTIONS] = {FILTER_ROWS, [LIST_LIMIT] = {...}};
 *     ...
 *     if (option < FILTER_OPTIONS)
 *         status = filter_take(call, &filter, option, options.argument);
 */
#ifndef PROCESSOR_COMMAND_FILTER_H
#define PROCESSOR_COMMAND_FILTER_H

#include <stdbool.h>

#include "processor/command/command.h"
#include "processor/command/lookup.h"
#include "processor/command/options.h"

enum {
    FILTER_STATE,
    FILTER_ROUTE,
    FILTER_HANDLER,
    FILTER_SENDER,
    FILTER_SUBJECT,
    FILTER_SINCE,
    FILTER_UNTIL,
    FILTER_OPTIONS,
};

/* clang-format off */
#define FILTER_ROWS                                                                                                  \
    [FILTER_STATE] = {'s', "state", "STATE",                                                                         \
                      "those that have a delivery in this state: pending running retry done dead "                  \
                      "skipped cancelled; or that are themselves received or kept"},                                 \
    [FILTER_ROUTE] = {'r', "route", "ROUTE", "those that have a delivery by this route"},                            \
    [FILTER_HANDLER] = {'H', "handler", "NAME", "those that have a delivery to this handler"},                       \
    [FILTER_SENDER] = {0, "sender", "ADDRESS",                                                                       \
                       "those from this address, from \"@\" and a domain, or from \"<>\""},                          \
    [FILTER_SUBJECT] = {0, "subject", "TEXT", "those with this in their subject, in whatever case"},                 \
    [FILTER_SINCE] = {0, "since", "DURATION", "those received within this time, such as 2d or 90m"},                 \
    [FILTER_UNTIL] = {0, "until", "DURATION", "those received longer ago than this"}
/* clang-format on */

#define FILTER_SYNOPSIS                                                                                              \
    "[--state STATE] [--route ROUTE] [--handler NAME] [--sender ADDRESS] [--subject TEXT] "                          \
    "[--since DURATION] [--until DURATION]"

/* Takes one of these options into `filter`, which borrows the argument, and may change it. COMMAND_GO_ON, or the exit
 * code when the argument is refused. */
int filter_take(struct command_call *call, struct lookup_filter *filter, int option, char *argument);

#endif
