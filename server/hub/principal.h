/* Principals: whom tokens are for. All connections of one share its rates and its counts; one
 * without a token is a principal by itself. */
#ifndef HUB_PRINCIPAL_H
#define HUB_PRINCIPAL_H

#include "crdt/bytes.h"
#include "server/hub/rate.h"

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

#endif
