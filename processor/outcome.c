#include "processor/outcome.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"

/* sysexits(3) where it has a word; 99, 100 and 111 are those of qmail-command(8). */
static const struct outcome_row rows[] = {
    {0, 0, VERDICT_DONE, ""},
    {64, 64, VERDICT_DEAD, "wrong usage of the program"},
    {65, 65, VERDICT_DEAD, "the message is not what it wants"},
    {66, 66, VERDICT_DEAD, "an input is missing"},
    {67, 67, VERDICT_DEAD, "an unknown user"},
    {68, 68, VERDICT_DEAD, "an unknown host"},
    {69, 69, VERDICT_DEAD, "a service is not there"},
    {70, 70, VERDICT_DEAD, "an internal error of the program"},
    {71, 71, VERDICT_RETRY, "trouble with the system"},
    {72, 72, VERDICT_DEAD, "a system file is missing"},
    {73, 73, VERDICT_RETRY, "cannot create a file"},
    {74, 74, VERDICT_RETRY, "an input or output error"},
    {75, 75, VERDICT_RETRY, "try again later"},
    {76, 76, VERDICT_DEAD, "a protocol error"},
    {77, 77, VERDICT_DEAD, "permission denied"},
    {78, 78, VERDICT_DEAD, "a configuration error"},
    {99, 99, VERDICT_SKIP, "done, skip the handlers after it"},
    {100, 100, VERDICT_DEAD, "failed for good"},
    {111, 111, VERDICT_RETRY, "try again later"},
    {112, 112, VERDICT_DEAD, "failed for good"},
};

const struct outcome_row *outcome_rows(size_t *count)
{
    *count = sizeof rows / sizeof rows[0];
    return rows;
}

static struct outcome of_exit_code(int64_t code, const uint8_t *overrides)
{
    static const enum verdict verdicts[] = {
        [CONFIG_EXIT_DONE] = VERDICT_DONE,
        [CONFIG_EXIT_SKIP] = VERDICT_SKIP,
        [CONFIG_EXIT_RETRY] = VERDICT_RETRY,
        [CONFIG_EXIT_DEAD] = VERDICT_DEAD,
    };
    /* A code nobody gave a meaning to (1, 2, 255) is most often an uncaught exception: never a reason to lose mail.
     */
    struct outcome outcome = {.verdict = VERDICT_RETRY};
    const char *words = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (code >= rows[i].first && code <= rows[i].last) {
            outcome.verdict = rows[i].verdict;
            words = rows[i].words;
        }
    if (overrides != NULL && code >= 0 && code < 256 && overrides[code] != CONFIG_EXIT_DEFAULT) {
        outcome.verdict = verdicts[overrides[code]];
        words = "as set by exit-codes";
    }
    if (code != 0)
        snprintf(outcome.detail, sizeof outcome.detail, "exit code %lld%s%s", (long long)code,
                 *words == '\0' ? "" : ": ", words);
    return outcome;
}

struct outcome outcome_of(enum run_end end, int64_t number, const uint8_t *overrides)
{
    struct outcome outcome = {.verdict = VERDICT_RETRY};
    const char *name;

    switch (end) {
    case RUN_EXITED:
        return of_exit_code(number, overrides);
    case RUN_SIGNALLED:
        name = sigabbrev_np((int)number);
        snprintf(outcome.detail, sizeof outcome.detail, "killed by signal %lld%s%s", (long long)number,
                 name == NULL ? "" : " SIG", name == NULL ? "" : name);
        break;
    case RUN_TIMED_OUT:
        snprintf(outcome.detail, sizeof outcome.detail, "stopped after its timeout of %lld s",
                 (long long)(number / 1000));
        break;
    case RUN_NOT_STARTED:
        snprintf(outcome.detail, sizeof outcome.detail, "could not be started: %s", strerror((int)number));
        break;
    case RUN_STOPPED:
        snprintf(outcome.detail, sizeof outcome.detail, "stopped together with the processor");
        break;
    case RUN_TOO_MUCH:
        outcome.verdict = VERDICT_DEAD;
        snprintf(outcome.detail, sizeof outcome.detail, "its output is larger than max-message-size");
        break;
    case RUN_NOT_SAVED:
        snprintf(outcome.detail, sizeof outcome.detail, "its output could not be kept: %s", strerror((int)number));
        break;
    case RUN_END_COUNT:
        break;
    }
    return outcome;
}
