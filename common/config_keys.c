#include "common/config_keys.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define GLOBAL(field) .section = "", .offset = offsetof(struct config, field)
#define ROUTE(field) .section = "route", .offset = offsetof(struct config_route, field)
#define HANDLER(field) .section = "handler", .offset = offsetof(struct config_handler, field)

#define HOSTNAME .kind = CONFIG_HOSTNAME, .type = "name"
#define FOLDER .kind = CONFIG_FOLDER, .type = "path"
#define FILE_PATH .kind = CONFIG_FILE, .type = "path"
#define ACCOUNT .kind = CONFIG_ACCOUNT, .type = "name"
#define COMMAND .kind = CONFIG_COMMAND, .type = "list"
#define PROGRAM .kind = CONFIG_COMMAND, .type = "list", .is_looked_up = true
#define EXIT_CODES .kind = CONFIG_EXIT_CODES, .type = "list"
#define NETWORKS .kind = CONFIG_NETWORKS, .type = "list"
#define SIZE(from, to) .kind = CONFIG_SIZE, .type = "size", .least = (from), .most = (to)
#define DURATION(from, to) .kind = CONFIG_DURATION, .type = "duration", .least = (from), .most = (to)
#define NUMBER(from, to) .kind = CONFIG_NUMBER, .type = "number", .least = (from), .most = (to)
#define CHOICE(words) .kind = CONFIG_CHOICE, .type = "choice", .choices = (words)
#define SWITCH .kind = CONFIG_SWITCH, .type = "switch"
#define SECTION .kind = CONFIG_SECTION, .type = "section"

/* A row on a line or two, so that the table is read as one. */
/* clang-format off */
static const struct config_key keys[] = {
    {.name = "hostname", GLOBAL(hostname), HOSTNAME,
     .help = "the name this machine greets with and puts into what it writes; else the machine's own"},
    {.name = "spool", GLOBAL(spool), FOLDER, .default_text = "/var/spool/mailmill",
     .help = "the Maildir in which messages are kept"},
    {.name = "index", GLOBAL(index), FILE_PATH, .default_text = "/var/lib/mailmill/index.db",
     .help = "the SQLite database of the history, in a folder of its own"},
    {.name = "handlers", GLOBAL(handlers), FOLDER, .default_text = "/usr/lib/mailmill/handlers",
     .help = "the folder in which programs given by a bare name are looked up"},
    {.name = "workdir", GLOBAL(workdir), FOLDER, .default_text = "/tmp",
     .help = "the folder in which each run gets a private one"},
    {.name = "user", GLOBAL(user), ACCOUNT, .default_text = "mailmill",
     .help = "the account of the processor, and of handlers that name none, when it is started by root"},
    {.name = "log-file", GLOBAL(log_file), FILE_PATH,
     .help = "a file for the log; else the receiver uses syslog and the processor standard error"},
    {.name = "sendmail", GLOBAL(sendmail), COMMAND,
     .default_text = "{\"/usr/sbin/sendmail\", \"-t\", \"-i\", \"-f\", \"<>\"}",
     .help = "the program that takes outgoing mail on its standard input, recipients in its header"},
    {.name = "certificate", GLOBAL(certificate), FILE_PATH,
     .help = "the certificate for STARTTLS with the chain behind it, in PEM; without it there is no STARTTLS"},
    {.name = "key", GLOBAL(key), FILE_PATH, .help = "the private key of the certificate, in PEM, without a password"},
    {.name = "unknown", GLOBAL(unknown), CHOICE("reject discard"), .default_text = "reject",
     .help = "what becomes of mail for an address without a route: refused, or accepted and dropped"},
    {.name = "max-message-size", GLOBAL(max_message_size), SIZE("1K", "1G"), .default_text = "25M",
     .help = "the largest message that is accepted"},
    {.name = "max-header-size", GLOBAL(max_header_size), SIZE("1K", "1G"), .default_text = "256K",
     .help = "the largest header that is accepted: all before the first empty line"},
    {.name = "max-recipients", GLOBAL(max_recipients), NUMBER("100", "1000"), .default_text = "100",
     .help = "the most recipients that a message may have"},
    {.name = "max-errors", GLOBAL(max_errors), NUMBER("1", "1000"), .default_text = "10",
     .help = "with this many refused commands and no message accepted a client is sent away"},
    {.name = "max-commands", GLOBAL(max_commands), NUMBER("100", "1000000"), .default_text = "10000",
     .help = "the most commands of one connection"},
    {.name = "command-timeout", GLOBAL(command_timeout_ms), DURATION("1s", "1h"), .default_text = "5m",
     .help = "how long a client may take for a command or a block of a message"},
    {.name = "session-timeout", GLOBAL(session_timeout_ms), DURATION("1s", "7d"), .default_text = "1h",
     .help = "how long a client may stay connected"},
    {.name = "min-body-rate", GLOBAL(min_body_rate), SIZE("0", "1G"), .default_text = "500",
     .help = "the bytes a second that a message must come with, once command-timeout has passed; 0: any"},
    {.name = "greet-delay", GLOBAL(greet_delay_ms), DURATION("0", "1m"), .default_text = "0",
     .help = "how long the greeting is held back; a client that speaks before it is sent away"},
    {.name = "max-sessions", GLOBAL(max_sessions), NUMBER("1", "1000"), .default_text = "50",
     .help = "the most clients at the same time, where the receiver is started with a listening socket"},
    {.name = "max-sessions-per-client", GLOBAL(max_client_sessions), NUMBER("1", "1000"), .default_text = "10",
     .help = "the most of them from one IPv4 address or one IPv6 network of 64 bits"},
    {.name = "crowded-timeout", GLOBAL(crowded_timeout_ms), DURATION("1s", "1h"), .default_text = "20s",
     .help = "command-timeout, where that is longer, for clients that come while nine of ten places are taken"},
    {.name = "trusted-proxies", GLOBAL(trusted_proxies), NETWORKS,
     .help = "addresses and networks of proxies that say by the PROXY protocol whose connection they pass on"},
    {.name = "idle-exit", GLOBAL(idle_exit_ms), DURATION("0", "1d"), .default_text = "1m",
     .help = "how long it waits without a client before it ends, until the next one has it started again; 0: always"},
    {.name = "reserve", GLOBAL(reserve), SIZE("0", "1000G"), .default_text = "100M",
     .help = "the room in the spool's file system that messages are not to take"},
    {.name = "record-rejections", GLOBAL(record_rejections), SWITCH, .default_text = "true",
     .help = "whether refused mail is written into the history: who, what, and which reply"},
    {.name = "max-runs", GLOBAL(max_runs), NUMBER("1", "200"), .default_text = "10",
     .help = "the most handlers that run at the same time"},
    {.name = "reply-limit", GLOBAL(reply_limit), NUMBER("1", "10000"), .default_text = "20",
     .help = "the most automatic replies to one address in an hour"},
    {.name = "dedupe", GLOBAL(dedupe_ms), DURATION("0", "30d"), .default_text = "0",
     .help = "within this time, a copy of a message for the same address is not run; 0: every copy is"},
    {.name = "on-dead", GLOBAL(on_dead), PROGRAM, .may_be_empty = true,
     .help = "a program that is run when a message is dead for a handler that has no on-dead of its own"},
    {.name = "keep-done", GLOBAL(keep_done_ms), DURATION("0", "forever"), .default_text = "30d",
     .help = "how long the file of a message is kept whose handlers are done"},
    {.name = "keep-dead", GLOBAL(keep_dead_ms), DURATION("1h", "forever"), .default_text = "forever",
     .help = "the same for one with a handler that is dead"},
    {.name = "keep-size", GLOBAL(keep_size), SIZE("0", "1000000G"), .default_text = "1G",
     .help = "the room that files of messages that are done may take; beyond it, the oldest go earlier"},
    {.name = "keep-history", GLOBAL(keep_history_ms), DURATION("1d", "forever"), .default_text = "365d",
     .help = "how long the history tells of a message whose file is gone, and of refused mail"},
    {.section = "", .name = "route", SECTION,
     .help = "an address, \"local@domain\" or \"*@domain\", and what is done with mail for it"},

    {.section = "route", .name = "handler", SECTION,
     .help = "a program that is run for each message, by a name of its own; none: mail is accepted and kept"},
    {.name = "dedupe", ROUTE(dedupe_ms), DURATION("0", "30d"),
     .help = "the same for this route alone; else as it is for all"},

    {.name = "run", HANDLER(arguments), PROGRAM,
     .help = "the program and its arguments; the message is its standard input"},
    {.name = "filter", HANDLER(arguments), PROGRAM,
     .help = "the same, and its standard output replaces the message for the handlers after it"},
    {.name = "reply", HANDLER(arguments), PROGRAM,
     .help = "the same, and its standard output is mailed back to the sender"},
    {.name = "user", HANDLER(user), ACCOUNT, .help = "the account that the program runs as; else the processor's"},
    {.name = "timeout", HANDLER(timeout_ms), DURATION("1s", "7d"), .default_text = "10m",
     .help = "how long a run may take; then it is ended and tried again later"},
    {.name = "concurrency", HANDLER(concurrency), NUMBER("1", "200"), .default_text = "1",
     .help = "how many runs of it there may be at the same time; 1 keeps them in order"},
    {.name = "ordered", HANDLER(ordered), SWITCH, .default_text = "false",
     .help = "true: while its oldest message waits for a retry, none behind it starts"},
    {.name = "coalesce", HANDLER(coalesce_ms), DURATION("0", "1d"), .default_text = "0",
     .help = "messages that come within this time share one run, which reads the newest; 0: each has its own"},
    {.name = "continue", HANDLER(go_on), SWITCH, .default_text = "false",
     .help = "true: the handlers after it run even when it is dead"},
    {.name = "pause-after", HANDLER(pause_after), NUMBER("0", "1000000"), .default_text = "10",
     .help = "with this many failures in a row it is paused, and tried with one message at a time; 0: never"},
    {.name = "retry-first", HANDLER(retry_first_ms), DURATION("1s", "30d"), .default_text = "1m",
     .help = "the pause before the first retry; each further one is twice as long"},
    {.name = "retry-max", HANDLER(retry_max_ms), DURATION("1s", "30d"), .default_text = "1h",
     .help = "the longest pause before a retry"},
    {.name = "give-up", HANDLER(give_up_ms), DURATION("1s", "365d"), .default_text = "3d",
     .help = "how long a message is tried; then it is dead until someone acts"},
    {.name = "on-dead", HANDLER(on_dead), PROGRAM, .may_be_empty = true,
     .help = "a program that is run, with the message as its standard input, when that is dead; {} for none"},
    {.name = "exit-codes", HANDLER(exit_codes), EXIT_CODES,
     .help = "what exit codes mean where the program differs from the usual: CODE=done, skip, retry or dead"},
};
/* clang-format on */

static_assert(sizeof keys / sizeof keys[0] == CONFIG_KEY_COUNT, "CONFIG_KEY_COUNT counts the rows");

const struct config_key *config_keys(size_t *count)
{
    *count = CONFIG_KEY_COUNT;
    return keys;
}

const struct config_key *config_key_find(const char *section, struct span name)
{
    /* The receiver does this for every line of its configuration and every client: a look at one letter will mostly
     * do. */
    for (size_t i = 0; i < CONFIG_KEY_COUNT && name.size > 0; i++)
        if (keys[i].name[0] == name.data[0] && span_equal(span_text(keys[i].name), name) &&
            strcmp(keys[i].section, section) == 0)
            return &keys[i];
    return NULL;
}

bool config_key_is_list(const struct config_key *key)
{
    return key->kind == CONFIG_COMMAND || key->kind == CONFIG_EXIT_CODES || key->kind == CONFIG_NETWORKS;
}

size_t config_key_index(const struct config_key *key)
{
    return (size_t)(key - keys);
}

unsigned config_line(const unsigned lines[static CONFIG_KEY_COUNT], const char *section, const char *name)
{
    const struct config_key *key = config_key_find(section, span_text(name));

    return key == NULL ? 0 : lines[config_key_index(key)];
}

const struct config_key *config_key_elsewhere(const char *section, struct span name)
{
    /* From the end: a handler's key that was put into its route is meant for the handler. */
    for (size_t i = CONFIG_KEY_COUNT; i-- > 0;)
        if (strcmp(keys[i].section, section) != 0 && span_equal(span_text(keys[i].name), name))
            return &keys[i];
    return NULL;
}

enum { NAME_MAX_SIZE = 32 }; /* a longer name resembles none of ours */

static char fold(char byte)
{
    if (byte == '_')
        return '-';
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* How many bytes must be put in, left out or replaced to make one name the other (Levenshtein), row by row. */
static size_t distance(struct span a, struct span b)
{
    size_t row[NAME_MAX_SIZE + 1];

    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t best = diagonal + (fold(a.data[i - 1]) != fold(b.data[j - 1]));

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.size];
}

/* "max-message" or "recipients" for a longer key. */
static bool is_part(struct span part, struct span whole)
{
    enum { TOO_SHORT = 3 };

    if (part.size <= TOO_SHORT || part.size >= whole.size)
        return false;
    return span_starts_nocase(whole, part) ||
           span_equal_nocase(span_slice(whole, whole.size - part.size, whole.size), part);
}

const struct config_key *config_key_suggest(const char *section, struct span name)
{
    const struct config_key *best = NULL;
    size_t least = SIZE_MAX;

    if (name.size > NAME_MAX_SIZE)
        return NULL;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct span known = span_text(keys[i].name);
        size_t far = distance(name, known);

        if (strcmp(keys[i].section, section) != 0)
            continue;
        /* A third of the letters may be wrong; a part that matches counts as a near miss. */
        if (far > known.size / 3 && !is_part(name, known) && !is_part(known, name))
            continue;
        if (far < least) {
            least = far;
            best = &keys[i];
        }
    }
    return best;
}
