/* The help of `mailmill` as a whole, printed from the tables of commands, options and exit codes. */
#ifndef PROCESSOR_COMMAND_HELP_H
#define PROCESSOR_COMMAND_HELP_H

#include <stdio.h>

void help_print(FILE *out);

#endif
