#include "processor/mime/rights.h"

#include <errno.h>
#include <sys/mman.h>

/* Memory, the descriptors that are open already, and the end. */
static const struct sandbox_call calls[] = {
    {.name = "recvmsg"},
    {.name = "pread64"},
    {.name = "read"},
    {.name = "write"},
    {.name = "lseek"},
    {.name = "sendmsg"},
    {.name = "brk"},
#ifdef __SANITIZE_ADDRESS__
    {.name = "mmap"}, /* the sanitizer's own memory is mapped in other ways too */
    {.name = "close"},
    {.name = "gettid"},
    {.name = "getpid"},
    {.name = "sigaltstack"},
    {.name = "rt_sigprocmask"},
    {.name = "sched_yield"},
#else
    {.name = "mmap", .compare = true, .argument = 2, .value = PROT_READ | PROT_WRITE},
#endif
    {.name = "munmap"},
    {.name = "mremap"},
    {.name = "madvise"},
    {.name = "futex"},
    {.name = "exit"},
    {.name = "exit_group"},
    /* A name of a charset in a parameter (RFC 2231) makes the C library look for a table: there is none. */
    {.name = "openat", .refused = ENOENT},
    {.name = "newfstatat", .refused = ENOENT},
    {.name = NULL},
};

const struct sandbox_profile mime_rights = {
    .name = "message parser",
    .calls = calls,
    .file_size_max = 512 * 1024 * 1024, /* the largest body, nine bytes for each, and line ends */
#ifndef __SANITIZE_ADDRESS__
    .memory_max = 256 * 1024 * 1024,
#endif
    .no_processes = true,
};
