/*
 * Whether the receiver will be able to use its certificate: asked of mailmill-tls itself, so that no program but that
 * one brings a TLS library along.
 *
 *     if (check_tls("/etc/mailmill/fullchain.pem", "/etc/mailmill/privkey.pem", &err) != 0)
 *         ... err.text says which file is wrong, and why
 */
#ifndef PROCESSOR_CHECK_TLS_H
#define PROCESSOR_CHECK_TLS_H

#include "common/err.h"

/* Both readable by this process, in PEM, belonging together, and valid today. */
__attribute__((warn_unused_result)) int check_tls(char *certificate, char *key, struct err *err);

#endif
