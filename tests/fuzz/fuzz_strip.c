/*
 * strip-diff and list-filter over a whole message: what they write can be read again, holds nothing to leave out any
 * more, and has its tag once.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/handlers/judge.h"
#include "processor/handlers/strip.h"
#include "processor/mime/charset.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return charset_open_all() == 0;
}

static int make_file(void)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    if (fd < 0)
        abort();
    return fd;
}

static void check_strip(int message)
{
    static const struct shorten_rules rules = {.skips = {"*.js"}, .skip_count = 1, .max_lines = 5};
    struct shorten_sum sum = {0};
    struct err err = {0};
    int output = make_file();
    int status = strip_message(message, output, &rules, &sum, &err);
    off_t size = lseek(output, 0, SEEK_END);

    if ((status != 0 && err.kind != ERR_PERMANENT) || (status == 0 && (size > 0) != (sum.skipped + sum.cut > 0)))
        abort();
    (void)close(output);
}

static void check_judge(int message)
{
    static struct rules rules;
    struct judge_verdict verdict;
    struct err err = {0};
    int output = make_file(), again = make_file();

    rules.count = 0;
    if (rules_add(&rules, RULES_TAG, "*: *", "[t\xc3\xa4g]", &err) != 0 ||
        rules_add_body(&rules, RULES_DROP, "*drop*", NULL, &err) != 0)
        abort();
    if (judge_message(message, output, &rules, &verdict, &err) == 0) {
        if (verdict.is_changed && (judge_message(output, again, &rules, &verdict, &err) != 0 || verdict.is_changed))
            abort();
    } else if (err.kind != ERR_PERMANENT) {
        abort();
    }
    (void)close(output);
    (void)close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int message = make_file();

    if (write(message, data, size) != (ssize_t)size)
        abort();
    check_strip(message);
    check_judge(message);
    (void)close(message);
    return 0;
}
