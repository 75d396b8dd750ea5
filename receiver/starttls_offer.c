#include "receiver/starttls_offer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/starttls.h"

static int can_read(const char *path, struct err *err)
{
    return access(path, R_OK) == 0 ? 0 : err_system(err, "%s", path);
}

static int would_do(const struct config *config, struct err *err)
{
    char pair[STARTTLS_PAIR_SIZE];
    struct starttls_verdict verdict;

    if (can_read(config->certificate, err) != 0 || can_read(config->key, err) != 0)
        return -1;
    starttls_pair_name(config, pair);
    if (!starttls_verdict_find(config, pair, &verdict))
        return 0;
    return starttls_verdict_judge(&verdict, config->certificate, clock_now_ms() / 1000, err);
}

bool starttls_is_offered(struct starttls_offer *offer)
{
    struct err err;

    if (offer->config->certificate == NULL)
        return false;
    if (would_do(offer->config, &err) == 0) {
        offer->said[0] = '\0';
        return true;
    }
    if (strcmp(offer->said, err.text) != 0)
        log_say(LOG_ERR, "STARTTLS is not offered: %s", err.text);
    snprintf(offer->said, sizeof offer->said, "%s", err.text);
    return false;
}

void starttls_find_out(struct starttls_offer *offer)
{
    char pair[STARTTLS_PAIR_SIZE];
    struct starttls_verdict verdict;
    struct err err;

    if (offer->config->certificate == NULL)
        return;
    starttls_pair_name(offer->config, pair);
    if (pair[0] == '\0' || strcmp(pair, offer->tried) == 0)
        return;
    snprintf(offer->tried, sizeof offer->tried, "%s", pair);
    if (starttls_verdict_find(offer->config, pair, &verdict))
        return;
    if (starttls_look(offer->config, &err) != 0)
        log_say(LOG_WARNING, "whether STARTTLS will work is not known: %s", err.text);
}
