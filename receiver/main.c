/*
 * mailmill-receiver: one SMTP connection on descriptors 0 and 1, or the sockets on which they arrive. With a
 * connection it parts in two: the child becomes the session, the parent the writer. With sockets it becomes the
 * listener.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "receiver/client.h"
#include "receiver/listener.h"
#include "receiver/session.h"
#include "receiver/starttls_offer.h"
#include "receiver/writer.h"

static const char help[] = "usage: mailmill-receiver [--config FILE]\n"
                           "\n"
                           "Speaks SMTP on standard input and output, as a super-server such as xinetd\n"
                           "starts it for each connection; or accepts connections itself, on a listening\n"
                           "socket that it is started with. Accepts mail for the addresses in the\n"
                           "configuration and puts it into the spool.\n"
                           "\n"
                           "  -c, --config FILE  read FILE instead of " CONFIG_DEFAULT_PATH "\n"
                           "      --help         show this text\n"
                           "      --version      show the version\n";

/*
 * A super-server gives the client as descriptor 2 as well: not one byte of ours, nor of any library's, may get there.
 * Before anything else, as anything else may want to complain. What was left open besides the sockets is not for us.
 */
static void tidy_descriptors(struct listener *listener)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    unsigned first = STDERR_FILENO + 1;

    if (null < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(EX_OSERR);
    if (null > STDERR_FILENO)
        (void)close(null);
    listener_find_sockets(listener);
    for (size_t i = 0; i < listener->socket_count; i++)
        if ((unsigned)listener->sockets[i] >= first)
            first = (unsigned)listener->sockets[i] + 1;
    (void)close_range(first, UINT_MAX, 0);
}

/* Before anything is known of this machine, its name included. */
static void turn_away(const struct listener *listener)
{
    if (listener->socket_count > 0)
        listener_turn_away(listener, "");
    else
        client_turn_away(STDOUT_FILENO, REPLY_UNAVAILABLE, "");
}

static const char *parse_options(int argc, char **argv, const struct listener *listener)
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
    turn_away(listener);
    exit(EX_USAGE);
}

static void load_config(struct config *config, const char *path, const struct listener *listener)
{
    struct config_errors errors = {0};

    if (config_load(config, path, &errors) == 0) {
        log_open_late("mailmill-receiver", LOG_TO_SYSLOG, config->log_file);
        return;
    }
    log_open("mailmill-receiver", LOG_TO_SYSLOG, NULL);
    for (size_t i = 0; i < errors.count; i++)
        log_say(LOG_ERR, "%s", errors.list[i]);
    config_errors_free(&errors);
    turn_away(listener);
    exit(EX_CONFIG);
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

static int become_writer(struct writer *writer, int socket, const char *client, pid_t session)
{
    int cut_off;
    int status;

    /* The network is the session's alone. */
    if (dup2(STDERR_FILENO, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return EX_OSERR;
    cut_off = writer_run(writer, socket, client);
    /* With its end of the socketpair closed, a session ends; one that was taken over by its alarm at the latest.
     * Until then this process stays for it, so that a super-server counts it. */
    (void)close(socket);
    status = reap(session, client);
    return cut_off == 0 ? status : EX_PROTOCOL;
}

static int part_in_two(const struct config *config, struct err *err)
{
    struct sandbox_profile profile = session_profile(config);
    struct starttls_offer offer = {.config = config};
    bool offers_tls = starttls_is_offered(&offer);
    struct writer writer = {.config = config, .starttls.config = offers_tls ? config : NULL};
    struct sandbox sandbox;
    struct client client;
    int ends[2];
    pid_t child;

    if (sandbox_prepare_ready(&sandbox, &profile, NULL, 0, err) != 0 || frame_pair(ends, err) != 0)
        return -1;
    /* Before the session's first word: a client that leaves at once has no address any more. */
    client_of(STDIN_FILENO, &config->trusted_proxies, &client);
    child = _Fork(); /* as in the listener: neither thread nor stream is there */
    if (child < 0)
        return err_system(err, "fork");
    if (child == 0)
        _exit(session_run(&(struct session){.config = config,
                                            .in = STDIN_FILENO,
                                            .out = STDOUT_FILENO,
                                            .writer = ends[1],
                                            .offers_tls = offers_tls,
                                            .is_proxied = client.is_proxy},
                          &sandbox));
    (void)close(ends[1]);
    sandbox_free(&sandbox);
    return become_writer(&writer, ends[0], client.text, child);
}

static int write_for_all(const struct config *config, int socket)
{
    struct writer writer = {.config = config, .starttls.config = config->certificate != NULL ? config : NULL};

    /* A super-server gives the listening socket under more than one number. */
    if (dup2(STDERR_FILENO, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return EX_OSERR;
    return writer_run_all(&writer, socket) == 0 ? EX_OK : EX_OSERR;
}

static int serve_one(const struct config *config)
{
    struct err err = {0};
    int status = part_in_two(config, &err);

    if (status >= 0)
        return status;
    log_say(LOG_ERR, "%s", err.text);
    client_turn_away(STDOUT_FILENO, REPLY_UNAVAILABLE, config->hostname);
    return EX_OSERR;
}

int main(int argc, char **argv)
{
    struct config config = {0};
    struct listener listener = {.config = &config, .writer = write_for_all};
    int status;

    tidy_descriptors(&listener);
    (void)umask(0007);              /* the spool and the index are one group's, and nobody else's */
    (void)signal(SIGPIPE, SIG_IGN); /* before the first word to a client, who may have left */
    (void)signal(SIGXFSZ, SIG_IGN);
    load_config(&config, parse_options(argc, argv, &listener), &listener);
    status = listener.socket_count > 0 ? listener_run(&listener) : serve_one(&config);
    config_free(&config);
    return status;
}
