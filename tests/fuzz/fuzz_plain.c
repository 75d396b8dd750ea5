/*
 * A header's value that is read plainly is read as GMime reads it. The input is the value; behind a 'd' each byte
 * stands for one of the characters that mean something in addresses, so that few bytes go a long way.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "processor/headers/plain.h"
#include "processor/mime/charset.h"
#include "processor/mime/headers.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return charset_open_all() == 0;
}

static void compare(const char *name, const char *plain, const char *decoded)
{
    if (strcmp(plain, decoded) == 0)
        return;
    (void)fprintf(stderr, "%s:\n  plainly: %s\n  by GMime: %s\n", name, plain, decoded);
    abort();
}

static char *make_value(const uint8_t *data, size_t size)
{
    static const char meaning[] = "  \"\"<<>>@@..,,;:()\\-_'abcA1=?\t\n[&";
    char *value = malloc(size);

    if (value == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        value[i] = data[0] == 'd' ? meaning[data[i] % (sizeof meaning - 1)] : (char)data[i];
    if (size > 0)
        value[0] = ' ';
    return value;
}

/* The same value for a header of each kind, in a message of its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Subject", "From", "Message-ID"};
    static struct message_headers plain;
    static struct message_headers decoded;
    struct err err = {0};
    char *value = make_value(data, size);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = memfd_create("message", MFD_CLOEXEC);

        if (fd < 0 || dprintf(fd, "%s:", names[i]) < 0 || write(fd, value, size) != (ssize_t)size)
            abort();
        memset(&plain, 0, sizeof plain);
        if (block_read(fd, plain_value, NULL, &plain, &err) == 1) {
            if (headers_parse(fd, &decoded, &err) != 0)
                abort();
            compare("subject", plain.subject, decoded.subject);
            compare("from", plain.from, decoded.from);
            compare("to", plain.to, decoded.to);
            compare("message-id", plain.message_id, decoded.message_id);
            compare("no_reply", plain.no_reply, decoded.no_reply);
        }
        (void)close(fd);
    }
    free(value);
    return 0;
}
