#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Landlock. Its numbers are the kernel's for good; headers of an older system lack the later ones. ---- */

enum {
    FS_TRUNCATE_SINCE = 3,
    NET_SINCE = 4,
    FS_IOCTL_SINCE = 5,
    SCOPE_SINCE = 6,
};

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_FIRST_VERSION ((UINT64_C(1) << 13) - 1)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_BIND_AND_CONNECT UINT64_C(3)
#define SCOPE_SOCKETS_AND_SIGNALS UINT64_C(3)

/* struct landlock_ruleset_attr of a recent kernel; an older one takes as much of it as it knows. */
struct ruleset_attributes {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

static const uint64_t rights_of[] = {
    [SANDBOX_CREATE_AND_REMOVE] = FS_MAKE_REG | FS_WRITE_FILE | FS_REMOVE_FILE | FS_REFER,
    [SANDBOX_RENAME_INTO] = FS_MAKE_REG | FS_REFER,
    [SANDBOX_READ_AND_WRITE] =
        FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_MAKE_REG | FS_REMOVE_FILE | FS_TRUNCATE,
};

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version < 0 ? 0 : (int)version;
}

static uint64_t handled_fs(int version)
{
    uint64_t handled = FS_FIRST_VERSION;

    if (version >= 2)
        handled |= FS_REFER;
    if (version >= FS_TRUNCATE_SINCE)
        handled |= FS_TRUNCATE;
    if (version >= FS_IOCTL_SINCE)
        handled |= FS_IOCTL_DEV;
    return handled;
}

static int create_ruleset(int version, uint64_t fs)
{
    struct ruleset_attributes attributes = {.fs = fs};
    size_t size = sizeof attributes.fs;

    if (version >= NET_SINCE) {
        attributes.net = NET_BIND_AND_CONNECT;
        size += sizeof attributes.net;
    }
    if (version >= SCOPE_SINCE) {
        attributes.scoped = SCOPE_SOCKETS_AND_SIGNALS;
        size += sizeof attributes.scoped;
    }
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}

static int add_folder(int ruleset, uint64_t handled, const struct sandbox_folder *folder, struct err *err)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights_of[folder->rights] & handled};
    long status;

    rule.parent_fd = open(folder->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return err_system(err, "opening %s", folder->path);
    status = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (status != 0)
        err_system(err, "Landlock rule for %s", folder->path);
    (void)close(rule.parent_fd);
    return status == 0 ? 0 : -1;
}

static int prepare_landlock(struct sandbox *sandbox, const struct sandbox_folder *folders, size_t count,
                            struct err *err)
{
    int version = sandbox_landlock_version();
    uint64_t handled = handled_fs(version);

    /* The first version forbids every rename between folders, which a spool lives by. */
    if (version == 0 || (version == 1 && count > 0))
        return 0;
    sandbox->ruleset = create_ruleset(version, handled);
    if (sandbox->ruleset < 0)
        return err_system(err, "Landlock ruleset");
    for (size_t i = 0; i < count; i++)
        if (folders[i].path != NULL && add_folder(sandbox->ruleset, handled, &folders[i], err) != 0)
            return -1;
    return 0;
}

/* ---- seccomp ---- */

/* AddressSanitizer reserves terabytes. */
#ifdef __SANITIZE_ADDRESS__ /* gcc's way to say so, and clang's */
#define ADDRESS_SANITIZER
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

#ifdef ADDRESS_SANITIZER
#include <sanitizer/lsan_interface.h>

enum { HAS_SANITIZER = 1 };

/* At a process's end it looks for leaks, by tracing the process from another one: that cannot be in a sandbox. */
static bool leaks_cannot_be_found;

int __lsan_is_turned_off(void)
{
    return leaks_cannot_be_found;
}

static void turn_off_leak_check(void)
{
    leaks_cannot_be_found = true;
}
#else
enum { HAS_SANITIZER = 0 };

static void turn_off_leak_check(void)
{
}
#endif

bool sandbox_has_seccomp(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* As the profile has it, made when the program was built. */
static int take_program(struct sandbox *sandbox, struct err *err)
{
    const struct sandbox_profile *profile = sandbox->profile;

    sandbox->filter = malloc(profile->program_size);
    if (sandbox->filter == NULL)
        return err_system(err, "memory for a seccomp filter");
    memcpy(sandbox->filter, profile->program, profile->program_size);
    sandbox->filter_size = profile->program_size;
    return 0;
}

int sandbox_prepare_ready(struct sandbox *sandbox, const struct sandbox_profile *profile,
                          const struct sandbox_folder *folders, size_t folder_count, struct err *err)
{
    *sandbox = (struct sandbox){.profile = profile, .ruleset = -1};
    err->kind = ERR_NONE;
    if (prepare_landlock(sandbox, folders, folder_count, err) != 0 ||
        (profile->calls != NULL && profile->program != NULL && take_program(sandbox, err) != 0)) {
        sandbox_free(sandbox);
        return err_prefix(err, "preparing the %s's sandbox", profile->name);
    }
    return 0;
}

static int limit(int resource, rlim_t value)
{
    struct rlimit limit = {value, value};

    return setrlimit((__rlimit_resource_t)resource, &limit);
}

static int apply_limits(const struct sandbox_profile *profile)
{
    if (limit(RLIMIT_CORE, 0) != 0)
        return -1;
    if (profile->file_size_max != UINT64_MAX && limit(RLIMIT_FSIZE, profile->file_size_max) != 0)
        return -1;
    if (profile->memory_max != 0 && !HAS_SANITIZER && limit(RLIMIT_AS, profile->memory_max) != 0)
        return -1;
    if (profile->no_processes && limit(RLIMIT_NPROC, 0) != 0)
        return -1;
    return profile->descriptors_max == 0 ? 0 : limit(RLIMIT_NOFILE, profile->descriptors_max);
}

int sandbox_apply(struct sandbox *sandbox, struct err *err)
{
    struct sock_fprog program = {.len = (unsigned short)(sandbox->filter_size / sizeof(struct sock_filter)),
                                 .filter = sandbox->filter};

    turn_off_leak_check();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_system(err, "no_new_privs");
    if (sandbox->ruleset >= 0 && syscall(SYS_landlock_restrict_self, sandbox->ruleset, 0) != 0)
        return err_system(err, "applying the %s's Landlock rules", sandbox->profile->name);
    /* In force, it needs no descriptor any more; and what is locked in had better hold none that it can do without.
     */
    if (sandbox->ruleset >= 0)
        (void)close(sandbox->ruleset);
    sandbox->ruleset = -1;
    if (apply_limits(sandbox->profile) != 0)
        return err_system(err, "limiting the %s's resources", sandbox->profile->name);
    /* Last, as the calls above are not on its list. */
    if (sandbox->filter != NULL && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return err_system(err, "applying the %s's seccomp filter", sandbox->profile->name);
    return 0;
}

void sandbox_free(struct sandbox *sandbox)
{
    free(sandbox->filter);
    if (sandbox->profile != NULL && sandbox->ruleset >= 0)
        (void)close(sandbox->ruleset);
    *sandbox = (struct sandbox){.ruleset = -1};
}
