/*
 * The listener: accepts connections itself, where a super-server hands over listening sockets (xinetd with wait =
 * yes, systemd's socket units). Each connection gets a session in a process of its own, and all sessions have one
 * writer.
 *
 *     struct listener listener = {.config = &config, .writer = run_writer};
 *     listener_find_sockets(&listener);
 *     if (listener.socket_count > 0) status = listener_run(&listener);
 *
 * Clients beyond the limits get 421 and no process. SIGTERM, SIGINT and SIGHUP have it accept no more: messages that
 * are being received are finished, and all other clients are sent away with 421. It ends by itself when no client was
 * there for a while; whoever owns the sockets starts it again for the next one.
 */
#ifndef RECEIVER_LISTENER_H
#define RECEIVER_LISTENER_H

#include <stddef.h>

#include "common/config.h"

enum { LISTENER_SOCKETS_MAX = 16 };

/* Serves sessions that come along the socket until it and they are gone, and gives an exit status. */
typedef int listener_writer(const struct config *config, int socket);

struct listener {
    const struct config *config;
    int sockets[LISTENER_SOCKETS_MAX]; /* listening */
    size_t socket_count;
    listener_writer *writer; /* is run in a process of its own */
};

/*
 * Finds the listening sockets that this process was started with: those that the environment tells of, as in
 * sd_listen_fds(3), else descriptor 0. None, when socket_count is 0.
 */
void listener_find_sockets(struct listener *listener);

/*
 * Where nothing can be served: tells those who wait on the sockets 421, at most so many that it comes to an end. Left
 * in the queue they would hear nothing, and have this program started again and again. `hostname` may be empty.
 */
void listener_turn_away(const struct listener *listener, const char *hostname);

/* Serves until the end. Gives the process's exit status. */
int listener_run(const struct listener *listener);

#endif
