/*
 * Visitor: a client without a store, by packets alone: it says that it is here and hears who else
 * is, sends whole states as an import does, and makes an operator's calls.
 */
#ifndef SIMULATION_VISITOR_H
#define SIMULATION_VISITOR_H

#include "tests/simulation/history.h"
#include "tests/simulation/line.h"

enum { VISITORS = 3, VISITOR_PEERS_MAX = 64 };

/* Somebody who is here, as the visitor was told. */
struct visitor_peer {
    uint64_t peer;
    uint64_t said;
};

struct visitor {
    unsigned number;
    struct host *host;
    struct history *history;
    struct line line;
    struct random random; /* of what is not a step's */
    struct replica_id replica;
    int64_t stream; /* 0: none */
    bool opened;
    uint64_t said; /* 0: nothing */
    struct visitor_peer peers[VISITOR_PEERS_MAX];
    size_t length;
    uint64_t seq;   /* of its state */
    uint64_t likes; /* that it has given */
    int64_t call;   /* that waits for its answer; 0: none */
    bool asks_schema;
};

void visitor_init(struct visitor *visitor, unsigned number, struct host *host,
                  struct history *history, struct random *random);

/* Comes, goes, says something, sends or asks. */
void visitor_act(struct visitor *visitor, struct random *random);

/* Comes, if it is not here, and hears all. */
void visitor_settle(struct visitor *visitor);

/* A sentence if, at rest, it is not told who is here, or has no answer; NULL: all is well. */
const char *visitor_broken(const struct visitor *visitor, const struct visitor visitors[VISITORS]);

/* --- for its line --- */

void visitor_welcomed(struct visitor *visitor);
void visitor_gone(struct visitor *visitor);
void visitor_take(struct visitor *visitor, const struct packet *packet);

#endif
