/*
 * mailmill-receiver: one SMTP connection on descriptors 0 and 1. Finds out who the client is, then parts in two: the
 * child becomes the session, the parent the writer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "receiver/reply.h"
#include "receiver/session.h"
#include "receiver/starttls.h"
#include "receiver/writer.h"

static const char help[] =
    "usage: mailmill-receiver [--config FILE]\n"
    "\n"
    "Speaks SMTP on standard input and output, as a super-server such as xinetd starts it for each\n"
    "connection. Accepts mail for the addresses in the configuration and puts it into the spool.\n"
    "\n"
    "  -c, --config FILE  read FILE instead of " CONFIG_DEFAULT_PATH "\n"
    "      --help         show this text\n"
    "      --version      show the version\n";

/*
 * A super-server gives the client as descriptor 2 as well: not one byte of ours, nor of any library's, may get there.
 * Before anything else, as anything else may want to complain. What else was left open is not for us.
 */
static void tidy_descriptors(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(EX_OSERR);
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

/* Sends one reply, for a session that can't be had. */
static void turn_away(void)
{
    char storage[REPLY_ROOM_MAX];
    struct buf output = buf_over(storage, sizeof storage);

    reply_put(&output, REPLY_UNAVAILABLE, span_text(""));
    if (write(STDOUT_FILENO, output.data, output.size) < 0)
        log_say(LOG_NOTICE, "the client left before it was turned away");
}

static const char *parse_options(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    const char *config = CONFIG_DEFAULT_PATH;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c') {
            config = optarg;
        } else if (option == 'h' || option == 'v') {
            (void)fputs(option == 'h' ? help : "mailmill-receiver " MAILMILL_VERSION "\n", stdout);
            exit(EX_OK);
        } else {
            optind = argc + 1;
            break;
        }
    }
    if (optind == argc)
        return config;
    log_open("mailmill-receiver", LOG_TO_SYSLOG, NULL);
    log_say(LOG_ERR, "usage: mailmill-receiver [--config FILE]");
    turn_away();
    exit(EX_USAGE);
}

static void load_config(struct config *config, const char *path)
{
    struct config_errors errors = {0};

    if (config_load(config, path, &errors) == 0) {
        log_open("mailmill-receiver", LOG_TO_SYSLOG, config->log_file);
        return;
    }
    log_open("mailmill-receiver", LOG_TO_SYSLOG, NULL);
    for (size_t i = 0; i < errors.count; i++)
        log_say(LOG_ERR, "%s", errors.list[i]);
    config_errors_free(&errors);
    turn_away();
    exit(EX_CONFIG);
}

/* Writes the client's address as text; IPv4 in an IPv6 socket as IPv4; "local" for pipes and UNIX sockets. */
static void name_client(int fd, char *client, socklen_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
        struct sockaddr_storage storage;
    } peer = {0};
    socklen_t length = sizeof peer;
    const char *text = NULL;

    if (getpeername(fd, &peer.any, &length) == 0) {
        if (peer.any.sa_family == AF_INET)
            text = inet_ntop(AF_INET, &peer.ip4.sin_addr, client, size);
        else if (peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer.ip6.sin6_addr))
            text = inet_ntop(AF_INET, &peer.ip6.sin6_addr.s6_addr[12], client, size);
        else if (peer.any.sa_family == AF_INET6)
            text = inet_ntop(AF_INET6, &peer.ip6.sin6_addr, client, size);
    }
    if (text == NULL)
        snprintf(client, size, "local");
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* A session that the kernel killed for a system call outside of its list is an attack or a bug; either is worth a
 * line. */
static int reap(pid_t session, const char *client)
{
    int status = 0;

    while (waitpid(session, &status, 0) < 0)
        if (errno != EINTR)
            return EX_OSERR;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    log_say(LOG_CRIT, "session of %s killed by signal %d%s", client, WTERMSIG(status),
            WTERMSIG(status) == SIGSYS ? " (a system call that its sandbox forbids)" : "");
    return EX_SOFTWARE;
}

static int become_writer(struct writer *writer, pid_t session)
{
    int cut_off;
    int status;

    /* The network is the session's alone. */
    if (dup2(STDERR_FILENO, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return EX_OSERR;
    cut_off = writer_run(writer);
    /* With its end of the socketpair closed, a session ends; one that was taken over by its alarm at the latest.
     * Until then this process stays for it, so that a super-server counts it. */
    (void)close(writer->session);
    status = reap(session, writer->client);
    return cut_off == 0 ? status : EX_PROTOCOL;
}

static int part_in_two(const struct config *config, struct err *err)
{
    struct sandbox_profile profile = session_profile(config);
    bool offers_tls = starttls_is_offered(config);
    struct writer writer = {.config = config, .starttls = {offers_tls ? config : NULL, -1}};
    struct sandbox sandbox;
    int ends[2];
    pid_t child;

    if (sandbox_prepare(&sandbox, &profile, NULL, 0, err) != 0 || frame_pair(ends, err) != 0)
        return -1;
    writer.session = ends[0];
    /* Before the session's first word: a client that leaves at once has no address any more. */
    name_client(STDIN_FILENO, writer.client, sizeof writer.client);
    child = fork();
    if (child < 0)
        return err_system(err, "fork");
    if (child == 0)
        _exit(session_run(&(struct session){config, STDIN_FILENO, STDOUT_FILENO, ends[1], offers_tls}, &sandbox));
    (void)close(ends[1]);
    sandbox_free(&sandbox);
    return become_writer(&writer, child);
}

int main(int argc, char **argv)
{
    struct config config = {0};
    struct err err = {0};
    int status;

    tidy_descriptors();
    (void)umask(0007); /* the spool and the index are one group's, and nobody else's */
    load_config(&config, parse_options(argc, argv));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (is_listening(STDIN_FILENO)) {
        log_say(LOG_ERR, "standard input is a listening socket; set wait = no, one connection for each process");
        status = EX_USAGE;
    } else {
        status = part_in_two(&config, &err);
        if (status < 0) {
            log_say(LOG_ERR, "%s", err.text);
            turn_away();
            status = EX_OSERR;
        }
    }
    config_free(&config);
    return status;
}
