/* What is posted as JSON: the envelope from the environment, and what the message is made of, parsed in a sandbox. */
#ifndef PROCESSOR_HANDLERS_POST_BODY_H
#define PROCESSOR_HANDLERS_POST_BODY_H

#include "common/err.h"

/* A row of the envelope: in the environment, in JSON, and as a header where the message goes as it is. */
struct post_envelope {
    const char *variable;
    const char *member;
    const char *header;
};
/* Ends with a NULL variable. */
extern const struct post_envelope post_envelope[];

/* Puts the object for the message into a new scratch file, which is the caller's. */
__attribute__((warn_unused_result)) int post_body_json(int message, int *body, struct err *err);

#endif
