#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/index.h"
#include "common/sandbox.h"
#include "common/spool.h"
#include "tests/unit/support.h"

enum { OK = 0, NOT_APPLIED = 70 };

/* ---- in the child ---- */

/* What a child does in its sandbox; the deed's result is the child's exit code, OK or a number of its own. */
struct child {
    struct sandbox *sandbox;
    int (*deed)(void *context);
    void *context;
};

static int apply_and_do(void *context)
{
    struct child *child = context;
    struct err err = {0};

    if (sandbox_apply(child->sandbox, &err) != 0) {
        dprintf(STDERR_FILENO, "%s\n", err.text);
        return NOT_APPLIED;
    }
    return child->deed(child->context);
}

/* Does it in a sandbox of this profile; gives the wait status. */
static int do_within(const struct sandbox_profile *profile, const struct sandbox_folder *folders, size_t folder_count,
                     int (*deed)(void *context), void *context)
{
    struct sandbox sandbox;
    struct child child = {.sandbox = &sandbox, .deed = deed, .context = context};
    size_t open_before = support_open_descriptors();
    struct err err = {0};
    int status;

    if (sandbox_prepare(&sandbox, profile, folders, folder_count, &err) != 0)
        fail_msg("%s", err.text);
    status = support_run_child(apply_and_do, &child);
    sandbox_free(&sandbox);
    assert_int_equal(support_open_descriptors(), open_before);
    return status;
}

static void skip_without_seccomp(void)
{
    if (support_under_valgrind())
        skip();
    assert_true(sandbox_has_seccomp());
}

static void skip_without_landlock(void)
{
    if (sandbox_landlock_version() < 2)
        skip();
}

/* ---- the list of system calls ---- */

static const struct sandbox_call no_calls[] = {{0}};
static const struct sandbox_call few_calls[] = {{.name = "read"}, {.name = "write"}, {.name = "exit_group"}, {0}};
static const struct sandbox_profile empty_profile = {.name = "empty", .calls = no_calls, .file_size_max = UINT64_MAX};
static const struct sandbox_profile short_profile = {
    .name = "short", .calls = few_calls, .file_size_max = UINT64_MAX};

static int open_a_file(void *context)
{
    (void)context;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? 1 : OK;
}

static int open_the_old_way(void *context)
{
    (void)context;
    return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0) < 0 ? 1 : OK;
}

static int make_a_socket(void *context)
{
    (void)context;
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? 1 : OK;
}

static int make_a_socketpair(void *context)
{
    int ends[2];

    (void)context;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? 1 : OK;
}

static int execute_a_program(void *context)
{
    char *arguments[] = {NULL};

    (void)context;
    (void)execve("/bin/true", arguments, arguments);
    return 1;
}

static int fork_a_child(void *context)
{
    pid_t child = fork();

    (void)context;
    if (child == 0)
        _exit(OK);
    return child < 0 ? 1 : OK;
}

static int clone_a_child(void *context)
{
    (void)context;
    return syscall(SYS_clone3, NULL, 0) < 0 ? 1 : OK;
}

static int kill_the_parent(void *context)
{
    (void)context;
    return kill(getppid(), 0) == 0 ? OK : errno;
}

static int trace_the_parent(void *context)
{
    (void)context;
    return ptrace(PTRACE_SEIZE, 1, NULL, NULL) < 0 ? 1 : OK;
}

static int remove_a_file(void *context)
{
    (void)context;
    return unlink("/nonexistent/file") < 0 ? 1 : OK;
}

static int ask_for_another_sandbox(void *context)
{
    (void)context;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) < 0 ? 1 : OK;
}

static int become_another_user(void *context)
{
    (void)context;
    return setuid(65534) < 0 ? 1 : OK;
}

static int make_a_ring(void *context)
{
    (void)context;
    return syscall(SYS_io_uring_setup, 1, NULL) < 0 ? 1 : OK;
}

static void what_is_not_listed_kills(void **state)
{
    static int (*const deeds[])(void *context) = {
        open_a_file,  open_the_old_way, make_a_socket,      make_a_socketpair, execute_a_program,
        fork_a_child, clone_a_child,    trace_the_parent,   remove_a_file,     ask_for_another_sandbox,
        make_a_ring,  kill_the_parent,  become_another_user};

    (void)state;
    skip_without_seccomp();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        int empty = do_within(&empty_profile, NULL, 0, deeds[i], NULL);
        int few = do_within(&short_profile, NULL, 0, deeds[i], NULL);

        if (!support_died(empty, SIGSYS) || !support_died(few, SIGSYS))
            fail_msg("deed %zu: status %x in the empty profile, %x in the short one", i, (unsigned)empty,
                     (unsigned)few);
    }
}

static int do_nothing(void *context)
{
    (void)context;
    return OK;
}

/* Not even ending is allowed by an empty list. */
static void an_empty_list_allows_nothing(void **state)
{
    (void)state;
    skip_without_seccomp();
    if (support_under_asan())
        skip();
    assert_true(support_died(do_within(&empty_profile, NULL, 0, do_nothing, NULL), SIGSYS));
}

static int copy_bytes(void *context)
{
    const int *ends = context;
    char bytes[8];

    return write(ends[1], "hello", 5) == 5 && read(ends[0], bytes, sizeof bytes) == 5 ? 42 : 1;
}

static void what_is_listed_works(void **state)
{
    int ends[2];

    (void)state;
    skip_without_seccomp();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(support_exited(do_within(&short_profile, NULL, 0, copy_bytes, ends), 42));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static int ask_for_memory(void *context)
{
    unsigned seed = 1;

    (void)context;
    for (int i = 0; i < 200; i++) {
        size_t size = 1 + support_random(&seed, 1U << 20);
        char *memory = malloc(size);

        if (memory == NULL)
            return 1;
        memset(memory, 'x', size);
        free(memory);
    }
    return OK;
}

static void memory_can_be_allowed(void **state)
{
    static const struct sandbox_call calls[] = {
        {.name = "brk"},      {.name = "mmap"},    {.name = "munmap"},     {.name = "mremap"},
        {.name = "mprotect"}, {.name = "madvise"}, {.name = "exit_group"}, {0}};
    const struct sandbox_profile profile = {.name = "memory", .calls = calls, .file_size_max = UINT64_MAX};

    (void)state;
    skip_without_seccomp();
    assert_true(support_exited(do_within(&profile, NULL, 0, ask_for_memory, NULL), OK));
    assert_true(support_died(do_within(&profile, NULL, 0, open_a_file, NULL), SIGSYS));
}

static int get_flags(void *context)
{
    (void)context;
    return fcntl(STDERR_FILENO, F_GETFD) < 0 ? 1 : OK;
}

static int duplicate(void *context)
{
    (void)context;
    return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0) < 0 ? 1 : OK;
}

static void an_argument_is_held_to_its_value(void **state)
{
    static const struct sandbox_call calls[] = {
        {.name = "fcntl", .compare = true, .argument = 1, .value = F_GETFD}, {.name = "exit_group"}, {0}};
    const struct sandbox_profile profile = {.name = "flags", .calls = calls, .file_size_max = UINT64_MAX};

    (void)state;
    skip_without_seccomp();
    assert_true(support_exited(do_within(&profile, NULL, 0, get_flags, NULL), OK));
    assert_true(support_died(do_within(&profile, NULL, 0, duplicate, NULL), SIGSYS));
}

/* ---- preparing and applying ---- */

static void an_unknown_call_is_a_bug(void **state)
{
    static const struct sandbox_call calls[] = {{.name = "read"}, {.name = "no_such_call"}, {0}};
    const struct sandbox_profile profile = {.name = "wrong", .calls = calls};
    size_t open_before = support_open_descriptors();
    struct sandbox sandbox;
    struct err err = {0};

    (void)state;
    skip_without_seccomp();
    assert_int_equal(sandbox_prepare(&sandbox, &profile, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
    assert_non_null(strstr(err.text, "no_such_call"));
    assert_non_null(strstr(err.text, "wrong"));
    assert_int_equal(support_open_descriptors(), open_before);
    sandbox_free(&sandbox); /* fine after a failure too */
}

static void a_missing_folder_is_an_error(void **state)
{
    const struct sandbox_folder folders[] = {{NULL, SANDBOX_READ_AND_WRITE},
                                             {"/nonexistent/folder", SANDBOX_READ_AND_WRITE}};
    size_t open_before = support_open_descriptors();
    struct sandbox sandbox;
    struct err err = {0};

    (void)state;
    skip_without_landlock();
    assert_int_equal(sandbox_prepare(&sandbox, &short_profile, folders, 2, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.number, ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/folder"));
    assert_non_null(strstr(err.text, "short"));
    assert_int_equal(support_open_descriptors(), open_before);
    /* One without a path is passed over. */
    assert_int_equal(sandbox_prepare(&sandbox, &short_profile, folders, 1, &err), 0);
    sandbox_free(&sandbox);
    sandbox_free(&sandbox);
    assert_int_equal(support_open_descriptors(), open_before);
}

static void freeing_a_zeroed_sandbox_is_harmless(void **state)
{
    struct sandbox sandbox = {0};
    size_t open_before = support_open_descriptors();

    (void)state;
    sandbox_free(&sandbox);
    assert_int_equal(support_open_descriptors(), open_before);
}

static int look_after_freeing(void *context)
{
    struct sandbox *sandbox = context;
    int ends[2];

    /* These may get the numbers that the sandbox's own descriptors had. */
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 1;
    sandbox_free(sandbox);
    return fcntl(ends[0], F_GETFD) >= 0 && fcntl(ends[1], F_GETFD) >= 0 ? OK : 2;
}

static void freeing_after_applying_closes_nothing_foreign(void **state)
{
    static const struct sandbox_profile profile = {.name = "files", .file_size_max = UINT64_MAX};
    struct sandbox sandbox;
    struct child child = {.sandbox = &sandbox, .deed = look_after_freeing, .context = &sandbox};
    struct err err = {0};

    (void)state;
    assert_int_equal(sandbox_prepare(&sandbox, &profile, NULL, 0, &err), 0);
    assert_true(support_exited(support_run_child(apply_and_do, &child), OK));
    sandbox_free(&sandbox);
}

static int apply_nonsense(void *context)
{
    struct sandbox *sandbox = context;
    struct err err = {0};

    if (sandbox_apply(sandbox, &err) != -1 || err.number != EINVAL || strstr(err.text, "short") == NULL)
        return 1;
    return OK;
}

/* A filter that the kernel refuses must not be taken for one that is in force. */
static void a_filter_that_is_refused_is_an_error(void **state)
{
    struct sandbox sandbox = {.profile = &short_profile, .ruleset = -1, .filter_size = 8};

    (void)state;
    skip_without_seccomp();
    sandbox.filter = calloc(1, sandbox.filter_size);
    assert_non_null(sandbox.filter);
    assert_true(support_exited(support_run_child(apply_nonsense, &sandbox), OK));
    sandbox_free(&sandbox);
    assert_null(sandbox.filter);
}

/* ---- limits ---- */

static int look_at_privileges(void *context)
{
    struct rlimit core;

    (void)context;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 1;
    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? OK : 2;
}

static void no_privileges_and_no_core(void **state)
{
    static const struct sandbox_profile profile = {.name = "files", .file_size_max = UINT64_MAX};

    (void)state;
    assert_true(support_exited(do_within(&profile, NULL, 0, look_at_privileges, NULL), OK));
}

/* Fills the file to 100 bytes, and can not add one more. */
static int fill_to_the_limit(void *context)
{
    const int *fd = context;
    static const char bytes[100];

    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || write(*fd, bytes, sizeof bytes) != sizeof bytes)
        return 1;
    return write(*fd, bytes, 1) == -1 && errno == EFBIG ? OK : 2;
}

static int write_one_byte(void *context)
{
    const int *fd = context;

    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return 1;
    return write(*fd, "", 1) == -1 && errno == EFBIG ? OK : 2;
}

static void files_are_limited(void **state)
{
    const struct sandbox_profile hundred = {.name = "hundred", .file_size_max = 100};
    const struct sandbox_profile none = {.name = "none", .file_size_max = 0};
    int fd = open(*state, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_true(support_exited(do_within(&hundred, NULL, 0, fill_to_the_limit, &fd), OK));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_true(support_exited(do_within(&none, NULL, 0, write_one_byte, &fd), OK));
    assert_int_equal(close(fd), 0);
}

static int open_many(void *context)
{
    int opened = 0;

    (void)context;
    while (dup(STDERR_FILENO) >= 0)
        if (++opened > 20)
            return 1;
    return errno == EMFILE ? OK : 2;
}

static void descriptors_are_limited(void **state)
{
    const struct sandbox_profile profile = {.name = "few", .file_size_max = UINT64_MAX, .descriptors_max = 20};

    (void)state;
    if (support_under_valgrind()) /* which has limits of its own */
        skip();
    assert_true(support_exited(do_within(&profile, NULL, 0, open_many, NULL), OK));
}

static int map_much(void *context)
{
    (void)context;
    return mmap(NULL, (size_t)1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? OK : 1;
}

static void memory_is_limited(void **state)
{
    const struct sandbox_profile profile = {
        .name = "small", .file_size_max = UINT64_MAX, .memory_max = (uint64_t)512 << 20};

    (void)state;
    if (support_under_asan() || support_under_valgrind())
        skip();
    assert_true(support_exited(do_within(&profile, NULL, 0, map_much, NULL), OK));
}

static int fork_as_nobody(void *context)
{
    enum { NOBODY = 65534 };
    struct child *child = context;
    struct err err = {0};

    /* The limit does not hold for root, which no part of mailmill with such a profile is. */
    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return 1;
    if (sandbox_apply(child->sandbox, &err) != 0)
        return NOT_APPLIED;
    return fork_a_child(NULL) == 1 && errno == EAGAIN ? OK : 2;
}

static void processes_are_limited(void **state)
{
    const struct sandbox_profile profile = {.name = "alone", .file_size_max = UINT64_MAX, .no_processes = true};
    struct sandbox sandbox;
    struct child child = {.sandbox = &sandbox};
    struct err err = {0};

    (void)state;
    assert_int_equal(sandbox_prepare(&sandbox, &profile, NULL, 0, &err), 0);
    assert_true(support_exited(support_run_child(fork_as_nobody, &child), OK));
    sandbox_free(&sandbox);
}

/* ---- folders ---- */

/* A profile as the writer's: system calls are free, files are not. */
static const struct sandbox_profile folder_profile = {.name = "writer", .file_size_max = UINT64_MAX};
static const char id[] = "06DK3T9Q2B7XH0VA";
static const char other[] = "06DK3T9Q2B7XH0VB";

static bool refused(int result)
{
    return result == -1 && (errno == EACCES || errno == EXDEV || errno == EPERM);
}

static int reach_outside(void *context)
{
    const char *folder = context;
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(1)};

    if (!refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC)) || !refused(open("/", O_RDONLY | O_DIRECTORY)))
        return 1;
    if (!refused(open(support_path(folder, "x"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) ||
        !refused(mkdir(support_path(folder, "x"), 0700)))
        return 2;
    (void)execute_a_program(NULL);
    if (errno != EACCES)
        return 3;
    if (sandbox_landlock_version() >= 4 && !refused(connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                                            (struct sockaddr *)&nowhere, sizeof nowhere)))
        return 4;
    if (sandbox_landlock_version() >= 6 && kill_the_parent(NULL) != EPERM)
        return 5;
    return OK;
}

static void without_folders_no_file_is_reached(void **state)
{
    skip_without_landlock();
    assert_true(support_exited(do_within(&folder_profile, NULL, 0, reach_outside, *state), OK));
}

struct writer {
    const char *folder;
    struct spool spool;
    char index[256];
};

static int add_to_spool(struct writer *writer, const char *name)
{
    struct err err = {0};
    int fd = spool_create(&writer->spool, name, &err);

    if (fd < 0 || write(fd, "text", 4) != 4 || spool_commit(&writer->spool, name, fd, &err) != 0)
        return -1;
    return close(fd);
}

/* What is in new/ can be neither read, nor changed, nor taken away, by whatever way. */
static int touch_what_is_in_new(struct writer *writer)
{
    const struct spool *spool = &writer->spool;

    if (!refused(unlinkat(spool->new, id, 0)))
        return 10;
    if (!refused(openat(spool->new, id, O_RDONLY | O_CLOEXEC)))
        return 11;
    if (!refused(openat(spool->new, id, O_WRONLY | O_APPEND | O_CLOEXEC)))
        return 12;
    if (!refused(openat(spool->new, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
        return 13;
    if (!refused(renameat(spool->new, id, spool->tmp, id)) || !refused(renameat(spool->new, id, spool->new, other)))
        return 14;
    if (!refused(linkat(spool->new, id, spool->tmp, id, 0)))
        return 15;
    if (sandbox_landlock_version() >= 3 &&
        !refused(truncate(support_path(writer->folder, "new/06DK3T9Q2B7XH0VA"), 0)))
        return 16;
    return OK;
}

/* A new name over an old one would remove the old file. */
static int replace_what_is_in_new(struct writer *writer)
{
    const struct spool *spool = &writer->spool;
    struct err err = {0};
    int fd = spool_create(spool, other, &err);

    if (fd < 0 || close(fd) != 0)
        return 20;
    if (!refused(renameat(spool->tmp, other, spool->new, id)))
        return 21;
    if (!refused(openat(spool->tmp, other, O_RDONLY | O_CLOEXEC)))
        return 22;
    if (!refused(renameat(spool->tmp, other, spool->cur, other)) || !refused(unlinkat(spool->cur, "kept", 0)))
        return 23;
    if (!refused(mkdirat(spool->tmp, "x", 0700)) || !refused(symlinkat("/etc/passwd", spool->tmp, "x")) ||
        !refused(mkfifoat(spool->tmp, "x", 0600)))
        return 24;
    spool_discard(spool, other);
    return faccessat(spool->tmp, other, F_OK, 0) == -1 && errno == ENOENT ? OK : 25;
}

static int work_in_spool(void *context)
{
    struct writer *writer = context;
    int status;

    if (add_to_spool(writer, id) != 0)
        return 1;
    status = touch_what_is_in_new(writer);
    return status == OK ? replace_what_is_in_new(writer) : status;
}

/* Opens the index for the first time, so that its files are made in the sandbox. */
static int work_in_index(void *context)
{
    struct writer *writer = context;
    struct envelope envelope = {.id = "06DK3T9Q2B7XH0VA",
                                .client_address = "192.0.2.1",
                                .client_helo = "client.example.org",
                                .client_protocol = "ESMTP"};
    struct address recipient;
    struct index index;
    struct err err = {0};

    if (address_parse(&recipient, SPAN("a@example.com"), &err) != 0 ||
        envelope_add_recipient(&envelope, &recipient, &err) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        if (index_open(&index, writer->index, INDEX_RECEIVER, &err) != 0 ||
            index_add_message(&index, &envelope, 4, &err) != 0) {
            dprintf(STDERR_FILENO, "%s\n", err.text);
            return 2;
        }
        index_close(&index);
    }
    envelope_free(&envelope);
    return OK;
}

static int do_as_writer(const char *folder, int (*deed)(void *context))
{
    struct writer writer = {.folder = folder};
    const char *lib = support_path(folder, "lib");
    const struct sandbox_folder folders[] = {{support_path(folder, "tmp"), SANDBOX_CREATE_AND_REMOVE},
                                             {support_path(folder, "new"), SANDBOX_RENAME_INTO},
                                             {lib, SANDBOX_READ_AND_WRITE}};
    struct err err = {0};
    int status;
    int fd;

    snprintf(writer.index, sizeof writer.index, "%s/index.db", lib);
    assert_int_equal(mkdir(lib, 0700), 0);
    assert_int_equal(spool_open(&writer.spool, folder, SPOOL_PROCESSOR, &err), 0);
    fd = openat(writer.spool.cur, "kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    status = do_within(&folder_profile, folders, sizeof folders / sizeof folders[0], deed, &writer);
    spool_close(&writer.spool);
    return status;
}

static void the_writer_adds_mail_and_takes_none_away(void **state)
{
    skip_without_landlock();
    assert_true(support_exited(do_as_writer(*state, work_in_spool), OK));
    assert_int_equal(access(support_path(*state, "new/06DK3T9Q2B7XH0VA"), F_OK), 0);
    assert_int_equal(access(support_path(*state, "cur/kept"), F_OK), 0);
}

static void the_writer_has_its_index(void **state)
{
    struct index index;
    struct query query;
    struct err err = {0};

    skip_without_landlock();
    assert_true(support_exited(do_as_writer(*state, work_in_index), OK));
    assert_int_equal(index_open(&index, support_path(*state, "lib/index.db"), INDEX_READER, &err), 0);
    assert_int_equal(query_start(&query, &index, STATEMENT_MESSAGE_UNQUEUED, &err), 0);
    query_number(&query, ":limit", 10);
    assert_int_equal(query_next(&query, &err), 1);
    assert_true(span_equal(query_column_text(&query, 0), span_text(id)));
    assert_int_equal(query_next(&query, &err), 0);
    index_close(&index);
}

static int leave(void *context)
{
    (void)context;
    exit(OK);
}

/* By the front door, with what libraries do at the end of a process. */
static void a_process_in_a_sandbox_ends_well(void **state)
{
    (void)state;
    (void)fflush(NULL);
    assert_true(support_exited(do_within(&folder_profile, NULL, 0, leave, NULL), OK));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_make_folder, support_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_listed_kills),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(what_is_listed_works),
        cmocka_unit_test(memory_can_be_allowed),
        cmocka_unit_test(an_argument_is_held_to_its_value),
        cmocka_unit_test(an_unknown_call_is_a_bug),
        cmocka_unit_test(a_missing_folder_is_an_error),
        cmocka_unit_test(freeing_a_zeroed_sandbox_is_harmless),
        cmocka_unit_test(freeing_after_applying_closes_nothing_foreign),
        cmocka_unit_test(a_filter_that_is_refused_is_an_error),
        cmocka_unit_test(no_privileges_and_no_core),
        WITH_FOLDER(files_are_limited),
        cmocka_unit_test(descriptors_are_limited),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(processes_are_limited),
        WITH_FOLDER(without_folders_no_file_is_reached),
        WITH_FOLDER(the_writer_adds_mail_and_takes_none_away),
        WITH_FOLDER(the_writer_has_its_index),
        cmocka_unit_test(a_process_in_a_sandbox_ends_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
