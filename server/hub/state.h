/*
 * The hub's inside: what it is as a whole. Its parts are in layers, a header for each:
 *
 *     connections.h, streams.h   what faces the clients
 *     documents.h                what is merged
 *     batch.h, pipeline.h        the way to the disk and back
 *     effects.h                  the way out
 *
 * A layer's header declares what its files offer to all others; a file that has a header of its own
 * name, such as retire.c, is declared there.
 *
 * Nothing is queued for a client but the answers to its own calls: OPENED, ACK, REJECT, GAP,
 * SNAPSHOT and UPDATE are worked out from the document, the ledger and the stream's cursor at the
 * moment its connection can take them.
 */
#ifndef HUB_STATE_H
#define HUB_STATE_H

#include "server/hub/batch.h"
#include "server/hub/hub.h"
#include "server/hub/list.h"
#include "server/hub/principal.h"
#include "server/hub/retire.h"
#include "server/hub/roster.h"
#include "server/hub/sent.h"
#include "server/hub/table.h"
#include "server/hub/unstored.h"

struct connection;
struct download;
struct job;
struct operator_request;
struct refusals;
struct replay;

struct hub {
    struct hub_config config;
    struct hub_ancestor *ancestors;
    uint64_t schema_hash;
    uint64_t now_ms;
    uint64_t now_us; /* of a clock that only goes forward; 0: nobody measures */
    uint64_t started_ms;
    uint64_t position; /* merged up to here */
    struct hub_counters counters;
    bool verbose; /* notes are also of what only debugging needs */
    struct table principals;
    struct activity activity;
    struct meter meter;
    struct sent sent[SENT_MAX]; /* by the last step, not counted yet */
    size_t sent_length;

    struct table connections;
    struct roster roster;
    struct link dirty_connections;   /* who has something to be sent, first to last (turn.c) */
    struct link patient_connections; /* the same, after those */
    uint64_t patient_came;           /* into it, ever */
    uint64_t patient_left;
    size_t heard; /* events since somebody was sent something */
    bool behind;  /* not all could be sent: the next who sends is a TICK */
    size_t stream_count;
    size_t paused_count;
    size_t answer_bytes; /* of all connections' answers, by capacity */
    size_t held_bytes;   /* of what all connections have sent and is held, by capacity */
    struct link waiting_connections; /* whose held messages are taken next, first to last */
    uint64_t next_sweep_ms;          /* when connections are looked at for PING, HELLO and rates */

    struct table documents;
    struct unstored unstored_documents;
    struct link idle_documents; /* longest idle first */
    struct link dirty_documents;
    struct link due_documents;
    struct link touched_documents;
    uint64_t next_due_ms;
    size_t memory;

    struct batch gathering;
    struct batch committing;
    uint64_t last_batch; /* its number */
    bool appending;
    bool read_only;
    uint64_t retry_ms; /* when a read-only hub tries to write again */

    bool storing;
    uint64_t next_store_ms;
    uint64_t trimmed;
    struct buffer store_bytes;

    struct replay *replay_first;
    struct replay *replay_last;
    size_t replay_loads; /* requests the first one waits for */
    bool replay_asked;

    struct table loads; /* of struct load */
    struct retirement retirement;
    struct refusals *refusals; /* NULL: there were none */
    struct operator_request *operator_requests;
    size_t operator_request_count;
    struct link waiters;
    bool load_ended;    /* since waiters were looked at */
    size_t value_calls; /* CALL `values` that wait */
    struct download *downloads;
    struct job *jobs;
    uint64_t last_request;
    struct buffer scratch;
    bool draining;
    bool settling; /* until the schemas have changed */

    struct hub_effect *effects;
    size_t effect_count;
    size_t effect_capacity;
    struct hub_note *notes;
    size_t note_count;
    size_t note_capacity;
    struct buffer arena;    /* the effects' bytes; offsets until the step ends */
    enum hub_status status; /* the first failure of this step */
};

/* hub.c */
void counters_clear(struct hub_counters *counters);
/* Clients compare it to notice that the schemas changed. False: no memory. */
bool hub_hash_schemas(const struct schema_set *schemas, uint64_t *hash);

/* reconfigure.c */
void hub_settle(struct hub *hub);
void hub_reconfigure(struct hub *hub, const struct hub_config *config);
bool schema_is_offered(const struct connection *connection, const struct schema *schema);

#endif
