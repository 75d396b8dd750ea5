/*
 * What handlers are called by people: the one that was typed, and words for what the configuration says of it.
 */
#ifndef PROCESSOR_COMMAND_NAMING_H
#define PROCESSOR_COMMAND_NAMING_H

#include <stdio.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"

/*
 * The one handler that is meant by "answer", or by "ask@example.com/answer"; a local part may have a slash of its
 * own. NULL, a permanent error: there is none, or there are several, which the text names.
 */
const struct config_handler *naming_find(const struct config *config, const char *typed, struct err *err);

/* The name of its route, as in the file. */
const char *naming_route(const struct config *config, const struct config_handler *handler);
/* "run", "filter" or "reply". */
const char *naming_kind(const struct config_handler *handler);
/* The account that it runs as. */
const char *naming_user(const struct config *config, const struct config_handler *handler);
/* Writes the program's path and, of a list that begins with it, the arguments, clean, those in quotes that a shell
 * would not take as they stand. */
void naming_arguments(FILE *out, const char *program, char *const *arguments);

/* The address in what was typed, with or without the brackets of SMTP around it. */
struct span naming_address(const char *typed);

#endif
