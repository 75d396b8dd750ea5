/*
 * Finding messages in the index: by what an operator typed, or by filters.
 *
 *     struct lookup_filter filter = {.state = "dead", .limit = 50};
 *     lookup_start(&query, &index, &filter, &err);
 *     while ((row = query_next(&query, &err)) == 1)
 *         query_column_text(&query, LOOKUP_SENDER) ...
 */
#ifndef PROCESSOR_COMMAND_LOOKUP_H
#define PROCESSOR_COMMAND_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/index.h"
#include "processor/command/json_column.h"

/* Columns of the statement command_messages. */
enum lookup_column {
    LOOKUP_ID,
    LOOKUP_RECEIVED_MS,
    LOOKUP_STATE, /* a word of common/state.h, or "received" (not taken in yet), or "kept" (has no deliveries) */
    LOOKUP_SENDER,
    LOOKUP_SIZE_BYTES,
    LOOKUP_QUEUED_MS,
    LOOKUP_ENDED_MS,
    LOOKUP_CLIENT_ADDRESS,
    LOOKUP_CLIENT_HELO,
    LOOKUP_CLIENT_PROTOCOL,
    LOOKUP_TLS,
    LOOKUP_SUBJECT,
    LOOKUP_HEADER_FROM,
    LOOKUP_HEADER_TO,
    LOOKUP_HEADER_DATE,
    LOOKUP_HEADER_REPLY_TO,
    LOOKUP_HEADER_MESSAGE_ID,
    LOOKUP_HEADER_LIST_ID,
    LOOKUP_NO_REPLY,
    LOOKUP_GONE_MS,
};

/* Columns of the statement command_deliveries. */
enum lookup_delivery_column {
    DELIVERY_ID,
    DELIVERY_RECIPIENT,
    DELIVERY_ROUTE,
    DELIVERY_HANDLER,
    DELIVERY_STATE,
    DELIVERY_DUE_MS,
    DELIVERY_QUEUED_MS,
    DELIVERY_ENDED_MS,
    DELIVERY_ATTEMPTS,
    DELIVERY_REPLAY,
    DELIVERY_REPLIED_TO,
    DELIVERY_DETAIL,
};

/* Columns of the statement command_attempts. */
enum lookup_attempt_column {
    ATTEMPT_NUMBER,
    ATTEMPT_STARTED_MS,
    ATTEMPT_ENDED_MS,
    ATTEMPT_OUTCOME,
    ATTEMPT_EXIT_CODE,
    ATTEMPT_SIGNAL,
    ATTEMPT_DETAIL,
    ATTEMPT_STDOUT,
    ATTEMPT_STDERR,
};

/* What is NULL is not asked for. All is borrowed, until the query ends. */
struct lookup_filter {
    const char *id; /* the beginning of one, as id_prefix gives it */
    const char *state, *route, *handler;
    const char *sender;  /* an address, "" for the null sender, or "@" and a domain */
    const char *subject; /* a part of it, the case of ASCII letters aside */
    int64_t since_ms;    /* received then or later; 0: whenever */
    int64_t until_ms;    /* received before; 0: whenever */
    int64_t limit;       /* the newest so many; 0 is none */
};

/* Starts the query; rows come oldest first. */
__attribute__((warn_unused_result)) int lookup_start(struct query *query, struct index *index,
                                                     const struct lookup_filter *filter, struct err *err);

/*
 * Starts the query for the IDs of the first messages behind `after` that the filter lets pass (but for its `id`), and
 * that have deliveries: `limit` of them, oldest first. With `is_waiting`, of those that have not ended.
 */
__attribute__((warn_unused_result)) int lookup_choose(struct query *query, struct index *index,
                                                      const struct lookup_filter *filter, const char *after,
                                                      bool is_waiting, struct err *err);

/* Start the queries for a message's deliveries, and for a delivery's attempts; `id` is to stay until the query ends.
 */
__attribute__((warn_unused_result)) int lookup_deliveries(struct query *query, struct index *index, struct span id,
                                                          struct err *err);
__attribute__((warn_unused_result)) int lookup_attempts(struct query *query, struct index *index, int64_t delivery,
                                                        struct err *err);
/* The same for the runs of an on-dead program, with the same columns. */
__attribute__((warn_unused_result)) int lookup_on_dead_runs(struct query *query, struct index *index,
                                                            int64_t delivery, struct err *err);

/* A word that messages or deliveries have as their state. */
bool lookup_is_state(const char *word);

/* The ID of which `typed` is the beginning. Permanent errors: there is none; there are several, which the text names.
 */
__attribute__((warn_unused_result)) int lookup_id(struct index *index, const char *typed, char id[static ID_SIZE],
                                                  struct err *err);

/* Writes what list and show have in common, of the query's row, as members of the object that is open. */
__attribute__((warn_unused_result)) int lookup_json(struct query *query, struct json *json, struct err *err);

/* A word of the row (a state, say) with a NUL behind it. */
enum { LOOKUP_WORD_SIZE = 16 };
void lookup_word(struct query *query, int column, char word[static LOOKUP_WORD_SIZE]);

/* What is shown for an address: "<>" for the null sender. */
struct span lookup_sender(struct span sender);

#endif
