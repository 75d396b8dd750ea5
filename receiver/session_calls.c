/* By itself: the program that makes the filter of it when mailmill is built needs it, and nothing else. */
#include "receiver/session.h"

const struct sandbox_call session_calls[] = {
    {.name = "read"},
    {.name = "write"},
    {.name = "poll"},
    {.name = "ppoll"},
    {.name = "recvmsg"},
    {.name = "sendmsg"},
    {.name = "close"},
    {.name = "clock_gettime"}, /* where the kernel's page of time is not mapped */
    {.name = "restart_syscall"},
    {.name = "rt_sigreturn"},
    {.name = "exit_group"},
    {0},
};
