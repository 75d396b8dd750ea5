#include "processor/handlers/post_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "processor/handlers/take.h"
#include "processor/parts_json.h"
#include "processor/scratch.h"

const struct post_envelope post_envelope[] = {
    {"MAILMILL_ID", "id", "X-Mailmill-Id"},
    {"MAILMILL_DELIVERY", "delivery", "X-Mailmill-Delivery"},
    {"MAILMILL_ATTEMPT", "attempt", "X-Mailmill-Attempt"},
    {"SENDER", "sender", "X-Mailmill-Sender"},
    {"RECIPIENT", "recipient", "X-Mailmill-Recipient"},
    {"EXTENSION", "extension", "X-Mailmill-Extension"},
    {"CLIENT_ADDRESS", "client_address", "X-Mailmill-Client-Address"},
    {"CLIENT_HELO", "client_helo", "X-Mailmill-Client-Helo"},
    {"CLIENT_PROTOCOL", "client_protocol", "X-Mailmill-Client-Protocol"},
    {"MAILMILL_TLS", "tls", "X-Mailmill-Tls"},
    {NULL, NULL, NULL},
};

static void write_envelope(struct json *json)
{
    json_open(json, "envelope", '{');
    for (const struct post_envelope *row = post_envelope; row->variable != NULL; row++) {
        const char *value = getenv(row->variable);

        json_text(json, row->member, span_text(value == NULL ? "" : value));
    }
    json_close(json);
}

static int write_object(FILE *out, struct parts *parts, struct err *err)
{
    struct parts_files files = {0};
    struct json json = {.out = out};

    json_open(&json, NULL, '{');
    write_envelope(&json);
    if (parts_write_json(&json, parts, &files, err) != 0)
        return -1;
    json_close(&json);
    return 0;
}

/* Writes by a stream of its own, as the descriptor has to stay. */
static int write_body(int body, struct parts *parts, struct err *err)
{
    int copy = fcntl(body, F_DUPFD_CLOEXEC, 3);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    int status;

    if (out == NULL) {
        if (copy >= 0)
            (void)close(copy);
        return err_system(err, "a scratch file");
    }
    status = write_object(out, parts, err);
    if (status == 0 && ferror(out) != 0)
        status = err_system(err, "a scratch file");
    if (fclose(out) != 0 && status == 0)
        status = err_system(err, "a scratch file");
    return status;
}

int post_body_json(int message, int *body, struct err *err)
{
    static struct parts parts;
    int status;

    if (scratch_open(body, err) != 0 || take_apart(message, &parts, err) != 0)
        return -1;
    status = write_body(*body, &parts, err);
    parts_close(&parts);
    return status;
}
