/*
 * Whether to offer STARTTLS to the client that has just come.
 *
 *     struct starttls_offer offer = {.config = &config};
 *     offers_tls = starttls_is_offered(&offer);                  for one client
 *
 *     starttls_find_out(&offer)                                  before it, in a process that stays: for each client
 *
 * Costs a few looks at files, and loads nothing. Why it is not offered goes to the log, once as long as it is the
 * same.
 */
#ifndef RECEIVER_STARTTLS_OFFER_H
#define RECEIVER_STARTTLS_OFFER_H

#include <stdbool.h>

#include "common/config.h"
#include "receiver/starttls_verdict.h"

struct starttls_offer {
    const struct config *config;

    /* Private to the module. */
    char tried[STARTTLS_PAIR_SIZE]; /* the pair that was found out about last, whatever came of it */
    char said[ERR_TEXT_SIZE];       /* the last reason that went to the log */
};

/*
 * False without a certificate; when it or its key can't be read; and when the pair is known not to do now
 * (receiver/starttls_verdict.h). A pair of which nothing is known is offered.
 */
bool starttls_is_offered(struct starttls_offer *offer);

/* Has mailmill-tls look at a pair of which nothing is known, and waits for it: a few milliseconds, once a pair. */
void starttls_find_out(struct starttls_offer *offer);

#endif
