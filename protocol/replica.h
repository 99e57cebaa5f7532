/*
 * A replica's name: a UUIDv7 (RFC 9562, section 5.7), minted fresh for each editing session, which
 * tells its creation time.
 */
#ifndef PROTOCOL_REPLICA_H
#define PROTOCOL_REPLICA_H

#include "crdt/bytes.h"

enum { REPLICA_BYTES = 16 };

struct replica_id {
    uint8_t bytes[REPLICA_BYTES];
};

/* From the time and 16 random bytes, of which 74 bits are used. */
struct replica_id replica_id_make(uint64_t now_ms, const uint8_t random[REPLICA_BYTES]);

/* False: not 16 bytes, or not version 7 of the variant. */
bool replica_id_from_bytes(struct bytes bytes, struct replica_id *id);

uint64_t replica_id_time_ms(const struct replica_id *id);
bool replica_id_equal(const struct replica_id *a, const struct replica_id *b);

/* Borrowed from the id. */
struct bytes replica_id_bytes(const struct replica_id *id);

/* 36 characters and a NUL. */
void replica_id_format(const struct replica_id *id, char text[37]);

#endif
