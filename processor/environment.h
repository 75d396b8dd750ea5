/*
 * The environment of a handler: one table of names, and the values for one attempt.
 *
 *     environment_start(&environment);
 *     environment_put(&environment, ENVIRONMENT_SENDER, sender);
 *     if (environment.buf.overflowed) ...
 *
 * The processor's main half fills in what it knows of the message; the launcher takes only names that the table gives
 * to it, and adds those that belong to the account, so that nobody who takes over the main half can set PATH or
 * LD_PRELOAD. Names are those of Postfix's local(8) with the aliases of qmail-command(8).
 */
#ifndef PROCESSOR_ENVIRONMENT_H
#define PROCESSOR_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum environment_name {
    ENVIRONMENT_SENDER,
    ENVIRONMENT_RECIPIENT,
    ENVIRONMENT_ORIGINAL_RECIPIENT,
    ENVIRONMENT_LOCAL,
    ENVIRONMENT_EXTENSION,
    ENVIRONMENT_EXT,
    ENVIRONMENT_DOMAIN,
    ENVIRONMENT_HOST,
    ENVIRONMENT_CLIENT_ADDRESS,
    ENVIRONMENT_CLIENT_HELO,
    ENVIRONMENT_CLIENT_PROTOCOL,
    ENVIRONMENT_HEADER_SUBJECT,
    ENVIRONMENT_HEADER_FROM,
    ENVIRONMENT_HEADER_TO,
    ENVIRONMENT_HEADER_DATE,
    ENVIRONMENT_HEADER_REPLY_TO,
    ENVIRONMENT_HEADER_MESSAGE_ID,
    ENVIRONMENT_HEADER_LIST_ID,
    ENVIRONMENT_MAILMILL_ID,
    ENVIRONMENT_MAILMILL_DELIVERY,
    ENVIRONMENT_MAILMILL_ROUTE,
    ENVIRONMENT_MAILMILL_HANDLER,
    ENVIRONMENT_MAILMILL_ATTEMPT,
    ENVIRONMENT_MAILMILL_REPLAY,
    ENVIRONMENT_MAILMILL_COALESCED,
    ENVIRONMENT_MAILMILL_TLS,
    ENVIRONMENT_MAILMILL_AUTO_REPLY_OK,
    ENVIRONMENT_MAILMILL_REASON,
    ENVIRONMENT_OF_MESSAGE_END, /* the names from here on are the launcher's */
    ENVIRONMENT_USER = ENVIRONMENT_OF_MESSAGE_END,
    ENVIRONMENT_LOGNAME,
    ENVIRONMENT_HOME,
    ENVIRONMENT_SHELL,
    ENVIRONMENT_PATH,
    ENVIRONMENT_LANG,
    ENVIRONMENT_TZ,
    ENVIRONMENT_MAILMILL_RUN,
    ENVIRONMENT_COUNT,
};

enum { ENVIRONMENT_SIZE = 56 * 1024 };

/* "NAME=value" texts, a NUL after each. */
struct environment {
    struct buf buf;
    char storage[ENVIRONMENT_SIZE];
};

void environment_start(struct environment *environment);
/* Bytes of a value that the table or exec can't take (NUL) end it. */
void environment_put(struct environment *environment, enum environment_name name, struct span value);

/* Whether "NAME=value" has a name that the main half may set. */
bool environment_is_of_message(struct span entry);
/*
 * The launcher's start: takes over what the main half sent, "NAME=value" texts with a NUL after each, name by name.
 * One that is not the main half's, or a text without its NUL, is a protocol error.
 */
__attribute__((warn_unused_result)) int environment_take(struct environment *environment, struct span texts,
                                                         struct err *err);

/*
 * Points `entries` (room for ENVIRONMENT_COUNT + 1) at the texts in `environment`, a NULL behind the last. Gives the
 * number, or -1 when there are more than there can be.
 */
__attribute__((warn_unused_result)) int environment_entries(struct environment *environment, char **entries);

/* The table: a name and one line of help, for manuals and their check. */
struct environment_row {
    const char *name;
    const char *help;
};
const struct environment_row *environment_rows(void);

#endif
