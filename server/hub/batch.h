/*
 * Batches: records on their way to the journal, and who is to hear of it. batch.c says what they
 * look like there.
 */
#ifndef HUB_BATCH_H
#define HUB_BATCH_H

#include "protocol/codec.h"
#include "server/hub/codes.h"

struct document;
struct hub;
struct ledger_row;
struct stream;

/* The hub's own, beyond the packets' kinds. */
enum { RECORD_RETIRE = 128, RECORD_EXPIRE, RECORD_IMPORT, RECORD_ERASE };

struct record {
    uint64_t kind; /* PACKET_DELTA, PACKET_STATE, or one of the hub's own */
    struct bytes name;
    struct replica_id replica;
    struct bytes principal; /* whose the replica is from now on; empty: no change */
    uint64_t position;      /* of the context, in this journal */
    enum hub_code verdict;
    uint32_t field; /* that the verdict is about */
    struct bytes packet;
};

/* One record of a batch, and whom to tell if the journal refuses it. */
struct batch_origin {
    uint64_t connection; /* 0: the hub itself */
    int64_t stream;
    struct document *document;
    struct ledger_row *row; /* held; NULL: the hub's own */
    uint64_t received_us;
};

struct batch {
    uint64_t number; /* 0: it is empty */
    struct buffer bytes;
    struct batch_origin *origins;
    size_t length;
    size_t capacity;
};

/* How many updates wait in batches, told by the batches' numbers: what has left both batches counts
 * no more, without a word from them. */
struct backlog {
    uint64_t batch[2]; /* the last two that got any; 0: none */
    size_t updates[2];
};

/* Adds a record that ends at seq `last` of the row. False: no memory; its sender was told to try
 * again. */
bool batch_submit(struct hub *hub, struct stream *stream, struct ledger_row *row,
                  const struct record *record, uint64_t last);
/* Adds a record of the hub's own. False: no memory; the batch is as it was. */
bool batch_add(struct hub *hub, struct document *document, const struct record *record);
/* Of those counted there, how many are not merged yet. */
size_t backlog_length(const struct hub *hub, const struct backlog *backlog);
/* Whether a batch is not in the journal yet. */
bool batch_waits(const struct hub *hub, uint64_t number);
void batch_pump(struct hub *hub);
void batch_appended(struct hub *hub, uint64_t position);
void batch_failed(struct hub *hub);
void batch_finish(struct batch *batch);
/* Reads a batch's head and answers its clock; then its records one by one. */
uint64_t batch_read(struct reader *reader);
void record_write(struct writer *writer, const struct record *record);
bool record_read(struct reader *reader, struct record *record);

#endif
