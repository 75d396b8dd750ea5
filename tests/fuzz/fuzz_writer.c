/*
 * The writer, of a session that was taken over: whatever frames it sends, nothing stays in tmp/, nothing gets into
 * new/ but messages with a whole trace block whose recipients are ours, and nothing is made elsewhere. The input is
 * frames, each behind its size in two bytes. The writer's sandbox, which would be this process's for good, is left
 * out, and the index is missing. Each input is what two sessions say: one of a client, and one of a trusted proxy.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/network.h"
#include "common/route.h"
#include "receiver/writer.h"

enum { FRAMES_MAX = 64, INPUT_MAX = 32 * 1024 }; /* what the socket holds while nobody reads it, and its answers */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct config config;
static const char *const peers[] = {"192.0.2.1", "192.0.2.10"}; /* the second one is the proxy */
static const char *peer;
static char folder[] = "/dev/shm/mailmill-fuzz-XXXXXX";
static char spool_path[64];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void swallow(void *context, int level, struct span text)
{
    (void)context;
    (void)level;
    (void)text;
}

static void clean_up(void)
{
    static const char *const names[] = {"spool/tmp", "spool/new", "spool/cur", "spool", "."};
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)rmdir(names[i][0] == '.' ? folder : path);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct config_errors errors = {0};
    char text[512];

    (void)argc;
    (void)argv;
    log_redirect(swallow, NULL);
    require(mkdtemp(folder) != NULL);
    snprintf(spool_path, sizeof spool_path, "%s/spool", folder);
    snprintf(text, sizeof text,
             "hostname = \"mail.example.com\"\nspool = \"%s\"\nindex = \"/none/index.db\"\n"
             "trusted-proxies = \"192.0.2.10\"\n"
             "route \"a@example.com\" {}\nroute \"*@all.example.com\" {}\n",
             spool_path);
    require(config_load_text(&config, "fuzz.conf", text, &errors) == 0);
    return atexit(clean_up);
}

/* Everything at once: the writer reads it when it is run, and finds the session gone behind it. */
static void send_frames(int socket, const uint8_t *data, size_t size)
{
    for (int count = 0; size >= 2 && count < FRAMES_MAX; count++) {
        size_t length = (size_t)data[0] << 8 | data[1];

        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        /* None of its bytes would be the end of the stream. */
        if (length > 0)
            require(send(socket, data, length, 0) == (ssize_t)length);
        data += length;
        size -= length;
    }
    require(shutdown(socket, SHUT_WR) == 0);
}

/* The peer, or an address in its canonical text that the proxy has named. */
static void require_client(const char *client)
{
    unsigned char address[NETWORK_ADDRESS_SIZE];
    char text[NETWORK_ADDRESS_TEXT_SIZE];

    require(peer == peers[1] || strcmp(client, peer) == 0);
    require(network_address_parse(address, span_text(client)) == 0);
    network_address_text(address, text);
    require(strcmp(client, text) == 0);
}

static void require_ours(struct span text)
{
    struct envelope envelope = {0};
    struct err err;
    size_t trace_size;

    require(envelope_read_trace(&envelope, text, &trace_size, &err) == 0);
    require(envelope.recipient_count >= 1 && envelope.recipient_count <= config.max_recipients);
    require(trace_size == text.size);
    require_client(envelope.client_address);
    for (size_t i = 0; i < envelope.recipient_count; i++) {
        enum route_verdict verdict = route_find(&config, &envelope.recipients[i]).verdict;

        require(verdict == ROUTE_FOUND || verdict == ROUTE_KEPT);
    }
    envelope_free(&envelope);
}

static void check_message(int new, const char *name)
{
    static char text[ENVELOPE_TRACE_MAX];
    int fd = openat(new, name, O_RDONLY);
    ssize_t size = read(fd, text, sizeof text);

    require(id_is_valid(span_text(name)) && size > 0);
    require_ours((struct span){text, (size_t)size});
    require(close(fd) == 0 && unlinkat(new, name, 0) == 0);
}

/* Calls `check`, where it is given, for each file; without it there must be none. */
static void check_folder(const char *name, void (*check)(int folder, const char *name))
{
    char path[128];
    struct dirent *entry;
    DIR *stream;

    snprintf(path, sizeof path, "%s/%s", spool_path, name);
    stream = opendir(path);
    require(stream != NULL);
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.') {
            require(check != NULL);
            check(dirfd(stream), entry->d_name);
        }
    (void)closedir(stream);
}

static void require_folder(int root, const char *name)
{
    (void)root;
    require(strcmp(name, "tmp") == 0 || strcmp(name, "new") == 0 || strcmp(name, "cur") == 0);
}

static void run_writer(const uint8_t *data, size_t size)
{
    struct writer writer = {.config = &config};
    struct err err;
    int ends[2];

    require(frame_pair(ends, &err) == 0 && spool_open(&writer.spool, spool_path, SPOOL_RECEIVER, &err) == 0);
    send_frames(ends[0], data, size);
    (void)writer_run(&writer, ends[1], peer);
    require(close(ends[0]) == 0 && close(ends[1]) == 0);
    check_folder("tmp", NULL);
    check_folder("cur", NULL);
    check_folder("new", check_message);
    check_folder("", require_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        peer = peers[i];
        run_writer(data, size);
    }
    return 0;
}
