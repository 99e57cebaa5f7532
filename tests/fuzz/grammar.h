/*
 * Packets out of choices: mostly well-formed, and mostly such as the other side expects next, so
 * that a fuzzer comes past the readers. One schema has a field of each type.
 */
#ifndef TESTS_FUZZ_GRAMMAR_H
#define TESTS_FUZZ_GRAMMAR_H

#include "protocol/packet.h"
#include "protocol/schema.h"
#include "tests/fuzz/fuzz.h"

enum {
    GRAMMAR_REPLICAS = 8,
    GRAMMAR_FIELDS = 15,
    GRAMMAR_DOCUMENTS = 2,
    GRAMMAR_STREAMS = 4,
    GRAMMAR_PEERS = 8
};

/* Of the schema `all`. */
struct grammar_field {
    const char *name;
    const char *type;
    const char *options;
};

extern const struct grammar_field grammar_fields[GRAMMAR_FIELDS];

/* What a client has opened. */
struct grammar_stream {
    int64_t id;
    unsigned document;
    unsigned first; /* of the replicas that it named, its own */
    unsigned named;
};

/* A connection, from the client's side: ids only grow. */
struct grammar_peer {
    int64_t last_id;
    struct grammar_stream streams[GRAMMAR_STREAMS];
};

struct grammar {
    const struct schema *schema; /* of `grammar_fields` */
    struct journal_id journal;
    uint64_t now_ms;
    uint64_t position; /* that cursors and contexts are about */
    int64_t stream;    /* that a hub's packets are about */
    struct replica_id replicas[GRAMMAR_REPLICAS];
    uint64_t seqs[GRAMMAR_DOCUMENTS][GRAMMAR_REPLICAS];
    struct grammar_peer peers[GRAMMAR_PEERS];
};

/* The replicas are made at `now_ms`, but for some that are too old or too new. */
void grammar_init(struct grammar *grammar, const struct schema *schema, uint64_t now_ms);
/* Later: some of the replicas are fresh ones. */
void grammar_age(struct grammar *grammar, uint64_t now_ms);

/* One packet, as a client sends it, by its connection, or a hub. */
void grammar_client_packet(struct grammar *grammar, struct grammar_peer *peer,
                           struct fuzz_input *input, struct writer *writer);
/* What the hub has answered: where it is, and which seqs it expects. */
void grammar_hear(struct grammar *grammar, const struct grammar_peer *peer,
                  const struct packet *packet);
void grammar_hub_packet(struct grammar *grammar, struct fuzz_input *input, struct writer *writer);

/* OPENED's list of fields; rarely not quite the schema's. */
void grammar_write_fields(struct grammar *grammar, struct fuzz_input *input, struct writer *writer);

#endif
