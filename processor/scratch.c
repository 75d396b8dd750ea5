#include "processor/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

enum { CHUNK_SIZE = 64 * 1024 };

int scratch_open(int *fd, struct err *err)
{
    const char *folder = getenv("TMPDIR");

    *fd = open(folder != NULL && folder[0] != '\0' ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    /* Where there is no such folder, or its file system has no nameless files: memory. */
    if (*fd < 0)
        *fd = memfd_create("scratch", MFD_CLOEXEC);
    return *fd >= 0 ? 0 : err_system(err, "a scratch file");
}

int scratch_open_input(int *fd, struct err *err)
{
    char chunk[CHUNK_SIZE];
    struct stat status;
    ssize_t got;

    *fd = STDIN_FILENO;
    if (fstat(STDIN_FILENO, &status) != 0)
        return err_system(err, "standard input");
    if (S_ISREG(status.st_mode))
        return 0;
    if (scratch_open(fd, err) != 0)
        return -1;
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading standard input");
        if (io_write_all(*fd, (struct span){chunk, (size_t)got}) != 0)
            return err_system(err, "a scratch file");
    }
    return 0;
}
