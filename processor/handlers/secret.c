#include "processor/handlers/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIZE = 64 * 1024 };

static int check_rights(int fd, const char *path, struct err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return err_system(err, "%s", path);
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_PERMANENT, "%s is no file", path);
    if ((status.st_mode & (S_IWGRP | S_IRWXO)) != 0)
        return err_set(err, ERR_PERMANENT, "%s is no secret, as others may read or write it: chmod 600 (or 640)",
                       path);
    return 0;
}

static int read_all(struct secret *secret, int fd, const char *path, struct err *err)
{
    ssize_t got;

    while (secret->size < sizeof secret->bytes &&
           (got = read(fd, secret->bytes + secret->size, sizeof secret->bytes - secret->size)) != 0) {
        if (got < 0 && errno != EINTR)
            return err_system(err, "%s", path);
        secret->size += got < 0 ? 0 : (size_t)got;
    }
    if (secret->size > 0 && secret->bytes[secret->size - 1] == '\n')
        secret->size--;
    if (secret->size == 0)
        return err_set(err, ERR_PERMANENT, "%s is empty: put a secret into it", path);
    if (secret->size > SECRET_SIZE_MAX)
        return err_set(err, ERR_PERMANENT, "%s is longer than %d bytes", path, SECRET_SIZE_MAX);
    return 0;
}

int secret_read(struct secret *secret, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int status;

    secret->size = 0;
    if (fd < 0)
        return err_system(err, "%s", path);
    status = check_rights(fd, path, err) == 0 && read_all(secret, fd, path, err) == 0 ? 0 : -1;
    (void)close(fd);
    if (status != 0)
        secret_forget(secret);
    return status;
}

void secret_forget(struct secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}

static int sign_file(GHmac *hmac, int fd, struct err *err)
{
    unsigned char chunk[CHUNK_SIZE];
    off_t at = 0;
    ssize_t got;

    while ((got = pread(fd, chunk, sizeof chunk, at)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "reading what is to be signed");
        g_hmac_update(hmac, chunk, got);
        at += got;
    }
    return 0;
}

int secret_sign(const struct secret *secret, const char *prefix, int fd, char signature[static SECRET_SIGNATURE_SIZE],
                struct err *err)
{
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, secret->bytes, secret->size);
    int status;

    g_hmac_update(hmac, (const unsigned char *)prefix, (gssize)strlen(prefix));
    status = sign_file(hmac, fd, err);
    snprintf(signature, SECRET_SIGNATURE_SIZE, "%s", g_hmac_get_string(hmac));
    g_hmac_unref(hmac);
    return status;
}
