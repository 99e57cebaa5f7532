/* Wire: one connection, as two queues of messages between the hub and a client. */
#ifndef SIMULATION_WIRE_H
#define SIMULATION_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "crdt/bytes.h"

/* What a socket takes before it blocks: little, so that many do. */
enum { WIRE_ROOM_BYTES = 256, WIRE_TOKEN_BYTES = 64 };

struct wire_message;

struct wire_queue {
    struct wire_message *first;
    struct wire_message *last;
    size_t bytes;
};

struct wire {
    uint64_t connection; /* as the hub knows it; 0: nobody has this wire */
    bool client_is_there;
    bool hub_is_there; /* it has not been told of the end */
    bool closing;      /* the hub has said that it ends */
    bool blocked;
    bool paused;
    uint64_t verify;                  /* the hub's question for a token; 0: none */
    char token[WIRE_TOKEN_BYTES];     /* that it asks for */
    char principal[WIRE_TOKEN_BYTES]; /* whose it is, as the hub was told; empty: nobody's yet */
    uint64_t until_ms;                /* and how long its token is good */
    struct wire_queue to_hub;
    struct wire_queue to_client;
};

void wire_push(struct wire_queue *queue, struct bytes message);
/* The first message, borrowed until `wire_pop`; false: there is none. */
bool wire_peek(const struct wire_queue *queue, struct bytes *message);
void wire_pop(struct wire_queue *queue);
void wire_clear(struct wire_queue *queue);

#endif
