#include "processor/handlers/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "processor/handlers/post_body.h"

enum { HEADER_SIZE = 5 * 1024, SERVER_SIZE = 300 };

/* A transfer, with all that has to live as long. */
struct transfer {
    const struct post *post;
    off_t at;   /* in the body */
    off_t size; /* of the body */
    struct buf text;
    CURL *curl;
    struct curl_slist *headers;
    char reason[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls ---- */

static size_t read_body(char *to, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    ssize_t got;

    do
        got = pread(transfer->post->body, to, size * count, transfer->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return CURL_READFUNC_ABORT;
    transfer->at += got;
    return (size_t)got;
}

static int seek_body(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_FAIL;
    transfer->at = (off_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* Keeps the first bytes of an answer. When there is no room for more, the transfer ends: its status is known. */
static size_t keep_text(char *from, size_t size, size_t count, void *context)
{
    struct buf *text = context;

    (void)size; /* 1 */
    for (size_t i = 0; i < count; i++)
        buf_put_byte(text, (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i]);
    return text->overflowed ? CURL_WRITEFUNC_ERROR : count;
}

/* ---- headers ---- */

static int add_line(struct transfer *transfer, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);

    if (longer == NULL)
        return err_set(err, ERR_TEMPORARY, "no memory for a header");
    transfer->headers = longer;
    return 0;
}

/* Values are the sender's word: no line's end gets through. libcurl writes "Name;" as a header without a value. */
static int add_header(struct transfer *transfer, const char *name, const char *value, struct err *err)
{
    char line[HEADER_SIZE];

    if (value == NULL || value[0] == '\0')
        (void)snprintf(line, sizeof line, "%s;", name);
    else
        (void)snprintf(line, sizeof line, "%s: %s", name, value);
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    return add_line(transfer, line, err);
}

static int add_signature(struct transfer *transfer, struct err *err)
{
    char hex[SECRET_SIGNATURE_SIZE], signature[SECRET_SIGNATURE_SIZE + 8], time[32], prefix[33];

    if (transfer->post->secret == NULL)
        return 0;
    snprintf(time, sizeof time, "%lld", (long long)(clock_now_ms() / 1000));
    snprintf(prefix, sizeof prefix, "%s.", time);
    if (secret_sign(transfer->post->secret, prefix, transfer->post->body, hex, err) != 0)
        return -1;
    snprintf(signature, sizeof signature, "sha256=%s", hex);
    if (add_header(transfer, "X-Mailmill-Timestamp", time, err) != 0)
        return -1;
    return add_header(transfer, "X-Mailmill-Signature", signature, err);
}

static int add_headers(struct transfer *transfer, struct err *err)
{
    const char *delivery = getenv("MAILMILL_DELIVERY");

    /* Not to wait for a server that would have to say so first. */
    if (add_line(transfer, "Expect:", err) != 0 ||
        add_header(transfer, "Content-Type", transfer->post->content_type, err) != 0)
        return -1;
    if (delivery != NULL && add_header(transfer, "Idempotency-Key", delivery, err) != 0)
        return -1;
    for (const struct post_envelope *row = post_envelope; row->variable != NULL; row++)
        if (getenv(row->variable) != NULL && add_header(transfer, row->header, getenv(row->variable), err) != 0)
            return -1;
    return add_signature(transfer, err);
}

/* ---- the transfer ---- */

/* The first option that is refused is the one that is told of. */
static int set_options(struct transfer *transfer, struct err *err)
{
    CURL *curl = transfer->curl;
    const struct post *post = transfer->post;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason);

#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(curl, option, value) : code)
    SET(CURLOPT_URL, post->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT, post->timeout_s);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (post->ca_file != NULL)
        SET(CURLOPT_CAINFO, post->ca_file);
    SET(CURLOPT_USERAGENT, "mailmill/" MAILMILL_VERSION);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->size);
    SET(CURLOPT_READFUNCTION, read_body);
    SET(CURLOPT_READDATA, transfer);
    SET(CURLOPT_SEEKFUNCTION, seek_body);
    SET(CURLOPT_SEEKDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, keep_text);
    SET(CURLOPT_WRITEDATA, &transfer->text);
#undef SET
    return code == CURLE_OK ? 0 : err_set(err, ERR_PERMANENT, "libcurl: %s", curl_easy_strerror(code));
}

/* The scheme, the host and the port. The rest may be a secret, which an error would take into the history. */
static void show_server(const char *url, char *text, size_t size)
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes == NULL ? url : slashes + strlen("://");
    const char *end = host + strcspn(host, "/?#\\");
    const char *at = memrchr(host, '@', (size_t)(end - host));

    snprintf(text, size, "%.*s%.*s", (int)(host - url), url, (int)(at == NULL ? end - host : end - at - 1),
             at == NULL ? host : at + 1);
}

static int explain(const struct transfer *transfer, CURLcode code, struct err *err)
{
    const char *reason = transfer->reason[0] != '\0' ? transfer->reason : curl_easy_strerror(code);
    /* These two are our own configuration's fault, and known before anything is sent. */
    bool is_ours = code == CURLE_URL_MALFORMAT || code == CURLE_SSL_CACERT_BADFILE;

    char server[SERVER_SIZE] = "the URL"; /* of one that is no good nobody can say where its host begins */

    if (code != CURLE_URL_MALFORMAT)
        show_server(transfer->post->url, server, sizeof server);
    return err_set(err, is_ours ? ERR_PERMANENT : ERR_TEMPORARY, "%s: %s", server, reason);
}

static int perform(struct transfer *transfer, struct post_answer *answer, struct err *err)
{
    CURLcode code = curl_easy_perform(transfer->curl);
    char *location = NULL;
    curl_off_t retry_after_s = 0;

    /* An answer that has begun is one, even if what follows its head is long or slow, or never comes. */
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    if (answer->status < 200)
        return explain(transfer, code, err);
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_REDIRECT_URL, &location);
    answer->retry_after_s = (long long)retry_after_s;
    snprintf(answer->location, sizeof answer->location, "%s", location == NULL ? "" : location);
    return 0;
}

static int send_it(struct transfer *transfer, struct post_answer *answer, struct err *err)
{
    struct stat status;

    if (fstat(transfer->post->body, &status) != 0)
        return err_system(err, "what is to be posted");
    transfer->size = status.st_size;
    if (add_headers(transfer, err) != 0 || set_options(transfer, err) != 0)
        return -1;
    return perform(transfer, answer, err);
}

int post_send(const struct post *post, struct post_answer *answer, struct err *err)
{
    struct transfer transfer = {.post = post, .text = buf_over(answer->text, sizeof answer->text)};
    int status = -1;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_TEMPORARY, "libcurl can't be started");
    transfer.curl = curl_easy_init();
    if (transfer.curl == NULL)
        status = err_set(err, ERR_TEMPORARY, "libcurl can't be started");
    else
        status = send_it(&transfer, answer, err);
    curl_easy_cleanup(transfer.curl);
    curl_slist_free_all(transfer.headers);
    curl_global_cleanup();
    return status;
}
