/*
 * One SMTP client of the load generator: connects, or starts a server on a socketpair, sends its share of the
 * messages one command at a time, and measures.
 *
 *     client_start(&client, &job, &err)          takes its share from job->left; -1: nothing to be had
 *     for (;;) {
 *         wait until client.fd can be read, or written where client.wants_write
 *         if (client_go_on(&client, &job) != CLIENT_BUSY)
 *             break;                             client.fd is closed
 *     }
 */
#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Nanoseconds, one for each message that was answered as wanted, and for each connection. */
struct samples {
    uint64_t *list;
    size_t count;
    size_t capacity;
};

/* What all clients do, and what came of it. */
struct job {
    const char *address;
    uint16_t port;
    char **command; /* a server to start for each connection instead, with the connection on 0, 1 and 2; or NULL */
    const char *sender;
    const char *recipient;
    int body; /* a file with the message as sent, the final dot included: not in memory, which a started server's */
    size_t body_size;      /* figures would include */
    size_t per_connection; /* messages */
    bool refused;          /* the recipient is to be refused: that is a message done */
    bool idle;             /* stays connected after EHLO */
    FILE *log;             /* a line for each message: time of its 250 (ns since 1970) and the reply; or NULL */

    size_t left;   /* messages not yet given to a client */
    size_t done;   /* answered as wanted */
    size_t failed; /* anything else, a connection cut short included */
    size_t greeted;
    struct samples message;  /* MAIL to the answer to the message */
    struct samples delivery; /* connecting to the answer to a connection's first message */
    struct samples session;  /* of a started server: its start to its end */
    uint64_t user_us;        /* processor time of started servers */
    uint64_t system_us;
    uint64_t faults;
    size_t peak_kib; /* the most that a process of theirs had resident */
};

enum client_step {
    STEP_BANNER,
    STEP_HELO,
    STEP_SENDER,
    STEP_RECIPIENT,
    STEP_DATA,
    STEP_MESSAGE,
    STEP_QUIT,
    STEP_COUNT,
};

enum client_state { CLIENT_BUSY, CLIENT_DONE, CLIENT_FAILED };

struct client {
    int fd;
    pid_t server; /* started for this connection, or 0 */
    bool wants_write;
    enum client_step step; /* whose reply is waited for */
    size_t messages;       /* of its share that are left */
    uint64_t started;      /* nanoseconds, as all times */
    uint64_t message_started;
    bool first;
    size_t output_sent; /* of the command or the message */
    size_t output_size;
    char command[600];
    char input[4096];
    size_t input_size;
};

uint64_t bench_now(void);

/* 0, or -1 with errno set; the messages that it took count as failed then. */
int client_start(struct client *client, struct job *job);

enum client_state client_go_on(struct client *client, struct job *job);

/* Closes it where it stands; what it had left counts as failed. */
void client_give_up(struct client *client, struct job *job);

#endif
