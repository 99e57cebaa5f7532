/* A WebSocket client as bare as can be: non-blocking, frames built beforehand, and what comes
 * handed over frame by frame from the buffer that all share. */
#ifndef BENCH_SOCKET_H
#define BENCH_SOCKET_H

#include "tests/bench/load/plan.h"

enum socket_status { SOCKET_CLOSED, SOCKET_CONNECTING, SOCKET_UPGRADING, SOCKET_OPEN };

struct socket {
    int file;
    int epoll;
    void *data;
    enum socket_status status;
    bool watches_output;
    bool asleep; /* nothing is read */
    uint8_t *unsent;
    size_t unsent_length;
    uint8_t *partial; /* a frame, or an answer to the upgrade, that is not all here */
    size_t partial_length;
};

struct address {
    uint32_t host; /* of the server, in host byte order */
    uint16_t port;
};

/* Connects from 127.0.0.n, n by `index`: one source address has 28,000 ports. `data` comes back in
 * epoll's events. `narrow`: with segments as on a network, and little room for what is not read. */
void socket_connect(struct socket *client, int epoll, struct address to, size_t index, bool narrow,
                    void *data);

/* Stops reading, or goes on. */
void socket_sleep(struct socket *client, bool asleep);

void socket_upgrade(struct socket *client, struct address to, const struct plan_client *plan);

/* Sends, or keeps what the kernel does not take for later. */
void socket_send(struct socket *client, const uint8_t *bytes, size_t length);

/* epoll says that it takes more. */
void socket_writable(struct socket *client);

/* Reads once. `frame` is called with each binary frame; `opened` once the upgrade is answered.
 * False: the other side has closed. */
bool socket_read(struct socket *client, void *context, void (*opened)(void *context),
                 void (*frame)(void *context, struct bytes payload));

void socket_close(struct socket *client);

#endif
