/*
 * Named points at which a test build can be made to die or to fail, as a power cut or a full disk would. In every
 * other build they are nothing at all.
 *
 *     FAULT_POINT("spool-after-rename");                       kill -9 here
 *     if (FAULT_ERRNO("spool-fsync") || fsync(fd) != 0)        fail here, with errno set
 *
 * A test build (-DMAILMILL_FAULTS) reads the environment's MAILMILL_FAULT, "name" (die at the point's first passing),
 * "name:3" (its third), or "name=ENOSPC" (fail with that error, each time).
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

#include <stdbool.h>

#ifdef MAILMILL_FAULTS
void fault_point(const char *name);
bool fault_errno(const char *name);
#define FAULT_POINT(name) fault_point(name)
#define FAULT_ERRNO(name) fault_errno(name)
#else
#define FAULT_POINT(name) ((void)0)
#define FAULT_ERRNO(name) false
#endif

#endif
