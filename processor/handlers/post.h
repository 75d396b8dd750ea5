/*
 * One POST by HTTP, of a file, with the headers that web hooks have: an idempotency key, a signature, the envelope.
 *
 *     struct post post = {.url = url, .body = fd, .content_type = "application/json", .timeout_s = 30};
 *     post_send(&post, &answer, &err)
 *
 * Certificates are verified, redirections are not followed, and proxies named in the environment are not used.
 */
#ifndef PROCESSOR_HANDLERS_POST_H
#define PROCESSOR_HANDLERS_POST_H

#include "common/err.h"
#include "processor/handlers/secret.h"

enum { POST_TEXT_SIZE = 513, POST_LOCATION_SIZE = 257 };

struct post {
    const char *url; /* http:// or https:// */
    int body;        /* a file, from its beginning */
    const char *content_type;
    const char *ca_file;         /* NULL: the system's authorities */
    const struct secret *secret; /* NULL: not signed */
    long timeout_s;
};

struct post_answer {
    long status;                       /* of HTTP */
    long long retry_after_s;           /* 0: it says nothing of that */
    char location[POST_LOCATION_SIZE]; /* where a redirection points to */
    char text[POST_TEXT_SIZE];         /* the first bytes of what it says; control characters are spaces */
};

/*
 * 0: there is an answer, whichever. Temporary: there is none. Permanent: it could not even be tried, as the URL or
 * the file of authorities is no good.
 */
__attribute__((warn_unused_result)) int post_send(const struct post *post, struct post_answer *answer,
                                                  struct err *err);

#endif
