#include "receiver/starttls/keypair.h"

#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"

struct file {
    const char *path;
    uint8_t *bytes;
    size_t size;
};

static int read_file(struct file *file, struct err *err)
{
    errno = 0;
    file->bytes = tls_load_file(file->path, &file->size, NULL);
    if (file->bytes != NULL && file->size <= INT_MAX)
        return 0;
    return errno == 0 ? err_set(err, ERR_TEMPORARY, "%.160s can't be read", file->path)
                      : err_system(err, "%.160s", file->path);
}

/* A password is asked of nobody: there is nobody to ask. */
static char no_password[] = "";

static int64_t seconds(const ASN1_TIME *time)
{
    struct tm parts;
    time_t since_1970 = ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : -1;

    return since_1970 < 0 ? 0 : since_1970;
}

static int judge(X509 *certificate, EVP_PKEY *key, const char *certificate_path, const char *key_path,
                 struct starttls_verdict *verdict, struct err *err)
{
    if (certificate == NULL)
        return err_set(err, ERR_PERMANENT, "%.160s holds no certificate in PEM", certificate_path);
    if (key == NULL)
        return err_set(err, ERR_PERMANENT, "%.160s holds no private key in PEM, or one with a password", key_path);
    if (X509_check_private_key(certificate, key) != 1)
        return err_set(err, ERR_PERMANENT, "the key %.160s does not belong to the certificate %.160s", key_path,
                       certificate_path);
    verdict->from_s = seconds(X509_get0_notBefore(certificate));
    verdict->until_s = seconds(X509_get0_notAfter(certificate));
    return 0;
}

/* libtls would say that something is wrong, but not what. The first certificate of the file is ours. */
static int check_pair(const struct file *certificate, const struct file *key, struct starttls_verdict *verdict,
                      struct err *err)
{
    BIO *certificate_text = BIO_new_mem_buf(certificate->bytes, (int)certificate->size);
    BIO *key_text = BIO_new_mem_buf(key->bytes, (int)key->size);
    X509 *x509 = NULL;
    EVP_PKEY *pkey = NULL;
    int status;

    if (certificate_text == NULL || key_text == NULL) {
        status = err_set(err, ERR_TEMPORARY, "no memory for a certificate");
    } else {
        x509 = PEM_read_bio_X509(certificate_text, NULL, NULL, no_password);
        pkey = PEM_read_bio_PrivateKey(key_text, NULL, NULL, no_password);
        status = judge(x509, pkey, certificate->path, key->path, verdict, err);
    }
    EVP_PKEY_free(pkey);
    X509_free(x509);
    BIO_free(key_text);
    BIO_free(certificate_text);
    return status;
}

static int configure(struct tls_config *config, const struct file *certificate, const struct file *key,
                     struct tls *server, struct err *err)
{
    /* Mail that finds no cipher in common goes over the wire in plain: all that TLS 1.2 has left is better than that.
     */
    if (tls_config_set_protocols(config, TLS_PROTOCOL_TLSv1_2 | TLS_PROTOCOL_TLSv1_3) != 0 ||
        tls_config_set_ciphers(config, "compat") != 0 ||
        tls_config_set_keypair_mem(config, certificate->bytes, certificate->size, key->bytes, key->size) != 0)
        return err_set(err, ERR_PERMANENT, "TLS: %s", tls_config_error(config));
    if (tls_configure(server, config) != 0)
        return err_set(err, ERR_PERMANENT, "TLS does not take the certificate %.160s: %s", certificate->path,
                       tls_error(server));
    return 0;
}

static struct tls *make_server(const struct file *certificate, const struct file *key, struct err *err)
{
    struct tls_config *config = tls_config_new();
    struct tls *server = tls_server();
    int status;

    status = config == NULL || server == NULL ? err_set(err, ERR_TEMPORARY, "no memory for TLS")
                                              : configure(config, certificate, key, server, err);
    if (config != NULL) {
        tls_config_clear_keys(config);
        tls_config_free(config); /* the server keeps what it needs of it */
    }
    if (status == 0)
        return server;
    tls_free(server);
    return NULL;
}

/* The dates are left to whoever knows what day it is. */
static struct tls *load(const struct file *certificate, const struct file *key, struct starttls_verdict *verdict,
                        struct err *err)
{
    struct tls *server = NULL;

    if (check_pair(certificate, key, verdict, err) == 0)
        server = make_server(certificate, key, err);
    if (server == NULL)
        snprintf(verdict->reason, sizeof verdict->reason, "%s", err->text);
    return server;
}

struct tls *keypair_load(const char *certificate_path, const char *key_path, struct starttls_verdict *verdict,
                         struct err *err)
{
    struct file certificate = {.path = certificate_path};
    struct file key = {.path = key_path};
    struct tls *server = NULL;

    *verdict = (struct starttls_verdict){.until_s = INT64_MAX};
    if (tls_init() != 0)
        err_set(err, ERR_TEMPORARY, "libtls does not start");
    else if (read_file(&certificate, err) == 0 && read_file(&key, err) == 0)
        server = load(&certificate, &key, verdict, err);
    if (server != NULL && starttls_verdict_judge(verdict, certificate_path, clock_now_ms() / 1000, err) != 0) {
        tls_free(server);
        server = NULL;
    }
    tls_unload_file(certificate.bytes, certificate.size);
    tls_unload_file(key.bytes, key.size); /* overwritten first */
    return server;
}
