#include "processor/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sandbox.h"
#include "processor/account.h"
#include "processor/check_rights.h"
#include "processor/check_tls.h"

#define RECEIVER_ACCOUNT "mailmill-rx" /* systemd/mailmill.sysusers */

struct check {
    const struct config *config;
    struct config_errors *errors;
    struct config_errors *warnings;
    struct config_errors *programs; /* one of the two: where a program that can't be run is put */
    struct account own;             /* who started this process: the launcher's rights */
    struct account account;         /* whose rights the processor has, and handlers without a user */
    bool has_account;
    bool has_workdir; /* and it can be filled */
};

/* ---- users ---- */

static void find_account(struct check *check)
{
    const struct config *config = check->config;
    struct err err = {0};

    account_own(&check->own);
    check->account = check->own;
    check->has_account = check->own.uid != 0 || account_find(&check->account, config->user, &err) == 0;
    if (!check->has_account)
        config_error(check->errors, config->path, config_line(config->lines, "", "user"),
                     "user: %s; create it (adduser --system --group %s), or name another", err.text, config->user);
}

/* The account that a handler runs as; false, and reported, when there is none. */
static bool find_handler_account(const struct check *check, const struct config_handler *handler,
                                 struct account *account)
{
    unsigned line = config_line(handler->lines, "handler", "user");
    struct err err = {0};

    if (handler->user == NULL) {
        *account = check->account;
        return check->has_account;
    }
    if (account_find(account, handler->user, &err) != 0) {
        config_error(check->errors, check->config->path, line, "user: %s; create it, or name another", err.text);
        return false;
    }
    if (check->own.uid != 0 && account->uid != check->own.uid) {
        config_error(check->errors, check->config->path, line,
                     "user: only root can run a program as %s, and this is %s; start as root, or remove the key",
                     handler->user, check->own.name);
        return false;
    }
    return true;
}

/* ---- programs ---- */

static void check_program(const struct check *check, const struct account *account, const char *key,
                          const char *program, unsigned line)
{
    struct err err = {0};

    if (check_rights(account, program, CHECK_EXECUTE, &err) == 0)
        return;
    config_error(check->programs, check->config->path, line, "%s: %s%s", key, err.text,
                 err.number == ENOENT ? "; install it, or mend its name" : "");
}

/* What is said once for all handlers stands in its own line, and is looked at as each of their users. */
static void check_on_dead(const struct check *check, const struct account *account,
                          const struct config_handler *handler)
{
    unsigned line = config_line(handler->lines, "handler", "on-dead");

    if (handler->on_dead_program != NULL)
        check_program(check, account, "on-dead", handler->on_dead_program,
                      line != 0 ? line : config_line(check->config->lines, "", "on-dead"));
}

static void check_handler(const struct check *check, const struct config_handler *handler)
{
    static const char *const keys[] = {[HANDLER_RUN] = "run", [HANDLER_FILTER] = "filter", [HANDLER_REPLY] = "reply"};
    struct account account;
    struct err err = {0};

    if (!find_handler_account(check, handler, &account))
        return;
    check_program(check, &account, keys[handler->kind], handler->program,
                  config_line(handler->lines, "handler", keys[handler->kind]));
    check_on_dead(check, &account, handler);
    /* Its private folder is made for it, but it has to get there. */
    if (check->has_workdir && check_rights(&account, check->config->workdir, CHECK_ENTER, &err) != 0)
        config_error(check->errors, check->config->path, config_line(check->config->lines, "", "workdir"),
                     "workdir: for handler \"%s\": %s", handler->name, err.text);
}

static void check_handlers(const struct check *check)
{
    const struct config *config = check->config;
    bool has_reply = false;

    for (size_t number = 0; number < config->handler_count; number++) {
        const struct config_handler *handler = config_handler(config, number);

        has_reply = has_reply || handler->kind == HANDLER_REPLY;
        check_handler(check, handler);
    }
    if (has_reply && check->has_account)
        check_program(check, &check->account, "sendmail", config->sendmail[0],
                      config_line(config->lines, "", "sendmail"));
}

/* ---- folders ---- */

static void folder_error(const struct check *check, const char *key, const char *text)
{
    config_error(check->errors, check->config->path, config_line(check->config->lines, "", key), "%s: %s", key, text);
}

static void missing_or_closed(const struct check *check, const char *key, struct err *err)
{
    config_error(check->errors, check->config->path, config_line(check->config->lines, "", key), "%s: %s%s", key,
                 err->text, err->number == ENOENT ? "; make it" : "");
}

/* A spool that can't be filled may still be made by us, in the folder above it. */
static void report_spool(const struct check *check, const char *path, struct err *err)
{
    struct err reason = {0};
    char *above = check_folder_of(path);

    if (err->number != ENOENT) {
        folder_error(check, "spool", err->text);
    } else if (above != NULL && check_rights(&check->account, above, CHECK_FILL, &reason) != 0) {
        err_prefix(&reason, "%.160s does not exist, and can't be made", path);
        folder_error(check, "spool", reason.text);
    }
    free(above);
}

static void check_spool(const struct check *check)
{
    static const char *const names[] = {"tmp", "new", "cur"};
    struct err err = {0};

    if (check_rights(&check->account, check->config->spool, CHECK_FILL, &err) != 0) {
        report_spool(check, check->config->spool, &err);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path;

        if (asprintf(&path, "%s/%s", check->config->spool, names[i]) < 0)
            return;
        /* One that is missing will be made. */
        if (check_rights(&check->account, path, CHECK_FILL, &err) != 0 && err.number != ENOENT)
            folder_error(check, "spool", err.text);
        free(path);
    }
}

static void check_index(const struct check *check, const char *folder)
{
    struct err err = {0};

    if (check_rights(&check->account, folder, CHECK_FILL, &err) != 0)
        missing_or_closed(check, "index", &err);
    else if (check_rights(&check->account, check->config->index, CHECK_MODIFY, &err) != 0 && err.number != ENOENT)
        folder_error(check, "index", err.text);
}

static void check_workdir(struct check *check)
{
    struct err err = {0};

    check->has_workdir = check_rights(&check->own, check->config->workdir, CHECK_FILL, &err) == 0;
    if (!check->has_workdir)
        missing_or_closed(check, "workdir", &err);
    else if (check->own.uid == 0 && check_trust(check->config->workdir, &err) != 0)
        config_error(check->errors, check->config->path, config_line(check->config->lines, "", "workdir"),
                     "workdir: %s, and root makes and removes folders there; chown root it, and chmod go-w it, or "
                     "chmod +t it as /tmp is",
                     err.text);
}

/* Root makes one that is missing, for the processor's user, who opens it again after a log rotation. */
static void check_log_file(const struct check *check)
{
    const char *path = check->config->log_file;
    char *folder;
    struct err err = {0};

    if (path == NULL || check_rights(&check->account, path, CHECK_APPEND, &err) == 0)
        return;
    folder = check_folder_of(path);
    if (err.number != ENOENT)
        folder_error(check, "log-file", err.text);
    else if (folder != NULL && (check_rights(&check->own, folder, CHECK_FILL, &err) != 0 ||
                                check_rights(&check->account, folder, CHECK_ENTER, &err) != 0))
        missing_or_closed(check, "log-file", &err);
    free(folder);
}

/* ---- the configuration itself ---- */

static void check_config_trust(const struct check *check, const char *path)
{
    struct err err = {0};

    if (check_trust(path, &err) != 0)
        config_error(check->errors, check->config->path, 0,
                     "%s, and root runs what the configuration says; chown root it, and chmod go-w it", err.text);
}

/* What root's half reads, nobody else may write: neither the file, nor its name in the folder that it stands in. */
static void check_own_file(const struct check *check)
{
    const char *path = check->config->path;
    char *real = check->own.uid == 0 ? realpath(path, NULL) : NULL;
    char *folder = real == NULL ? NULL : check_folder_of(real);
    char *named = strchr(path, '/') == NULL ? strdup(".") : check_folder_of(path);
    char *named_real = named == NULL ? NULL : realpath(named, NULL);

    if (real != NULL)
        check_config_trust(check, real);
    if (folder != NULL)
        check_config_trust(check, folder);
    /* By a symbolic link it has another folder, too. */
    if (folder != NULL && named_real != NULL && strcmp(folder, named_real) != 0)
        check_config_trust(check, named_real);
    free(real);
    free(folder);
    free(named);
    free(named_real);
}

static bool is_inside(const char *inner, const char *outer)
{
    size_t size = strcmp(outer, "/") == 0 ? 0 : strlen(outer);

    return strncmp(inner, outer, size) == 0 && (inner[size] == '\0' || inner[size] == '/');
}

/* Spool and index apart: see the text of the mistake. */
static void check_apart(const struct check *check, const char *index_folder)
{
    char *spool = check_real_path(check->config->spool);
    char *index = check_real_path(index_folder);

    if (spool != NULL && index != NULL && is_inside(spool, index))
        config_error(
            check->errors, check->config->path, config_line(check->config->lines, "", "index"),
            "index: the spool %.100s lies in the index's folder %.100s; the receiver may remove files there, "
            "as Landlock gives rights for a folder and all below it, and so could remove accepted mail; "
            "give the index a folder of its own",
            spool, index);
    else if (spool != NULL && index != NULL && is_inside(index, spool))
        config_error(check->errors, check->config->path, config_line(check->config->lines, "", "index"),
                     "index: its folder %.100s lies in the spool %.100s; Landlock gives rights for a folder and all "
                     "below it, so those for the one would open the other; give the index a folder of its own",
                     index, spool);
    free(spool);
    free(index);
}

/* What a receiver that was taken over leaves there, programs would find at home, and act on. */
static void check_home(const struct check *check, const char *index_folder)
{
    char *home = check->own.uid == 0 ? check_real_path(check->account.home) : NULL;
    char *index = check_real_path(index_folder);

    if (home != NULL && index != NULL && is_inside(home, index))
        config_error(
            check->warnings, check->config->path, config_line(check->config->lines, "", "user"),
            "user: %.40s is at home in %.100s, in the index's folder, where the receiver may make files, such "
            "as a .gitconfig; give it another home (usermod --home)",
            check->account.name, home);
    free(home);
    free(index);
}

static void check_folders(struct check *check)
{
    char *index_folder = check_folder_of(check->config->index);

    if (index_folder != NULL) {
        if (check->has_account) {
            check_spool(check);
            check_index(check, index_folder);
            check_log_file(check);
            check_home(check, index_folder);
        }
        check_apart(check, index_folder);
    }
    check_workdir(check);
    free(index_folder);
}

/* ---- STARTTLS ---- */

/* Who will read the key: the receiver's account as it is installed. Where there is none, it runs as we do. */
static void find_receiver(const struct check *check, struct account *account)
{
    struct err err = {0};

    if (check->own.uid != 0 || account_find(account, RECEIVER_ACCOUNT, &err) != 0)
        *account = check->own;
}

static void check_certificate(const struct check *check)
{
    const struct config *config = check->config;
    unsigned line = config_line(config->lines, "", "certificate");
    unsigned key_line = config_line(config->lines, "", "key");
    struct account account;
    struct stat status;
    struct err err = {0};

    if (config->certificate == NULL)
        return;
    find_receiver(check, &account);
    if (check_rights(&account, config->certificate, CHECK_READ, &err) != 0)
        config_error(check->errors, config->path, line, "certificate: %s", err.text);
    else if (check_rights(&account, config->key, CHECK_READ, &err) != 0)
        config_error(check->errors, config->path, key_line, "key: %s", err.text);
    else if (check_tls(config->certificate, config->key, &err) != 0)
        config_error(check->errors, config->path, line, "certificate: %s", err.text);
    if (stat(config->key, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0)
        config_error(check->warnings, config->path, key_line,
                     "key: everybody on this machine may read %.160s; chmod o-r it", config->key);
}

/* ---- the machine ---- */

static void check_machine(const struct check *check)
{
    const struct config *config = check->config;

    if (!sandbox_has_seccomp())
        config_error(check->errors, config->path, 0,
                     "the kernel takes no seccomp filters, and the receiver answers nobody without; "
                     "use one with CONFIG_SECCOMP_FILTER");
    if (sandbox_landlock_version() == 0)
        config_error(check->warnings, config->path, 0,
                     "the kernel has no Landlock, so nothing but file modes keeps the receiver from other files; "
                     "use Linux 5.13 or newer with landlock in its lsm= list");
    if (strchr(config->hostname, '.') == NULL)
        config_error(check->warnings, config->path, config_line(config->lines, "", "hostname"),
                     "hostname: \"%.100s\" has no dot, and other servers expect a whole name; "
                     "write hostname = \"%.100s.example.com\" with your domain",
                     config->hostname, config->hostname);
}

static int check_all(struct check *check)
{
    size_t before = check->errors->count;

    find_account(check);
    check_own_file(check);
    check_folders(check);
    check_handlers(check);
    check_machine(check);
    if (check->programs == check->errors) /* to the processor the receiver's key is nothing, and need not be open */
        check_certificate(check);
    return check->errors->count == before ? 0 : -1;
}

int check_config(const struct config *config, struct config_errors *errors, struct config_errors *warnings)
{
    struct check check = {.config = config, .errors = errors, .warnings = warnings, .programs = errors};

    return check_all(&check);
}

int check_start(const struct config *config, struct config_errors *errors, struct config_errors *warnings)
{
    struct check check = {.config = config, .errors = errors, .warnings = warnings, .programs = warnings};

    return check_all(&check);
}
