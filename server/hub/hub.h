/*
 * The hub's core: documents, streams, the ledger, the pipeline from a packet to the journal and
 * back to every subscriber. It has no sockets, files, clock, threads or randomness: events go in,
 * effects come out, and the same events in the same order give the same effects. The event loop,
 * the simulator, the fuzzers and the unit tests all call `hub_step`.
 *
 *     a packet -> validated -> batch -> EFFECT_APPEND ... EVENT_APPENDED -> merged in journal order
 *              -> ACK and REJECT to the writers, one UPDATE per document and batch to its
 * subscribers later    -> EFFECT_STORE (changed rows) ... EVENT_STORED -> EFFECT_TRIM (the journal
 * behind them)
 *
 * Whoever runs the hub owes it an answer to each request, in any order, but one APPEND is under way
 * at a time, and one STORE, and one VERIFY of each connection.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "protocol/journal_id.h"
#include "protocol/limits.h"
#include "protocol/schema.h"
#include "server/hub/counters.h"
#include "server/hub/rate.h"

#define HUB_CHECKED CRDT_CHECKED

/* What the hub calls itself. */
#define HUB_NAME "syncline/0.1"

#define HUB_STATUS_LIST(X)                                                                         \
    X(HUB_OK, "no error")                                                                          \
    X(HUB_NO_MEMORY, "out of memory")                                                              \
    X(HUB_CORRUPT, "the journal or a document's rows cannot be read")                              \
    X(HUB_UNKNOWN_SCHEMA,                                                                          \
      "the journal holds updates of a schema that is not declared; declare it again, start and "   \
      "stop the hub once, then remove it")                                                         \
    X(HUB_UNKNOWN_FIELD,                                                                           \
      "the journal holds updates of a field that is not declared; declare it again, start and "    \
      "stop the hub once, then remove it")

enum hub_status {
#define X(name, text) name,
    HUB_STATUS_LIST(X)
#undef X
};

const char *hub_status_text(enum hub_status status);

/* A journal this one was restored from: what cursors of it mean here. */
struct hub_ancestor {
    struct journal_id journal;
    uint64_t position; /* the restore point */
};

/* Everything is copied but `schemas`, which must outlive the hub, or the step that replaces them.
 */
struct hub_config {
    struct schema_set *schemas;
    struct journal_id journal;
    const struct hub_ancestor *ancestors;
    size_t ancestor_count;
    uint64_t
        position;  /* of the last batch in the journal, before any replay; the hub's own start */
    uint64_t seed; /* random: keys the hash tables */
    bool relaxed;  /* durability, as WELCOME names it */
    bool tokens;   /* HELLO needs one; else tokens are not looked at */
    uint64_t ping_ms;
    uint64_t hello_ms; /* how long a connection may take to say HELLO */
    uint64_t idle_ms;  /* how long a document stays in memory after its last stream; WELCOME's
                          resume_ms */
    uint64_t store_ms; /* how long changed rows may wait to be stored */
    uint64_t replica_ttl_ms;
    size_t message_bytes; /* largest WebSocket message taken in */
    size_t streams_max;   /* open documents of one connection */
    size_t connections_max;
    size_t removals_max; /* per field */
    size_t batch_bytes;  /* beyond it, reading from the writers stops */
    size_t
        memory_limit; /* of documents; beyond it idle ones leave, then OPEN is answered with BUSY */
    size_t buffer_bytes;  /* of answers that wait to be read: beyond it nobody has many */
    size_t slice_packets; /* of a message, before others have their turn */
    struct hub_rates connection_rates;
    struct hub_rates principal_rates; /* of all its connections together */
    struct hub_rates hub_rates;       /* of all connections together, shared fairly */
    size_t principal_connections;     /* of those that a token has named */
    size_t principal_streams;
    uint64_t boot;  /* random: a part of the correlation ids that the hub makes; 0: it makes none */
    bool operators; /* whether the operator's calls are answered */
    bool operators_inside; /* the same where only operators get in */
    bool changes;          /* whether EFFECT_CHANGED is wanted */
};

/* The defaults; the caller fills in schemas, journal, position and seed. */
void hub_config_init(struct hub_config *config);

enum hub_event_kind {
    EVENT_TICK,          /* time has passed: at the latest when `wake_ms` says */
    EVENT_CONNECTED,     /* connection: a new number, never used before; inside */
    EVENT_RECEIVED,      /* connection, bytes: one whole binary message */
    EVENT_BLOCKED,       /* connection: its last SEND is not all gone; send no more */
    EVENT_WRITABLE,      /* connection: send again */
    EVENT_DISCONNECTED,  /* connection: gone, also after EFFECT_CLOSE */
    EVENT_APPENDED,      /* position: the batch is durable there */
    EVENT_APPEND_FAILED, /* nothing of the batch is in the journal */
    EVENT_REPLAY,        /* position, bytes: a batch from the journal's tail, at start, in order */
    EVENT_LOADED,        /* request, bytes: rows (protocol/rows.h) */
    EVENT_LOAD_FAILED,   /* request */
    EVENT_STORED,        /* the rows are durable */
    EVENT_STORE_FAILED,  /* none of them is */
    EVENT_VERIFIED,     /* connection, request, verdict; if that is VERDICT_ACCEPTED also bytes: the
                           principal, grants (access.h), expires_ms and admin */
    EVENT_SCRUBBED,     /* request */
    EVENT_SCRUB_FAILED, /* request: something may be left */
    EVENT_REWRITE, /* bytes: a document's name: its rows are loaded, and stored anew, all of them;
                      for who checks a database */
    EVENT_SETTLE,  /* schemas are about to change: take no updates, open nothing, store everything;
                    until GO_ON or RECONFIGURE */
    EVENT_GO_ON,   /* they do not change after all */
    EVENT_RECONFIGURE, /* config: takes effect at once, but for journal, ancestors, position, seed,
                          relaxed and tokens. Its schemas have numbers; unless they are equal to
                          those before (schema_equal), the hub is settled. What they
                          declare as before they get from those before, which may go then,
                          also if the step fails */
    EVENT_VALUES, /* request, of the caller's numbering; bytes: a document's name; position, whole
                     and limit: EFFECT_VALUES is owed */
    EVENT_ANSWER, /* request; bytes: the result, or, if text is given, why there is none */
    EVENT_DRAIN   /* stop: GOAWAY to all, no new connections, store everything */
};

enum hub_verdict {
    VERDICT_REFUSED,
    VERDICT_EXPIRED, /* it was good once */
    VERDICT_ACCEPTED
};

struct hub_event {
    enum hub_event_kind kind;
    uint64_t now_ms; /* wall clock; never goes back by more than it must */
    uint64_t now_us; /* of a steady clock, for latencies; 0: they are not measured */
    bool verbose;    /* notes also of what only debugging needs */
    uint64_t connection;
    uint64_t position;
    uint64_t request;
    struct bytes bytes; /* borrowed */
    enum hub_verdict verdict;
    struct bytes grants; /* borrowed */
    uint64_t expires_ms; /* UINT64_MAX: never */
    bool admin;          /* an operator, with all rights to all documents */
    bool inside;         /* it came in where operators do */
    const struct hub_config *config;
    bool whole;       /* VALUES: of all fields; else of those that changed after `position` */
    size_t limit;     /* VALUES: of the answer's bytes */
    const char *text; /* ANSWER: a sentence for the operator; NULL: none */
};

enum hub_effect_kind {
    EFFECT_NONE,   /* nothing to do */
    EFFECT_SEND,   /* connection, bytes: one binary message, with HUB_HEADROOM writable bytes before
                      it */
    EFFECT_CLOSE,  /* connection, code, text: after what was sent before; DISCONNECTED is still owed
                    */
    EFFECT_PAUSE,  /* connection: read no more from it */
    EFFECT_RESUME, /* connection: read again */
    EFFECT_APPEND, /* bytes: one batch for the journal */
    EFFECT_LOAD,   /* request, bytes: a row_request */
    EFFECT_VERIFY, /* connection, request, bytes: a token */
    EFFECT_STORE,  /* position, bytes: changed rows, all of them in one transaction */
    EFFECT_DAMAGED, /* bytes: the name of a document with a row that makes no sense, so that nobody
                       can open it; text: the row's table; position: the row's own */
    EFFECT_CHANGED, /* bytes: the name of a document that a batch has changed; position: the
                       batch's. Not while the journal's tail is replayed */
    EFFECT_VALUES,  /* request; code: an enum hub_code; position: the document's, 0: it is empty;
                       bytes: a JSON object of fields and their values. With `whole` false it may be
                       empty. If that is longer than the limit, `truncated`, and a JSON array of the
                       fields' names */
    EFFECT_ASK,     /* request: of an operator, whom ANSWER is owed; text: the method; bytes: its
                       parameters, a map in msgpack, each of its type and in its bounds */
    EFFECT_TRIM,    /* position: no row needs the journal at or below it any more */
    EFFECT_SCRUB    /* request, position: after what was asked before: nothing of what was deleted
                       may be left in the file, nor of the journal at or below it */
};

/* For a transport's frame header. */
enum { HUB_HEADROOM = 16 };

struct hub_effect {
    enum hub_effect_kind kind;
    uint64_t connection;
    uint64_t position;
    uint64_t request;
    uint16_t code;    /* WebSocket close code */
    const char *text; /* WebSocket close reason, a table or a method; lives as long as the program
                       */
    bool truncated;   /* VALUES */
    struct bytes bytes;
};

/* What a log may tell; nothing depends on it. */
enum hub_note_kind {
    NOTE_GREETED,  /* connection: WELCOME was sent */
    NOTE_LIMIT,    /* connection (0: none); text: the limit's name */
    NOTE_ERROR,    /* connection; text: the code (verbose) */
    NOTE_REJECTED, /* connection (0: it has gone), document; text: the code (verbose) */
};

struct hub_note {
    enum hub_note_kind kind;
    uint64_t connection;
    const char *text;
    struct bytes document;
};

/* To be performed in order; valid until the next call. */
struct hub_effects {
    const struct hub_note *notes;
    size_t note_count;
    const struct hub_effect *items;
    size_t length;
    uint64_t wake_ms; /* when the next TICK is due at the latest; UINT64_MAX: none */
    bool more; /* there is more to send than was worth one step: call again with a TICK soon */
};

/* What an operator sees at /health. */
struct hub_stats {
    uint64_t position; /* merged up to here */
    size_t connections;
    size_t streams;
    size_t documents;  /* in memory */
    size_t principals; /* that tokens have named, with a connection */
    size_t paused;     /* connections that are not read from now */
    size_t pending;    /* updates that wait for the journal */
    size_t pending_bytes;
    uint64_t trimmed; /* the journal was forgotten up to here */
    size_t memory_bytes;
    size_t answer_bytes; /* that wait to be read */
    size_t held_bytes;   /* of messages that wait for their turn */
    bool read_only;
    bool draining;
    bool drained;   /* after DRAIN: everything is stored, nothing is under way */
    bool replaying; /* batches of the tail are not merged yet */
};

struct hub;

/* NULL: no memory. */
struct hub *hub_create(const struct hub_config *config);
void hub_destroy(struct hub *hub);

/*
 * Advances the hub by one event. What must wait for the disk (ACK, UPDATE) is an effect of the
 * write's completion, not of the request. On any failure the hub is unfit for use: what is
 * acknowledged is in the journal, so the process stops and starts again; of the effects only
 * EFFECT_DAMAGED counts then, which says why.
 */
HUB_CHECKED enum hub_status hub_step(struct hub *hub, const struct hub_event *event,
                                     struct hub_effects *effects);

/* The last step's effects were performed by that time: ends the latencies of what it sent. */
void hub_sent(struct hub *hub, uint64_t now_us);

void hub_stats(const struct hub *hub, struct hub_stats *stats);
/* Valid as long as the hub. */
const struct hub_counters *hub_counters(const struct hub *hub);
const struct hub_config *hub_configured(const struct hub *hub);

/* Of a connection, for the log: texts are borrowed until the next step. */
enum { HUB_CORRELATION_BYTES = LIMIT_CORRELATION_BYTES + 1 };

struct hub_peer {
    struct bytes principal;
    struct bytes agent;
    uint64_t updates; /* that entered a batch */
    uint64_t bytes_in;
    uint64_t bytes_out;
    bool greeted;
    bool closing; /* the hub has closed it */
    char correlation[HUB_CORRELATION_BYTES];
};

/* False: it is not there. */
bool hub_peer(const struct hub *hub, uint64_t connection, struct hub_peer *peer);

/* After SETTLE: everything is stored, nothing is under way, and nobody but streams needs a
 * document. Looks at all documents. */
bool hub_settled(const struct hub *hub);

/* Visits the documents that a batch after `position` has changed, as far as their rows do not say
 * so yet; of the others the rows do. */
typedef void hub_visit_changed(void *context, struct bytes name, uint64_t position);
void hub_changed_after(const struct hub *hub, uint64_t position, hub_visit_changed *visit,
                       void *context);

/* What a position of that journal means in this one; false: nothing, it is not known. */
bool hub_resolve(const struct hub *hub, const struct journal_id *journal, uint64_t position,
                 uint64_t *resolved);

#endif
