#include "receiver/writer_tls.h"

#include <string.h>
#include <unistd.h>

#include "common/log.h"

void writer_tls_init(struct writer_tls *tls)
{
    *tls = (struct writer_tls){.link = {.control = -1}};
}

void writer_tls_leave_starter(const struct writer_tls *tls, struct starttls *starttls)
{
    struct err err = {0};

    if (starttls->config == NULL || tls->was_asked_for || starttls->starter >= 0)
        return;
    if (starttls_leave_starter(starttls, &err) != 0)
        log_say(LOG_WARNING, "no STARTTLS after the first message: %s", err.text);
}

int writer_tls_start(struct writer_tls *tls, const struct starttls *starttls, int *stream, struct err *err)
{
    if (starttls->config == NULL || tls->was_asked_for || tls->passed_count != 2)
        return err_set(err, ERR_PROTOCOL, "the session asked for TLS and must not");
    tls->was_asked_for = true;
    return starttls_start(starttls, tls->passed, stream, &tls->link, err);
}

void writer_tls_close_passed(struct writer_tls *tls)
{
    for (size_t i = 0; i < tls->passed_count; i++)
        (void)close(tls->passed[i]);
    tls->passed_count = 0;
}

int writer_tls_fill_in(struct writer_tls *tls, const char *client, struct envelope *envelope, struct err *err)
{
    const char *protocol = envelope->client_protocol;
    bool claimed = protocol[strlen(protocol) - 1] == 'S'; /* RFC 3848: ESMTPS, UTF8SMTPS */

    /* What the session has received over TLS was sent after this word. */
    starttls_hear(&tls->link, client, 0);
    memcpy(envelope->tls, tls->link.tls, sizeof envelope->tls);
    if (claimed != (envelope->tls[0] != '\0'))
        return err_set(err, ERR_PROTOCOL, "the session says %s, and mailmill-tls \"%s\"", protocol, envelope->tls);
    return 0;
}

void writer_tls_end(struct writer_tls *tls, const char *client, int wait_ms)
{
    starttls_hear(&tls->link, client, wait_ms);
    starttls_close(&tls->link);
}
