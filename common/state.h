/* The words for where a delivery stands, declared once for code, database, command line and messages. */
#ifndef COMMON_STATE_H
#define COMMON_STATE_H

#include <stdbool.h>

enum state {
    STATE_PENDING,   /* waits for its turn, or for the handler before it */
    STATE_RUNNING,   /* its handler runs now */
    STATE_RETRY,     /* failed, will be tried again */
    STATE_DONE,      /* succeeded */
    STATE_DEAD,      /* failed for good */
    STATE_SKIPPED,   /* need not run any more */
    STATE_CANCELLED, /* called off by the operator */
    STATE_COUNT,
};

/* The word, as in the database. */
const char *state_word(enum state state);
/* The state of a word; STATE_COUNT when it is none. */
enum state state_from_word(const char *word);
/* Nothing more will happen by itself. */
bool state_has_ended(enum state state);

#endif
