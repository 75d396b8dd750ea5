#include "processor/check_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/program.h"

#define PROGRAM_NAME "mailmill-tls"

enum { PATH_SIZE = 4096 };

/* Its standard error goes to `words`. posix_spawn() and what it wants prepared give an error number, 0 for none. */
static int spawn(pid_t *pid, const char *path, char *const arguments[], int words)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, words, STDERR_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (error == 0)
        error = posix_spawn(pid, path, &actions, NULL, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* All it says, its first line kept as a text. */
static void read_line(int fd, char *line, size_t size)
{
    char bytes[ERR_TEXT_SIZE];
    struct buf text = buf_over(line, size);
    ssize_t count;

    while ((count = read(fd, bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR))
        if (count > 0)
            buf_put(&text, span_slice((struct span){bytes, (size_t)count}, 0, size - 1 - text.size));
    line[span_find(buf_span(&text), '\n')] = '\0';
}

static int judge(pid_t pid, const char *line, struct err *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_system(err, "waiting for " PROGRAM_NAME);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (!WIFEXITED(status) || line[0] == '\0')
        return err_set(err, ERR_TEMPORARY, PROGRAM_NAME " --check ended with status %d", status);
    return err_set(err, ERR_PERMANENT, "%s", line);
}

int check_tls(char *certificate, char *key, struct err *err)
{
    static char name[] = PROGRAM_NAME;
    static char option[] = "--check";
    char *arguments[] = {name, option, certificate, key, NULL};
    char path[PATH_SIZE];
    char line[ERR_TEXT_SIZE] = "";
    int pipes[2];
    pid_t pid = 0;

    if (program_find(PROGRAM_NAME, path, sizeof path, err) != 0)
        return -1;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return err_system(err, "pipe");
    errno = spawn(&pid, path, arguments, pipes[1]);
    if (errno != 0)
        err_system(err, "starting %s", path);
    (void)close(pipes[1]);
    if (pid != 0)
        read_line(pipes[0], line, sizeof line);
    (void)close(pipes[0]);
    return pid == 0 ? -1 : judge(pid, line, err);
}
