/*
 * What reading a configuration can't see: whether the programs, folders and users that it names are there, and
 * whether each user may do what it is named for. Asked by `mailmill check` and by the processor at start.
 *
 *     struct config_errors errors = {0};
 *     struct config_errors warnings = {0};
 *     if (check_config(&config, &errors, &warnings) != 0)
 *         print errors.list[0 .. errors.count - 1]
 *     print warnings.list[0 .. warnings.count - 1]
 *     config_errors_free(&errors);
 *     config_errors_free(&warnings);
 *
 * Rights are worked out from owner, group and mode for the user that will need them, along every folder on the way
 * and through symbolic links: access(2) would answer for the caller, which is root. What access control lists and
 * security modules add or take away is not seen.
 */
#ifndef PROCESSOR_CHECK_H
#define PROCESSOR_CHECK_H

#include "common/config.h"

/*
 * Adds a line to `errors` for all that will not work, to `warnings` for what can be lived with. -1: there are errors.
 */
__attribute__((warn_unused_result)) int check_config(const struct config *config, struct config_errors *errors,
                                                     struct config_errors *warnings);

/*
 * The same for the processor at its start, where a program that can't be run is a warning: its messages wait for it
 * and are tried again, and those of the other handlers need not wait with them.
 */
__attribute__((warn_unused_result)) int check_start(const struct config *config, struct config_errors *errors,
                                                    struct config_errors *warnings);

#endif
