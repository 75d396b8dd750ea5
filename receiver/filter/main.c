/*
 * Makes the session's seccomp filter, when mailmill is built: a C array on standard output. The session starts for
 * each connection, and libseccomp is not what it should spend its time with.
 */
#include <linux/filter.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/sandbox.h"
#include "receiver/session.h"

int main(void)
{
    const struct sandbox_profile profile = {.name = "session", .calls = session_calls};
    const struct sock_filter *program;
    struct sandbox sandbox;
    struct err err;

    if (sandbox_prepare(&sandbox, &profile, NULL, 0, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EX_SOFTWARE;
    }
    program = sandbox.filter;
    puts("/* Made by receiver/filter/main.c from session_calls. Include <linux/filter.h> before it. */");
    puts("static const struct sock_filter session_filter[] = {");
    for (size_t i = 0; i < sandbox.filter_size / sizeof *program; i++)
        printf("    {%#x, %u, %u, %#x},\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
    puts("};");
    sandbox_free(&sandbox);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
