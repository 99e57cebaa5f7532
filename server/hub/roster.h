/*
 * Roster: all connections in the order of their ids, so that a list of them can be read in pieces
 * while they come and go. Ids grow, so an addition is at the end; who leaves leaves a hole, and the
 * holes are closed once they are half of it.
 *
 * Cost     16 bytes for each connection and each hole; addition and removal O(1) in the long run,
 *          but O(n) for an id that is not the greatest; `roster_after` O(log n).
 */
#ifndef HUB_ROSTER_H
#define HUB_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

struct roster_place {
    uint64_t id;
    struct connection *connection; /* NULL: a hole */
};

/* `{0}` is empty. */
struct roster {
    struct roster_place *places; /* ascending by id */
    size_t length;
    size_t capacity;
    size_t holes;
};

void roster_finish(struct roster *roster);

/* Makes room for one more. False: no memory. */
bool roster_reserve(struct roster *roster);

/* After a reservation; the id is not there. */
void roster_add(struct roster *roster, uint64_t id, struct connection *connection);

/* The id is there. */
void roster_remove(struct roster *roster, uint64_t id);

/* The first place whose id is greater; `length`: none is. */
size_t roster_after(const struct roster *roster, uint64_t id);

#endif
