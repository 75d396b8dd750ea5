/*
 * Writing to a descriptor that blocks: all of it, in as many pieces as it takes, whatever signals come.
 *
 *     if (io_write_all(fd, bytes) != 0)
 *         return err_system(err, "writing the message");
 */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include "common/buf.h"

/* 0, or -1 with errno as write(2) sets it; how much was written by then is not known. */
__attribute__((warn_unused_result)) int io_write_all(int fd, struct span bytes);

#endif
