/*
 * The pipeline to the disk and back: update.c takes what clients send, batch.c gathers it for the
 * journal (batch.h), merge.c merges what is durable, and store.c writes what has changed; replay.c
 * merges the journal's tail again at start. What the hub records of its own accord takes the same
 * way: retire.c (retire.h), expire.c, erase.c, rewrite.c, import.c (import.h).
 */
#ifndef HUB_PIPELINE_H
#define HUB_PIPELINE_H

#include "protocol/packet.h"
#include "server/hub/batch.h"

struct connection;
struct document;
struct hub;

/* update.c: DELTA and STATE on their way in */
void update_received(struct hub *hub, struct connection *connection, const struct packet *packet,
                     struct bytes raw);

/* merge.c */
void merge_record(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms);
void merge_batch(struct hub *hub, uint64_t position, struct bytes bytes);

/* replay.c */
/* A batch from the journal's tail that waits for its turn, at start. */
struct replay {
    struct replay *next;
    uint64_t position;
    size_t length;
    uint8_t bytes[];
};
void replay_add(struct hub *hub, uint64_t position, struct bytes bytes);
void replay_pump(struct hub *hub);
void replay_finish(struct hub *hub);

/* store.c */
void store_soon(struct hub *hub);
void store_pump(struct hub *hub);
void store_done(struct hub *hub);
void store_failed(struct hub *hub);
void store_mark(struct hub *hub, struct document *document, uint64_t position);

/* expire.c */
void expire_pump(struct hub *hub);
/* Something in the document may have begun, or ended. */
void expire_watch(struct hub *hub, struct document *document);
/* The journal has not taken the document's record. */
void expire_refused(struct hub *hub, struct document *document);
void expire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position);

/* erase.c */
void erase_merge(struct hub *hub, struct document *document, const struct record *record,
                 uint64_t position, uint64_t at_ms);

/* rewrite.c */
void rewrite_document(struct hub *hub, struct bytes name);

#endif
