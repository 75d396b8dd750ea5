#include "processor/environment.h"

#include <assert.h>
#include <string.h>

static const struct environment_row rows[] = {
    [ENVIRONMENT_SENDER] = {"SENDER", "envelope sender; empty for the null sender"},
    [ENVIRONMENT_RECIPIENT] = {"RECIPIENT", "envelope recipient"},
    [ENVIRONMENT_ORIGINAL_RECIPIENT] = {"ORIGINAL_RECIPIENT", "the same; mailmill rewrites no address"},
    [ENVIRONMENT_LOCAL] = {"LOCAL", "recipient's local part"},
    [ENVIRONMENT_EXTENSION] = {"EXTENSION", "what stands behind the + in the local part, where the route has no +"},
    [ENVIRONMENT_EXT] = {"EXT", "the same as EXTENSION"},
    [ENVIRONMENT_DOMAIN] = {"DOMAIN", "recipient's domain"},
    [ENVIRONMENT_HOST] = {"HOST", "the same as DOMAIN"},
    [ENVIRONMENT_CLIENT_ADDRESS] = {"CLIENT_ADDRESS", "IP address of the sending host, or local"},
    [ENVIRONMENT_CLIENT_HELO] = {"CLIENT_HELO", "the name it gave in HELO or EHLO"},
    [ENVIRONMENT_CLIENT_PROTOCOL] = {"CLIENT_PROTOCOL",
                                     "SMTP, ESMTP, UTF8SMTP, the last two also with an S for TLS; or local"},
    [ENVIRONMENT_HEADER_SUBJECT] = {"HEADER_SUBJECT", "decoded Subject"},
    [ENVIRONMENT_HEADER_FROM] = {"HEADER_FROM", "decoded From"},
    [ENVIRONMENT_HEADER_TO] = {"HEADER_TO", "decoded To"},
    [ENVIRONMENT_HEADER_DATE] = {"HEADER_DATE", "Date"},
    [ENVIRONMENT_HEADER_REPLY_TO] = {"HEADER_REPLY_TO", "decoded Reply-To"},
    [ENVIRONMENT_HEADER_MESSAGE_ID] = {"HEADER_MESSAGE_ID", "Message-ID"},
    [ENVIRONMENT_HEADER_LIST_ID] = {"HEADER_LIST_ID", "List-Id"},
    [ENVIRONMENT_MAILMILL_ID] = {"MAILMILL_ID", "the message's ID"},
    [ENVIRONMENT_MAILMILL_DELIVERY] = {"MAILMILL_DELIVERY", "stable key of this delivery: the same in each attempt"},
    [ENVIRONMENT_MAILMILL_ROUTE] = {"MAILMILL_ROUTE", "the route's address"},
    [ENVIRONMENT_MAILMILL_HANDLER] = {"MAILMILL_HANDLER", "the handler's name"},
    [ENVIRONMENT_MAILMILL_ATTEMPT] = {"MAILMILL_ATTEMPT", "number of this attempt, from 1"},
    [ENVIRONMENT_MAILMILL_REPLAY] = {"MAILMILL_REPLAY", "1 when the operator asked for it again, else 0"},
    [ENVIRONMENT_MAILMILL_COALESCED] = {"MAILMILL_COALESCED", "how many messages share this run; 1 when it is alone"},
    [ENVIRONMENT_MAILMILL_TLS] = {"MAILMILL_TLS", "TLS protocol and cipher; empty without TLS"},
    [ENVIRONMENT_MAILMILL_AUTO_REPLY_OK] = {"MAILMILL_AUTO_REPLY_OK",
                                            "1 when an automatic reply may be sent, else 0"},
    [ENVIRONMENT_MAILMILL_REASON] = {"MAILMILL_REASON", "of an on-dead program: why the message is dead"},
    [ENVIRONMENT_USER] = {"USER", "the user that the handler runs as"},
    [ENVIRONMENT_LOGNAME] = {"LOGNAME", "the same as USER"},
    [ENVIRONMENT_HOME] = {"HOME", "that user's home folder"},
    [ENVIRONMENT_SHELL] = {"SHELL", "always /bin/sh"},
    [ENVIRONMENT_PATH] = {"PATH", "the system's program folders"},
    [ENVIRONMENT_LANG] = {"LANG", "always C.UTF-8"},
    [ENVIRONMENT_TZ] = {"TZ", "as mailmill-processor has it; absent where it has none"},
    [ENVIRONMENT_MAILMILL_RUN] = {"MAILMILL_RUN", "marks the processes of one run, so that none outlives it"},
};
static_assert(sizeof rows / sizeof rows[0] == ENVIRONMENT_COUNT, "every name has its row");

const struct environment_row *environment_rows(void)
{
    return rows;
}

void environment_start(struct environment *environment)
{
    environment->buf = buf_over(environment->storage, sizeof environment->storage);
}

void environment_put(struct environment *environment, enum environment_name name, struct span value)
{
    buf_put_text(&environment->buf, rows[name].name);
    buf_put_byte(&environment->buf, '=');
    buf_put(&environment->buf, span_slice(value, 0, span_find(value, '\0')));
    buf_put_byte(&environment->buf, '\0');
}

bool environment_is_of_message(struct span entry)
{
    struct span name = span_slice(entry, 0, span_find(entry, '='));

    for (size_t i = 0; name.size < entry.size && i < ENVIRONMENT_OF_MESSAGE_END; i++)
        if (span_equal(name, span_text(rows[i].name)))
            return true;
    return false;
}

int environment_take(struct environment *environment, struct span texts, struct err *err)
{
    environment_start(environment);
    while (texts.size > 0) {
        size_t size = span_find(texts, '\0');

        if (size == texts.size || !environment_is_of_message(span_slice(texts, 0, size)))
            return err_set(err, ERR_PROTOCOL, "the main half sent an environment name that is not its own");
        buf_put(&environment->buf, span_slice(texts, 0, size + 1));
        texts = span_slice(texts, size + 1, texts.size);
    }
    return 0;
}

int environment_entries(struct environment *environment, char **entries)
{
    struct buf *buf = &environment->buf;
    int count = 0;

    for (size_t at = 0; at < buf->size; at += strlen(buf->data + at) + 1) {
        if (count == ENVIRONMENT_COUNT)
            return -1;
        entries[count++] = buf->data + at;
    }
    entries[count] = NULL;
    return count;
}
