/*
 * What is known of the certificate and its key. To find out takes libcrypto, which costs more than a connection; so
 * whatever mailmill-tls finds is kept in a file beside the index, with what tells these two files from others: their
 * numbers, sizes and times. A pair that was renewed is another pair, of which nothing is known.
 *
 *     starttls_pair_name(config, pair)                                  before the files are read
 *     starttls_verdict_keep(config, pair, &verdict, &err)               what came of it
 *
 *     if (starttls_verdict_find(config, pair, &verdict) &&
 *         starttls_verdict_judge(&verdict, config->certificate, now_s, &err) != 0)
 *         STARTTLS would fail, and err says why
 *
 * A file that is damaged says nothing, and is replaced by the next verdict. Losing it does no harm.
 */
#ifndef RECEIVER_STARTTLS_VERDICT_H
#define RECEIVER_STARTTLS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"

enum {
    STARTTLS_PAIR_SIZE = 256,    /* a pair's name, with its NUL */
    STARTTLS_VERDICT_MAX = 1024, /* bytes of the file */
};

struct starttls_verdict {
    int64_t from_s, until_s;    /* when the certificate is valid, the end left out; seconds since 1970 */
    char reason[ERR_TEXT_SIZE]; /* why the pair won't do at any time; empty: it will */
};

/* Empty when the files can't be looked at. */
void starttls_pair_name(const struct config *config, char pair[static STARTTLS_PAIR_SIZE]);

/* 0 when the pair will do now; else -1, permanent, and why. */
__attribute__((warn_unused_result)) int starttls_verdict_judge(const struct starttls_verdict *verdict,
                                                               const char *certificate, int64_t now_s,
                                                               struct err *err);

/* Whether this text is the verdict on this pair, and which. */
bool starttls_verdict_read(struct span text, const char *pair, struct starttls_verdict *verdict);
/* The same for what was kept. */
bool starttls_verdict_find(const struct config *config, const char *pair, struct starttls_verdict *verdict);
/* Writes the file, where it does not say the same already. */
__attribute__((warn_unused_result)) int starttls_verdict_keep(const struct config *config, const char *pair,
                                                              const struct starttls_verdict *verdict,
                                                              struct err *err);

#endif
