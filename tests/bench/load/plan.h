/*
 * A plan: what each client of a load says, word by word, written beforehand by a script, so that
 * the generator costs little beside the server and knows next to nothing of what it measures.
 *
 * A file, integers little-endian: "PLAN", u32 dialect, u32 clients, and for each client its path
 * and subprotocol (u32 length, bytes; no length: none), then two lists of messages: what joins, and
 * its updates (u32 count, then each u32 length, bytes).
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crdt/bytes.h"

/* Who reads what comes back (dialect.h). */
enum dialect {
    DIALECT_COUNT, /* each message is one update; joined with the handshake */
    DIALECT_SYNCLINE,
    DIALECT_Y, /* y-websocket */
    DIALECT_HOCUSPOCUS,
    DIALECTS
};

/* Messages as frames, back to back, masked with zeros: the n-th ends where `ends[n]` says. */
struct frames {
    uint8_t *bytes;
    size_t *ends;
    size_t length;
};

struct plan_client {
    struct bytes path;
    struct bytes subprotocol;
    struct frames join;
    struct frames updates;
};

struct plan {
    enum dialect dialect;
    struct plan_client *clients;
    size_t length;
    void *file;
    size_t file_bytes;
};

/* Ends the program with a sentence where the file is none. */
void plan_read(struct plan *plan, const char *path);
void plan_finish(struct plan *plan);

/* Where the first `count` frames end. */
size_t frames_end(const struct frames *frames, size_t count);

/* Writes the header of one binary frame of a client, and answers its length. */
size_t frame_head(uint8_t head[14], size_t length);

#endif
