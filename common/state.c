#include "common/state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *word;
    bool has_ended;
} states[] = {
    [STATE_PENDING] = {"pending", false},    [STATE_RUNNING] = {"running", false},
    [STATE_RETRY] = {"retry", false},        [STATE_DONE] = {"done", true},
    [STATE_DEAD] = {"dead", true},           [STATE_SKIPPED] = {"skipped", true},
    [STATE_CANCELLED] = {"cancelled", true},
};
static_assert(sizeof states / sizeof states[0] == STATE_COUNT, "every state has its word");

const char *state_word(enum state state)
{
    return state < STATE_COUNT ? states[state].word : "unknown";
}

enum state state_from_word(const char *word)
{
    enum state state = STATE_PENDING;

    while (state < STATE_COUNT && strcmp(states[state].word, word) != 0)
        state++;
    return state;
}

bool state_has_ended(enum state state)
{
    return state < STATE_COUNT && states[state].has_ended;
}
