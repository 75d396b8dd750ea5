/*
 * The filters of sandboxes, by libseccomp; in a file of its own, so that a program whose filters are ready does not
 * load it.
 */
#include <linux/filter.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sandbox.h"

/*
 * The runtime of AddressSanitizer lives in the same process and makes calls of its own. Builds for tests that have it
 * allow them to every profile, and do not limit its address space, of which it reserves terabytes; none of the calls
 * opens, starts or reaches anything. Other builds allow what a profile lists, and nothing else.
 */
#ifdef __SANITIZE_ADDRESS__ /* gcc's way to say so, and clang's */
#define ADDRESS_SANITIZER
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

static const struct sandbox_call sanitizer_calls[] = {
#ifdef ADDRESS_SANITIZER
    {.name = "mmap"},
    {.name = "munmap"},
    {.name = "mremap"},
    {.name = "mprotect"},
    {.name = "madvise"},
    {.name = "futex"},
    {.name = "sched_yield"},
    {.name = "getpid"},
    {.name = "gettid"},
    {.name = "sigaltstack"},
    {.name = "rt_sigaction"},
    {.name = "rt_sigprocmask"},
    {.name = "clock_gettime"},
    {.name = "write"},                                                  /* what it found ... */
    {.name = "ioctl", .compare = true, .argument = 1, .value = TCGETS}, /* ... in colour on a terminal */
    {.name = "exit_group"},
#endif
    {0},
};
static int add_call(scmp_filter_ctx context, const struct sandbox_call *call, struct err *err)
{
    int number = seccomp_syscall_resolve_name(call->name);
    struct scmp_arg_cmp compare = {.arg = call->argument, .op = SCMP_CMP_EQ, .datum_a = call->value};
    uint32_t action;
    int status;

    if (number == __NR_SCMP_ERROR)
        return err_set(err, ERR_BUG, "unknown system call %s in a sandbox profile", call->name);
    action = call->refused == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint16_t)call->refused);
    status = seccomp_rule_add_array(context, action, number, call->compare ? 1 : 0, &compare);
    return status == 0 ? 0 : err_set(err, ERR_BUG, "seccomp rule for %s: error %d", call->name, -status);
}

/*
 * Stands first, and does nothing but load the accumulator with a constant. As a filter is loaded, the kernel works
 * out for each call that it knows whether the filter always allows it, and gives up where it meets what it can't
 * follow, such as this. For a process that lives for one message that takes far longer than its calls could save by
 * it.
 */
static const struct sock_filter not_to_be_followed = BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0);

/* Takes the finished program out of libseccomp, so that loading it needs no library and no memory. */
static int export_filter(scmp_filter_ctx context, struct sandbox *sandbox, struct err *err)
{
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    struct sock_filter *program;
    struct stat status;

    if (fd < 0)
        return err_system(err, "memfd_create");
    if (seccomp_export_bpf(context, fd) != 0 || fstat(fd, &status) != 0) {
        (void)close(fd);
        return err_set(err, ERR_TEMPORARY, "cannot export the seccomp filter");
    }
    sandbox->filter_size = sizeof *program + (size_t)status.st_size;
    sandbox->filter = program = malloc(sandbox->filter_size);
    if (program != NULL)
        program[0] = not_to_be_followed;
    if (program == NULL || pread(fd, program + 1, (size_t)status.st_size, 0) != status.st_size)
        err_system(err, "reading the seccomp filter");
    (void)close(fd);
    return err->kind == ERR_NONE ? 0 : -1;
}

static int add_calls(scmp_filter_ctx context, const struct sandbox_call *calls, struct err *err)
{
    for (; calls->name != NULL; calls++)
        if (add_call(context, calls, err) != 0)
            return -1;
    return 0;
}

static int prepare_seccomp(struct sandbox *sandbox, struct err *err)
{
    /* A call that is not on the list ends the process at once: nothing goes on after a surprise. */
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int status = -1;

    if (context == NULL)
        return err_set(err, ERR_TEMPORARY, "no memory for a seccomp filter");
    if (add_calls(context, sandbox->profile->calls, err) == 0 && add_calls(context, sanitizer_calls, err) == 0)
        status = export_filter(context, sandbox, err);
    seccomp_release(context);
    return status;
}

int sandbox_prepare(struct sandbox *sandbox, const struct sandbox_profile *profile,
                    const struct sandbox_folder *folders, size_t folder_count, struct err *err)
{
    if (sandbox_prepare_ready(sandbox, profile, folders, folder_count, err) != 0)
        return -1;
    if (profile->calls == NULL || profile->program != NULL || prepare_seccomp(sandbox, err) == 0)
        return 0;
    sandbox_free(sandbox);
    return err_prefix(err, "preparing the %s's sandbox", profile->name);
}
