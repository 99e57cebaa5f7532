/* Principals: whom tokens are for. All connections of one share its rates and its counts; one
 * without a token is a principal by itself. */
#ifndef HUB_PRINCIPAL_H
#define HUB_PRINCIPAL_H

#include "crdt/bytes.h"
#include "server/hub/rate.h"
#include "server/hub/table.h"

struct connection;
struct hub;

struct principal {
    struct meter own;
    struct meter share; /* of the hub's rates */
    uint64_t second;    /* the last one that it sent something in */
    size_t connections;
    size_t streams;
    struct bytes name; /* behind it; empty: one connection's own */
};

/* How many sent something of late. */
struct activity {
    uint64_t second;
    size_t now;
    size_t before; /* in the second before */
    struct fair_part fair;
};

table_match principal_matches;
void principal_init(struct connection *connection);
/* The connection is the principal's that its token names. False: that has as many as it may. */
bool principal_join(struct hub *hub, struct connection *connection);
void principal_leave(struct hub *hub, struct connection *connection);
/* Takes from all buckets, and pauses the connection or resumes it. */
void rates_spend(struct hub *hub, struct connection *connection, size_t packets, size_t bytes);

#endif
