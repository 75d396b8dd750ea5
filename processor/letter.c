#include "processor/letter.h"

#include <unistd.h>

#include "processor/reply.h"

const char *letter_refusal(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms,
                           struct err *err)
{
    struct reply_question question = {.config = context->config,
                                      .sender = &attempt->delivery.sender,
                                      .to = &attempt->reply_to,
                                      .headers = &attempt->delivery.headers};

    err->kind = ERR_NONE;
    reply_destination(&attempt->delivery.sender, attempt->delivery.headers.reply_to, &attempt->reply_to);
    if (ledger_replies(context->index, attempt->reply_to.text, now_ms, &question.recent, err) != 0)
        return NULL;
    return reply_refusal(&question);
}

int letter_compose(const struct attempt_context *context, struct attempt *attempt, int64_t now_ms, struct err *err)
{
    static struct message_reply reply;
    const struct reply_source source = {.delivery = attempt->key,
                                        .replay = attempt->delivery.replay,
                                        .hostname = context->config->hostname,
                                        .recipient = &attempt->delivery.address,
                                        .to = &attempt->reply_to,
                                        .headers = &attempt->delivery.headers,
                                        .now_ms = now_ms};

    if (attempt->asked || message_is_busy(context->helper))
        return 0;
    attempt_close_fd(&attempt->composed);
    attempt->composed = outbox_create(context->outbox, attempt->key, err);
    if (attempt->composed < 0 || reply_prepare(&reply, &source, err) != 0 ||
        message_ask_compose(context->helper, attempt->number, &reply, attempt->whole, attempt->composed, err) != 0)
        return -1;
    attempt->asked = true;
    return 0;
}

int letter_composed(const struct attempt_context *context, struct attempt *attempt,
                    const struct message_answer *answer, struct err *err)
{
    attempt_close_fd(&attempt->whole);
    if (answer->kind == MESSAGE_FAILED) {
        *err = answer->err;
        return -1;
    }
    if (outbox_publish(context->outbox, attempt->key, attempt->composed, err) != 0)
        return -1;
    attempt_close_fd(&attempt->composed);
    attempt->keep_output = true;
    return 0;
}

int letter_send(const struct attempt_context *context, struct attempt *attempt, struct err *err)
{
    static struct environment environment;
    int message = outbox_read(context->outbox, attempt->key, err);
    int status;

    if (message < 0)
        return -1;
    environment_start(&environment);
    environment_put(&environment, ENVIRONMENT_MAILMILL_ID, span_text(attempt->delivery.message_id));
    environment_put(&environment, ENVIRONMENT_MAILMILL_DELIVERY, span_text(attempt->key));
    status = attempt_launch(attempt, context->launcher, LAUNCH_SENDMAIL, message, &environment, err);
    (void)close(message);
    return status;
}
