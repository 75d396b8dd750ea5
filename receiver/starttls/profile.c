#include "receiver/starttls/profile.h"

#include <sys/mman.h>

enum {
    MEMORY_MAX = 256 << 20, /* bytes of address space, most of which are libraries */
    DESCRIPTORS_MAX = 16,
};

static const struct sandbox_call calls[] = {
    {.name = "read"},
    {.name = "write"},
    {.name = "poll"},
    {.name = "ppoll"},
    {.name = "sendmsg"},
    {.name = "shutdown"},
    {.name = "close"},
    {.name = "getrandom"},
    {.name = "getpid"}, /* the random generator looks whether it has been forked */
    {.name = "futex"},
    /* Memory, but none that can be run. */
    {.name = "brk"},
    {.name = "mmap", .compare = true, .argument = 2, .value = PROT_READ | PROT_WRITE},
    {.name = "munmap"},
    {.name = "mremap"},
    {.name = "madvise"},
    /* Where the kernel's page of time is not mapped. */
    {.name = "clock_gettime"},
    {.name = "gettimeofday"},
    {.name = "time"},
    {.name = "restart_syscall"},
    {.name = "rt_sigreturn"},
    {.name = "exit_group"},
    {0},
};

const struct sandbox_profile profile_sandbox = {
    .name = "TLS process",
    .calls = calls,
    .file_size_max = 0,
    .descriptors_max = DESCRIPTORS_MAX,
    .memory_max = MEMORY_MAX,
    .no_processes = true,
};
