/* Where the programs lie that ours start: beside them in a build, in the folder for such programs when installed. */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include <stddef.h>

#include "common/err.h"

/*
 * Puts the path of the program `name` into `path`: in the folder of the running program if it is there, else in the
 * one where `make install` put it. Fails when there is none that may be executed.
 */
__attribute__((warn_unused_result)) int program_find(const char *name, char *path, size_t size, struct err *err);

#endif
