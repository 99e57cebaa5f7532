/*
 * Documents in memory: fields, and a ledger of what their replicas have done. document.c and
 * ledger.c make and forget them, load.c and waiter.c bring and await what is in the database,
 * outside.c shows them to others than clients.
 */
#ifndef HUB_DOCUMENTS_H
#define HUB_DOCUMENTS_H

#include "crdt/field.h"
#include "protocol/codec.h"
#include "server/hub/codes.h"
#include "server/hub/hub.h"
#include "server/hub/list.h"
#include "server/hub/sent.h"
#include "server/hub/table.h"
#include "server/hub/unstored.h"

struct body;
struct stream;

/* A refused update, kept to be told again. */
struct rejection {
    uint64_t seq;
    enum hub_code code;
    uint32_t field; /* its number; UINT32_MAX: none */
};

/* One replica of one document. Rows that nobody names and that are stored leave memory. */
struct ledger_row {
    struct replica_id replica;
    uint64_t seq;        /* highest contiguous seq merged or refused */
    uint64_t submitted;  /* highest seq in a batch that is not merged yet */
    uint64_t position;   /* that last changed the row */
    uint64_t at_ms;      /* when, by the journal's clock */
    uint64_t named_in;   /* the last batch with a record whose context names it; 0: none */
    char *principal;     /* whose it is, for as long as it is known; NULL: nobody's */
    bool bound;          /* the journal says so; else records are still to say it */
    uint32_t index;      /* in the document; only if `interned` */
    uint32_t references; /* streams that name it, and records in batches */
    bool interned;
    bool retired;  /* forgotten, and to be taken out of the rows */
    uint64_t acks; /* counts answers due: streams compare with what they have told */
    uint64_t gaps;
    uint64_t rejects;             /* rejections ever; the last ones are kept */
    struct rejection *rejections; /* LIMIT_REJECTIONS of them; NULL: there were none */
    struct stream *owner;         /* the stream whose own replica it is, or NULL */
    struct crdt_entry entries[];  /* one for each field of the schema */
};

struct document {
    struct link idle;              /* in hub->idle_documents while it may leave the memory */
    struct link dirty;             /* in hub->dirty_documents while rows wait to be stored */
    struct link due;               /* in hub->due_documents while something in it ends by itself */
    struct link touched;           /* in hub->touched_documents while its streams are to be woken */
    uint64_t woken;                /* the last of its crowd, as hub->patient_came counts */
    uint64_t woken_ms;             /* when its streams were woken */
    struct arrival arrival;        /* of the first that they were not woken for */
    size_t joined;                 /* streams opened since then */
    struct unstored_node unstored; /* in hub->unstored_documents while its rows are nowhere */
    struct link streams;           /* head */
    size_t stream_count;
    struct link presences; /* head; oldest change first (presence.c) */
    uint64_t presence_version;
    uint64_t presence_forgotten; /* who was told less starts over */
    uint64_t last_peer;
    size_t presence_count; /* of those that are not gone */
    size_t gone_count;
    size_t presence_bytes;
    const struct schema *schema;
    struct crdt_field **fields; /* one for each of the schema's */
    struct table ledger;        /* of struct ledger_row */
    uint64_t seed;              /* of its hashes */
    uint32_t next_index;
    uint64_t position;    /* of the last batch that changed it */
    uint64_t erased;      /* position of the last ERASE that its rows may lack; 0: none */
    uint64_t retired_ms;  /* replicas made before this that have no row are refused */
    uint64_t stored;      /* its rows hold everything up to here */
    uint64_t storing;     /* 0: not part of the STORE under way */
    uint64_t dirty_since; /* first position that the rows lack */
    uint64_t dirty_after; /* the same, once the STORE under way is done; 0: nothing */
    uint64_t told;        /* the last batch that EFFECT_CHANGED told of */
    uint64_t due_ms;      /* when the first such thing ends; UINT64_MAX: never */
    uint64_t idle_since_ms;
    size_t pins;            /* records in batches, and opening streams */
    bool rows_wait;         /* some would have left the memory, but for a batch that names them */
    uint64_t evicted;       /* the last batch behind which they were looked at */
    size_t loads;           /* requests under way */
    size_t rejection_bytes; /* of the ledger's rows */
    size_t memory;
    bool ready;          /* its rows are here */
    bool loading;        /* they are asked for */
    bool expiring;       /* a record that ends what is due is on its way */
    struct body *update; /* the last ones encoded, or NULL */
    struct body *snapshot;
    struct buffer rejected;  /* rows for the operator, not stored yet */
    size_t rejected_storing; /* how much of it is part of the STORE under way */
    size_t name_length;
    uint8_t name[];
};

/* document.c */
struct document *document_find(const struct hub *hub, struct bytes name);
struct document *document_create(struct hub *hub, struct bytes name, const struct schema *schema);
void document_destroy(struct hub *hub, struct document *document);
/* Forgets what was read of its rows. */
void document_clear(struct hub *hub, struct document *document);
/* All fields begin anew; what was encoded of them is dropped. */
void document_empty(struct hub *hub, struct document *document);
void document_pin(struct document *document);
void document_unpin(struct hub *hub, struct document *document);
/* It is idle, if nobody needs it and its rows hold all of it. */
void document_rest(struct hub *hub, struct document *document);
void document_touch(struct hub *hub, struct document *document); /* its streams have news */
/*
 * Wakes the streams of those that were touched: once, however many updates a batch had for them,
 * and those of a crowd when the last one has been told.
 */
void documents_wake(struct hub *hub);
/* When that is next worth a call; UINT64_MAX: not by time alone. */
uint64_t documents_wake_ms(const struct hub *hub);
void document_weigh(struct hub *hub, struct document *document);
struct bytes document_name(const struct document *document);
table_match document_matches;
/* The document, made if it is not in memory and its schema is declared; NULL: the step failed. */
struct document *document_take(struct hub *hub, struct bytes name);
/* Makes room for one more document. False: there is none. */
bool documents_make_room(struct hub *hub);
void documents_evict(struct hub *hub);
/* Asks for the document's rows, unless it has them, and for the replicas that are not in memory.
 * NULL: nothing to ask. `loads`, if it is given, is raised until the rows are here, or cannot be
 * had. */
struct load *document_load(struct hub *hub, struct document *document,
                           const struct replica_id *replicas, size_t length, size_t *loads);
/* Asks for the document's rows, unless it has them, and for those of all its replicas, which stay
 * as long as this waits. */
void document_load_ledger(struct hub *hub, struct document *document, size_t *loads);

/* ledger.c */
struct ledger_row *ledger_find(const struct document *document, const struct replica_id *replica);
/* Forgets a row that nobody holds. */
void ledger_forget(struct document *document, struct ledger_row *row);
/* The row, made if there is none; NULL: no memory. */
struct ledger_row *ledger_take(struct hub *hub, struct document *document,
                               const struct replica_id *replica);
table_match ledger_row_matches;
/* Lets go of a row that a stream or a batch held; it leaves if it is stored and nobody else holds
 * it. */
void ledger_release(struct hub *hub, struct document *document, struct ledger_row *row);
/* Lets every row leave that nobody holds and that is stored. */
void ledger_evict(struct hub *hub, struct document *document);
/* The same, if some had to wait for a batch; once for each batch that is done. */
void ledger_evict_named(struct hub *hub, struct document *document, uint64_t batch);
void ledger_finish(struct document *document);
void ledger_reject(struct hub *hub, struct document *document, struct ledger_row *row, uint64_t seq,
                   enum hub_code code, uint32_t field);
/* The replica is the principal's, unless it is somebody's. `journaled`: so says the journal; what
 * is only on its way there may be lost. Fails the step. */
void ledger_bind(struct hub *hub, struct ledger_row *row, struct bytes principal, bool journaled);
void ledger_intern(struct document *document, struct ledger_row *row);

/* load.c */
/* A LOAD of a document's rows under way. */
struct load {
    struct document *document;
    uint64_t request;
    bool rows;             /* the document's own rows are part of it */
    struct stream *stream; /* that waits for it; NULL: none, or it has closed meanwhile */
    size_t *loads;         /* counts what somebody else waits for, or NULL */
};
/* Notes a request, with a number of its own; NULL: no memory. */
struct load *load_ask(struct hub *hub, struct document *document, bool rows, size_t *loads);
void load_done(struct hub *hub, uint64_t request, struct bytes rows);
void load_failed(struct hub *hub, uint64_t request);
table_match load_matches;
void loads_finish(struct hub *hub);

/* waiter.c */
/* A part of what waits for a document's rows. */
struct waiter {
    struct link link;
    struct document *document; /* pinned */
    size_t loads;              /* that it waits for */
    /* `document->ready`: its rows are here; else they could not be loaded. */
    void (*ready)(struct hub *hub, struct waiter *waiter);
    void (*destroy)(struct hub *hub, struct waiter *waiter);
};
/* `ready` and `destroy` are set, all else is zero; both are called in this order, now or later, and
 * only `destroy` if the hub ends before. */
void waiter_begin(struct hub *hub, struct waiter *waiter, struct document *document);
void waiters_pump(struct hub *hub);
void waiters_finish(struct hub *hub);

/* outside.c: documents as JSON, for others than clients */
void outside_asked(struct hub *hub, const struct hub_event *event);
/* A batch has changed the document: EFFECT_CHANGED, once for each batch. */
void document_changed(struct hub *hub, struct document *document, uint64_t position);

#endif
