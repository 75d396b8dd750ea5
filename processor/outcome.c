#include "processor/outcome.h"

#include <stdio.h>
#include <string.h>

#include "common/config.h"

/*
 * sysexits(3) where it has a word; 99, 100 and 111 are those of qmail-command(8). A program that can say that it does
 * not want the message works; one that can't find what it needs does not, whatever the message.
 */
static const struct outcome_row rows[] = {
    {0, 0, VERDICT_DONE, BREAKER_WORKED, ""},
    {64, 64, VERDICT_DEAD, BREAKER_FAILED, "wrong usage of the program"},
    {65, 65, VERDICT_DEAD, BREAKER_WORKED, "the message is not what it wants"},
    {66, 66, VERDICT_DEAD, BREAKER_FAILED, "an input is missing"},
    {67, 67, VERDICT_DEAD, BREAKER_WORKED, "an unknown user"},
    {68, 68, VERDICT_DEAD, BREAKER_WORKED, "an unknown host"},
    {69, 69, VERDICT_DEAD, BREAKER_FAILED, "a service is not there"},
    {70, 70, VERDICT_DEAD, BREAKER_FAILED, "an internal error of the program"},
    {71, 71, VERDICT_RETRY, BREAKER_FAILED, "trouble with the system"},
    {72, 72, VERDICT_DEAD, BREAKER_FAILED, "a system file is missing"},
    {73, 73, VERDICT_RETRY, BREAKER_FAILED, "cannot create a file"},
    {74, 74, VERDICT_RETRY, BREAKER_FAILED, "an input or output error"},
    {75, 75, VERDICT_RETRY, BREAKER_FAILED, "try again later"},
    {76, 76, VERDICT_DEAD, BREAKER_FAILED, "a protocol error"},
    {77, 77, VERDICT_DEAD, BREAKER_FAILED, "permission denied"},
    {78, 78, VERDICT_DEAD, BREAKER_FAILED, "a configuration error"},
    {99, 99, VERDICT_SKIP, BREAKER_WORKED, "done, skip the handlers after it"},
    {100, 100, VERDICT_DEAD, BREAKER_WORKED, "failed for good"},
    {111, 111, VERDICT_RETRY, BREAKER_FAILED, "try again later"},
    {112, 112, VERDICT_DEAD, BREAKER_WORKED, "failed for good"},
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
    struct outcome outcome = {.verdict = VERDICT_RETRY, .says = BREAKER_FAILED};
    const char *words = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (code >= rows[i].first && code <= rows[i].last) {
            outcome.verdict = rows[i].verdict;
            outcome.says = rows[i].says;
            words = rows[i].words;
        }
    if (overrides != NULL && code >= 0 && code < 256 && overrides[code] != CONFIG_EXIT_DEFAULT) {
        outcome.verdict = verdicts[overrides[code]];
        /* A code that is made to mean "dead" says of the program what it said before. */
        if (outcome.verdict != VERDICT_DEAD)
            outcome.says = outcome.verdict == VERDICT_RETRY ? BREAKER_FAILED : BREAKER_WORKED;
        words = "as set by exit-codes";
    }
    if (code != 0)
        snprintf(outcome.detail, sizeof outcome.detail, "exit code %lld%s%s", (long long)code,
                 *words == '\0' ? "" : ": ", words);
    return outcome;
}

struct outcome outcome_of(enum run_end end, int64_t number, const uint8_t *overrides)
{
    struct outcome outcome = {.verdict = VERDICT_RETRY, .says = BREAKER_FAILED};
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
        outcome.says = BREAKER_SILENT;
        snprintf(outcome.detail, sizeof outcome.detail, "stopped together with the processor");
        break;
    case RUN_TOO_MUCH:
        outcome.verdict = VERDICT_DEAD;
        snprintf(outcome.detail, sizeof outcome.detail, "its output is larger than max-message-size");
        break;
    case RUN_NOT_SAVED:
        outcome.says = BREAKER_SILENT;
        snprintf(outcome.detail, sizeof outcome.detail, "its output could not be kept: %s", strerror((int)number));
        break;
    case RUN_END_COUNT:
        break;
    }
    return outcome;
}
