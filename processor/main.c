/*
 * mailmill-processor: reads the configuration and holds it against the machine, forks the launcher, gives up root for
 * itself, and runs the engine.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "processor/account.h"
#include "processor/check.h"
#include "processor/engine.h"
#include "processor/launcher.h"

static const char help[] = "usage: mailmill-processor [--config FILE]\n"
                           "\n"
                           "Watches the spool and runs the handlers that the configuration names. Runs in\n"
                           "the foreground, as a service manager wants it. SIGHUP reads the configuration\n"
                           "anew, SIGTERM stops.\n"
                           "\n"
                           "  -c, --config FILE  read FILE instead of " CONFIG_DEFAULT_PATH "\n"
                           "      --help         show this text\n"
                           "      --version      show the version\n";

static const char *parse_options(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    const char *config = CONFIG_DEFAULT_PATH;
    int option;

    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c') {
            config = optarg;
        } else if (option == 'h' || option == 'v') {
            (void)fputs(option == 'h' ? help : "mailmill-processor " MAILMILL_VERSION "\n", stdout);
            exit(EX_OK);
        } else {
            exit(EX_USAGE); /* getopt has said why */
        }
    }
    if (optind == argc)
        return config;
    (void)fprintf(stderr, "mailmill-processor: unexpected argument %s; see --help\n", argv[optind]);
    exit(EX_USAGE);
}

static void say_all(int level, const struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        log_say(level, "%s", errors->list[i]);
}

/* The launcher makes a log file that is missing, for the other half, which can't be root then. */
static void open_log(const struct config *config)
{
    struct account account;
    struct err err;

    if (geteuid() == 0 && account_find(&account, config->user, &err) == 0)
        log_owner(account.uid, account.gid);
    if (config->log_file != NULL)
        log_open("mailmill-processor", LOG_TO_STDERR, config->log_file);
}

/* A mistake is found now, by whoever starts the service, and not when the first message comes. */
static void load_config(struct config *config, const char *path)
{
    struct config_errors errors = {0};
    struct config_errors warnings = {0};
    int status = config_load(config, path, &errors);

    /* Until all is well, to whoever started us and not to a file. */
    log_open("mailmill-processor", LOG_TO_STDERR, NULL);
    if (status == 0)
        status = check_start(config, &errors, &warnings);
    say_all(LOG_WARNING, &warnings);
    say_all(LOG_ERR, &errors);
    config_errors_free(&warnings);
    config_errors_free(&errors);
    if (status != 0)
        exit(EX_CONFIG);
    open_log(config);
}

/* From here on only the launcher is root, where we were started so. */
static int drop_rights(const struct config *config, struct err *err)
{
    struct account account;

    if (geteuid() != 0)
        return 0;
    if (account_find(&account, config->user, err) != 0)
        return -1;
    if (account_become(&account) != 0)
        return err_system(err, "becoming user %s", config->user);
    return 0;
}

static int run(struct config *config)
{
    static struct engine engine;
    struct launcher launcher;
    struct err err = {0};
    int status;

    if (launcher_start(&launcher, config, &err) != 0 || drop_rights(config, &err) != 0) {
        log_say(LOG_ERR, "%s", err.text);
        return EX_OSERR;
    }
    status = engine_open(&engine, config, &launcher, &err);
    if (status != 0)
        log_say(LOG_ERR, "%s", err.text);
    else
        status = engine_run(&engine);
    engine_close(&engine);
    launcher_end(&launcher); /* a service manager that sees us end would kill it */
    if (status == 0)
        return EX_OK;
    return err.kind == ERR_PERMANENT ? EX_CONFIG : EX_TEMPFAIL;
}

int main(int argc, char **argv)
{
    struct config config = {0};
    int status;

    (void)umask(0007); /* the spool and the index are one group's, and nobody else's */
    (void)signal(SIGPIPE, SIG_IGN);
    load_config(&config, parse_options(argc, argv));
    status = run(&config);
    config_free(&config);
    return status;
}
