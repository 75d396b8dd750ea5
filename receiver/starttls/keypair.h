/*
 * A certificate and its key, read and held to what a client would hold them to: they match, and the certificate is
 * valid today.
 *
 *     struct tls *server = keypair_load(certificate, key, &verdict, &err);     a libtls server context
 *     tls_free(server);
 */
#ifndef RECEIVER_STARTTLS_KEYPAIR_H
#define RECEIVER_STARTTLS_KEYPAIR_H

#include <tls.h>

#include "common/err.h"
#include "receiver/starttls_verdict.h"

/*
 * Reads both files, in PEM; the certificate's chain stands behind it. Gives a context for TLS 1.2 and 1.3, the
 * caller's to free, or NULL; the text of the error names the file. From then on no file is needed. `verdict` is what
 * can be said of the pair at any time, unless there is an error that is not permanent: then nothing is known of it.
 */
struct tls *keypair_load(const char *certificate, const char *key, struct starttls_verdict *verdict, struct err *err);

#endif
