/*
 * Receiver: an HTTP server on loopback that webhooks are sent to, in the test's own thread. It
 * answers as the test says: late, wrongly, never, or by cutting the connection; and keeps what it
 * was sent.
 */
#ifndef TESTS_WEBHOOKS_RECEIVER_H
#define TESTS_WEBHOOKS_RECEIVER_H

#include <poll.h>

#include "protocol/buffer.h"

enum { RECEIVER_CONNECTIONS = 32, RECEIVER_MESSAGES = 1024, RECEIVER_TEXT_BYTES = 96 };

struct receiver_message {
    char target[RECEIVER_TEXT_BYTES];
    char document[RECEIVER_TEXT_BYTES];
    char id[RECEIVER_TEXT_BYTES];
    uint64_t position;
    uint64_t after;
    bool taken; /* it was answered with 2xx */
};

enum { REPLY_NEVER = 0, REPLY_CUT = 1 }; /* instead of a status */

struct receiver_reply {
    unsigned status;
    unsigned retry_after_s; /* 0: not said */
    size_t bytes;           /* of the answer's body */
};

struct receiver_connection {
    int file; /* -1: none */
    struct buffer in;
    size_t message; /* the one that waits for its answer; SIZE_MAX: none */
    size_t unsent;  /* of the answer's body */
};

struct receiver {
    int file;
    unsigned port;
    struct receiver_connection connections[RECEIVER_CONNECTIONS];
    struct receiver_message messages[RECEIVER_MESSAGES];
    size_t length;
    size_t held; /* messages that wait for their answer */
    size_t held_most;
    struct buffer last;          /* request, as it came, with a NUL behind it */
    struct receiver_reply reply; /* to all, if `answer` is NULL; 200 at first */
    struct receiver_reply (*answer)(void *context, const struct receiver_message *message);
    void *context;
};

void receiver_init(struct receiver *receiver);
void receiver_finish(struct receiver *receiver);

/* Nobody listens on the port any more, and all connections are cut; or somebody does again. */
void receiver_close(struct receiver *receiver);
void receiver_reopen(struct receiver *receiver);

/* Takes, reads and answers what there is. */
void receiver_turn(struct receiver *receiver);

/* Answers all that wait, or cuts them off. */
void receiver_release(struct receiver *receiver, unsigned status);

/* What to wait for, before the next turn; answers how many. */
size_t receiver_polls(const struct receiver *receiver,
                      struct pollfd polls[RECEIVER_CONNECTIONS + 1]);

#endif
