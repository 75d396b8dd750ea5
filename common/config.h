/*
 * The configuration file: read by libconfuse, held to one table of keys, kept as plain structs.
 *
 * One row of the table (name, where it stands, type, default, bounds, one-line help) drives parsing, defaults,
 * bounds, `mailmill check`, and what the manual and the sample are checked against. Reading reports every mistake it
 * can find in one go, each with file and line:
 *
 *     struct config config = {0};
 *     struct config_errors errors = {0};
 *     if (config_load(&config, path, &errors) != 0)
 *         print errors.list[0 .. errors.count - 1]
 *     config_free(&config);
 *
 * Loading looks at the text alone. Whether programs, folders and users exist is another question, asked by
 * `mailmill check` and by the processor at start (processor/check.h).
 *
 * The syntax is libconfuse's, held to what can't surprise (common/config_scan.h): a value is a word, "text" with the
 * escapes \" \\ \n \t \$, or 'text' taken as it stands but for \' and \\; a text ends on its line; comments are
 * those of the shell, C and C++. Nothing is expanded: libconfuse would put the environment variable for ${NAME} in
 * quotes, here a program gets those characters.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/err.h"
#include "common/network.h"

#define CONFIG_DEFAULT_PATH MAILMILL_CONFIG /* of the Makefile */

enum {
    CONFIG_NAME_MAX = 64,      /* bytes in a handler's name: letters, digits, - and _ */
    CONFIG_KEY_COUNT = 53,     /* rows of the table of keys */
    CONFIG_ERRORS_MAX = 100,   /* mistakes that are reported of one file */
    CONFIG_FILE_MAX = 1 << 20, /* bytes of a file */
};

#define CONFIG_FOREVER INT64_MAX /* a duration without an end, "forever" */

/* The way a handler is run: what its stdout is for. */
enum handler_kind {
    HANDLER_RUN,    /* kept in the attempt row only */
    HANDLER_FILTER, /* replaces the message for the handlers after it */
    HANDLER_REPLY,  /* mailed back */
};

enum config_unknown { UNKNOWN_REJECT, UNKNOWN_DISCARD };

/* What a handler's exit code is made to mean by `exit-codes`; CONFIG_EXIT_DEFAULT leaves it to the table. */
enum config_exit { CONFIG_EXIT_DEFAULT, CONFIG_EXIT_DONE, CONFIG_EXIT_SKIP, CONFIG_EXIT_RETRY, CONFIG_EXIT_DEAD };

struct config_handler {
    char *name;
    enum handler_kind kind;
    char **arguments; /* NULL-terminated; the first is the program as written, a bare name or an absolute path */
    char *program;    /* absolute: a bare name is put behind the handler folder */
    char *user;       /* the account it runs as; NULL: the processor's own */
    char *
        *on_dead; /* what is run when a message is dead for it: its own, or else the file's; NULL or empty: nothing */
    char *on_dead_program; /* absolute; NULL: none */
    int64_t timeout_ms;
    unsigned concurrency;
    bool ordered;         /* while its oldest delivery waits for a retry, none behind it starts */
    int64_t coalesce_ms;  /* the window in which deliveries are gathered for one run; 0: each has its own */
    bool go_on;           /* `continue`: the handlers after it run even when it is dead */
    unsigned pause_after; /* failures in a row; 0: it is never paused for them */
    int64_t retry_first_ms;
    int64_t retry_max_ms;
    int64_t give_up_ms;
    uint8_t exit_codes[256];          /* enum config_exit */
    unsigned line;                    /* where its section begins */
    unsigned lines[CONFIG_KEY_COUNT]; /* where each of its keys stands; see config_line */
    size_t number;                    /* counted over the whole file, from 0: what the launcher is asked for */
    size_t route;                     /* index of its route */
};

struct config_route {
    char *pattern;          /* as in the file, canonical: local@domain or *@domain; the route's name */
    struct address address; /* of an exact route; for a catch-all the local part is "*" */
    bool is_catch_all;
    struct config_handler *handlers; /* in the order in which they run; none: mail is accepted and kept */
    size_t handler_count;
    int64_t dedupe_ms; /* the route's own, or the file's; 0: every copy of a message is run */
    unsigned line;
};

struct config {
    char *path; /* the file it was read from */
    char *hostname;
    char *spool;     /* folder */
    char *index;     /* database file */
    char *handlers;  /* folder */
    char *workdir;   /* folder in which each run gets a private one */
    char *user;      /* the account the processor, and handlers without a `user`, run as when it is started by root */
    char *log_file;  /* NULL: syslog (receiver), standard error (processor) */
    char **sendmail; /* NULL-terminated argument list */
    char *certificate; /* PEM files for STARTTLS: both or neither */
    char *key;
    /* Who says in front of each connection whose it is. */
    struct networks trusted_proxies;
    enum config_unknown unknown;
    uint64_t max_message_size; /* bytes, as sent: CRLF line ends counted, dot-stuffing not */
    uint64_t max_header_size;  /* of that, all before the first empty line */
    unsigned max_recipients;
    unsigned max_errors;          /* refused commands since the last message accepted */
    unsigned max_commands;        /* of one session */
    uint64_t min_body_rate;       /* bytes a second; 0: no limit */
    int64_t greet_delay_ms;       /* in which a client must not speak; 0: none */
    int64_t command_timeout_ms;   /* longest wait for a command or a block of a body */
    int64_t crowded_timeout_ms;   /* the same, if that is longer, for who comes while most places are taken */
    int64_t session_timeout_ms;   /* longest session */
    unsigned max_sessions;        /* at a time, of a receiver that accepts connections itself */
    unsigned max_client_sessions; /* of them, from one client */
    int64_t idle_exit_ms;         /* without a connection before it ends; 0: never */
    uint64_t reserve;             /* bytes that stay free in the spool's file system */
    bool record_rejections;       /* in the index */
    unsigned max_runs;            /* handlers running at once, all told */
    unsigned reply_limit;         /* automatic replies to one address in an hour */
    int64_t dedupe_ms;            /* for routes without one of their own */
    char **on_dead;               /* for handlers without one of their own; NULL or empty: nothing */
    int64_t keep_done_ms;         /* of files in the spool; CONFIG_FOREVER, here and below: for ever */
    int64_t keep_dead_ms;
    uint64_t keep_size;      /* bytes of all files of messages that are done */
    int64_t keep_history_ms; /* of rows in the index, once the file is gone */
    struct config_route *routes;
    size_t route_count;
    size_t handler_count;             /* of all routes */
    unsigned lines[CONFIG_KEY_COUNT]; /* where each global key stands; see config_line */
};

/* One mistake: "FILE:LINE: what is wrong; what to do". */
struct config_errors {
    char (*list)[ERR_TEXT_SIZE];
    size_t count;
};

/*
 * Reads the file at `path`, or, in config_load_text, `text` with `path` for messages only. 0: `config` is filled and
 * the caller's to free. -1: there are mistakes (at least one in `errors`) and `config` is empty. `errors` is the
 * caller's to free either way.
 */
__attribute__((warn_unused_result)) int config_load(struct config *config, const char *path,
                                                    struct config_errors *errors);
__attribute__((warn_unused_result)) int config_load_text(struct config *config, const char *path, const char *text,
                                                         struct config_errors *errors);
void config_free(struct config *config);

/* Tells one state of the file at `path` from another, by its time and its number; -1 when it can't be looked at. */
int64_t config_stamp(const char *path);

/*
 * Adds a mistake found later, "FILE:LINE: " put before it (line 0: without the line). Control characters in it become
 * question marks. Always gives -1. After CONFIG_ERRORS_MAX of them one last line says that there are more.
 */
int config_error(struct config_errors *errors, const char *path, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void config_errors_free(struct config_errors *errors);

/* The handler with this number, or NULL. */
const struct config_handler *config_handler(const struct config *config, size_t number);

/* The handler of that name in the route with this pattern, or NULL. */
const struct config_handler *config_handler_named(const struct config *config, struct span route, struct span name);

/* What the value of a key is, and so how it is read and kept. */
enum config_kind {
    CONFIG_HOSTNAME,   /* a domain name: char * */
    CONFIG_FOLDER,     /* an absolute path: char * */
    CONFIG_FILE,       /* an absolute path that does not end in a slash: char * */
    CONFIG_ACCOUNT,    /* a user's name: char * */
    CONFIG_COMMAND,    /* a program and its arguments: char **, NULL-terminated */
    CONFIG_EXIT_CODES, /* "CODE=MEANING", ...: uint8_t[256] */
    CONFIG_NETWORKS,   /* addresses and networks: struct networks */
    CONFIG_SIZE,       /* uint64_t */
    CONFIG_DURATION,   /* int64_t milliseconds; CONFIG_FOREVER where the table's bound is "forever" */
    CONFIG_NUMBER,     /* unsigned */
    CONFIG_CHOICE,     /* an enum, in the order of `choices` */
    CONFIG_SWITCH,     /* true or false: bool */
    CONFIG_SECTION,
    CONFIG_KIND_COUNT,
};

/* A row of the table, for help, manuals and checks. */
struct config_key {
    const char *section; /* where it stands: "" (global), "route" or "handler" */
    const char *name;
    const char *type;         /* in a word: name, path, list, size, duration, number, choice, switch, section */
    const char *default_text; /* as it would be written in the file, without quotes; NULL: none */
    const char *help;
    enum config_kind kind;
    const char *least, *most; /* bounds, written as values are; NULL: none */
    const char *choices;      /* "reject discard" */
    bool is_looked_up;        /* of a program: a bare name is one in the folder of handlers */
    bool may_be_empty;        /* of a list: {} means none */
    size_t offset;            /* of its field in struct config, config_route or config_handler */
};
const struct config_key *config_keys(size_t *count);
/* Whether its value is a list. */
bool config_key_is_list(const struct config_key *key);

/* The line of a key, out of the `lines` of a configuration (section "") or a handler; 0 when the file does not name
 * it. */
unsigned config_line(const unsigned lines[static CONFIG_KEY_COUNT], const char *section, const char *name);

/* "5m" (s, m, h, d; a bare number is seconds) to milliseconds. -1: not such text. */
__attribute__((warn_unused_result)) int config_parse_duration(const char *text, int64_t *milliseconds);

#endif
