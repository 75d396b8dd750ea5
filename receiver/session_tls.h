/*
 * The session's side of STARTTLS (receiver/starttls.h): it gives its client away and goes on over a stream.
 *
 *     stream = session_tls_ask(writer, client);       -1: no TLS, go on as before
 *     session_tls_clear(client[0]);
 *     ...                                             the 220 goes to the client
 *     session_tls_go(stream);                         -1: it is gone, and the client with it
 *     ...                                             the client's own descriptors are closed
 */
#ifndef RECEIVER_SESSION_TLS_H
#define RECEIVER_SESSION_TLS_H

/*
 * Asks the writer for TLS for the client that is read and written by these two descriptors, and waits until
 * mailmill-tls is ready. Gives the stream that stands for the client from now on, or -1.
 */
__attribute__((warn_unused_result)) int session_tls_ask(int writer, const int client[static 2]);

/*
 * Drops what has arrived by now: a client says nothing between STARTTLS and the answer to it, so it is from somebody
 * else, who must not be heard in what counts as encrypted (CVE-2011-0411).
 */
void session_tls_clear(int client);

/* Has mailmill-tls read the client's first byte. */
__attribute__((warn_unused_result)) int session_tls_go(int stream);

#endif
