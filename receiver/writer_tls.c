#include "receiver/writer_tls.h"

#include <string.h>
#include <unistd.h>

#include "common/log.h"

void writer_tls_init(struct writer_tls *tls, const struct config *config)
{
    *tls = (struct writer_tls){.starttls = {config, -1}, .link = {.control = -1}};
}

void writer_tls_leave_starter(struct writer *writer)
{
    struct err err = {0};

    if (!writer->offers_tls || writer->tls.was_asked_for || writer->tls.starttls.starter >= 0)
        return;
    if (starttls_leave_starter(&writer->tls.starttls, &err) != 0)
        log_say(LOG_WARNING, "no STARTTLS after the first message: %s", err.text);
}

bool writer_tls_may_start(const struct writer *writer)
{
    return writer->offers_tls && !writer->tls.was_asked_for && writer->tls.passed_count == 2;
}

int writer_tls_start(struct writer *writer, int *stream, struct err *err)
{
    struct writer_tls *tls = &writer->tls;

    tls->was_asked_for = true;
    return starttls_start(&tls->starttls, tls->passed, stream, &tls->link, err);
}

void writer_tls_close_passed(struct writer_tls *tls)
{
    for (size_t i = 0; i < tls->passed_count; i++)
        (void)close(tls->passed[i]);
    tls->passed_count = 0;
}

int writer_tls_fill_in(struct writer *writer, struct err *err)
{
    const char *protocol = writer->envelope.client_protocol;
    bool claimed = protocol[strlen(protocol) - 1] == 'S'; /* RFC 3848: ESMTPS, UTF8SMTPS */

    /* What the session has received over TLS was sent after this word. */
    starttls_hear(&writer->tls.link, writer->client, 0);
    memcpy(writer->envelope.tls, writer->tls.link.tls, sizeof writer->envelope.tls);
    if (claimed != (writer->envelope.tls[0] != '\0'))
        return err_set(err, ERR_PROTOCOL, "the session says %s, and mailmill-tls \"%s\"", protocol,
                       writer->envelope.tls);
    return 0;
}

void writer_tls_end(struct writer *writer, bool patience)
{
    starttls_hear(&writer->tls.link, writer->client, patience ? STARTTLS_END_MS : 0);
    starttls_close(&writer->tls.link);
}
