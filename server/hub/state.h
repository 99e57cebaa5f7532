/*
 * The hub's inside: what its files share. connection.c and stream.c face the clients; document.c
 * and ledger.c hold what is merged; batch.c, merge.c and store.c are the pipeline to and from the
 * disk; effects.c is the way out.
 *
 * Nothing is queued for a client but the answers to its own calls: OPENED, ACK, REJECT, GAP,
 * SNAPSHOT and UPDATE are worked out from the document, the ledger and the stream's cursor at the
 * moment its connection can take them.
 */
#ifndef HUB_STATE_H
#define HUB_STATE_H

#include "crdt/field.h"
#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/codes.h"
#include "server/hub/counters.h"
#include "server/hub/hub.h"
#include "server/hub/principal.h"
#include "server/hub/roster.h"
#include "server/hub/table.h"
#include "server/hub/unstored.h"

struct connection;
struct document;
struct download;
struct job;
struct operator_request;
struct refusals;
struct presence;
struct stream;

/* Links of a doubly linked list, a member of what it links; `list_*` below. */
struct link {
    struct link *previous;
    struct link *next;
};

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

/* Encoded once, shared by every stream that needs it. */
struct body {
    size_t references;
    uint64_t from; /* 0 with `snapshot` */
    uint64_t to;
    bool snapshot;
    struct buffer bytes; /* the map of fields */
};

/* How many updates wait in batches, told by the batches' numbers: what has left both batches counts
 * no more, without a word from them. */
struct backlog {
    uint64_t batch[2]; /* the last two that got any; 0: none */
    size_t updates[2];
};

/* When the first of some updates came in, and when it was durable: in microseconds. */
struct arrival {
    uint64_t received_us; /* 0: there is none */
    uint64_t durable_us;
};

struct document {
    struct link idle;              /* in hub->idle_documents while it may leave the memory */
    struct link dirty;             /* in hub->dirty while rows wait to be stored */
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

/* What a stream has told of a replica. */
struct stream_replica {
    struct ledger_row *row;
    uint64_t acks;
    uint64_t gaps;
    uint64_t rejects;
};

struct transfer {
    int64_t id; /* 0: none */
    struct body *body;
    size_t sent;
    size_t credit;
};

struct stream {
    struct link in_document;
    struct link in_connection;
    struct link dirty; /* in connection->dirty */
    struct connection *connection;
    struct document *document;
    int64_t id;
    uint64_t cursor;
    bool has_cursor; /* false: the client needs a SNAPSHOT */
    bool once;
    bool opened;     /* OPENED was sent */
    bool presence;   /* its client wants to know who is here */
    unsigned rights; /* to the document, enum access_right */
    uint64_t presence_told;
    struct presence *own_presence; /* NULL: none */
    struct load *load;             /* that it waits for, or NULL */
    struct transfer transfer;
    struct backlog backlog;
    struct arrival arrival;          /* of the first update that it was woken for */
    struct stream_replica *replicas; /* behind `named` */
    size_t length;
    struct replica_id named[]; /* as OPEN listed them */
};

/* What HELLO said of its sender, for people: each text cut, one behind the other. */
struct greeting {
    uint8_t agent_length;
    uint8_t client_length;
    uint8_t correlation_length;
    uint8_t texts[];
};

/* Of WebSocket. */
enum close_code { CLOSE_FORMAT = 1007, CLOSE_POLICY = 1008, CLOSE_TRY_LATER = 1013 };

enum pause_reason {
    PAUSE_BATCH = 1,
    PAUSE_RATE = 2,
    PAUSE_ANSWERS = 4,
    PAUSE_TOKEN = 8,
    PAUSE_HELD = 16
};

struct connection_token {
    struct buffer principal; /* whom it is for; empty: nobody has asked */
    struct buffer grants;    /* what it allows (access.h) */
    uint64_t expires_ms;     /* UINT64_MAX: never */
    uint64_t ask_ms;         /* when a fresh one is asked for; UINT64_MAX: never, or it has been */
    uint64_t verified_ms;    /* when the last VERIFY was */
    uint64_t request;        /* the VERIFY under way; 0: none */
    int64_t auth;            /* the AUTH that waits for it; 0: HELLO */
};

/* What has come and is not taken yet (held.c). */
struct held {
    struct link waiting; /* in hub->waiting_connections, unless a token is being looked at */
    struct buffer bytes;
    size_t at; /* of the first message that is not all taken */
};

struct connection {
    struct link dirty;         /* in hub->dirty_connections, or in hub->patient_connections */
    struct link streams;       /* head */
    struct link dirty_streams; /* head */
    struct table stream_table;
    uint64_t id;
    uint64_t connected_ms;
    uint64_t heard_ms;
    uint64_t pinged_ms;
    int64_t last_client_id; /* ids only grow, which is how they are never reused */
    int64_t last_hub_id;
    size_t batch_bytes; /* its share of the batch that gathers */
    struct meter meter;
    struct principal *principal; /* `alone` until a token has named another */
    struct principal alone;
    unsigned paused; /* enum pause_reason */
    struct connection_token token;
    struct held held;
    bool admin;   /* its principal is an operator, by its token */
    bool inside;  /* it came in where operators do */
    bool greeted; /* WELCOME was sent */
    bool blocked;
    bool closing;
    bool patient;              /* whose turn comes later */
    struct greeting *greeting; /* NULL: none */
    struct backlog backlog;
    uint64_t updates;  /* that entered a batch */
    uint64_t rejected; /* REJECTs that it was sent */
    uint64_t bytes_in; /* of whole messages */
    uint64_t bytes_out;
    struct buffer upload; /* the parts of an import that have come */
    struct buffer
        answers; /* packets that no state can tell again: WELCOME, RESULT, ERROR, CLOSE, PONG */
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

/* A batch from the journal's tail that waits for its turn, at start. */
struct replay {
    struct replay *next;
    uint64_t position;
    size_t length;
    uint8_t bytes[];
};

/* A LOAD of a document's rows under way. */
struct load {
    struct document *document;
    uint64_t request;
    bool rows;             /* the document's own rows are part of it */
    struct stream *stream; /* that waits for it; NULL: none, or it has closed meanwhile */
    size_t *loads;         /* counts what somebody else waits for, or NULL */
};

/* A walk that an operator has asked for, and who waits for its end. */
struct retire_call {
    uint64_t connection; /* 0: there is none */
    int64_t call;
    uint64_t idle_ms;
    bool dry; /* only counts */
    bool walking;
    bool ended;     /* its last step was looked at */
    bool failed;    /* it could not be */
    uint64_t batch; /* the last one that has a record of its */
    uint64_t found;
    uint64_t retired;
};

/* A walk through all replicas, to find the silent ones. */
struct retirement {
    struct retire_call asked;
    uint64_t next_ms;
    uint64_t before_ms; /* silent since */
    uint64_t request;   /* the step under way; 0: none */
    uint8_t after[LIMIT_ROW_WALK_BYTES];
    size_t after_length;   /* 0: the walk begins */
    struct buffer records; /* found, for the journal; each pins its document */
    size_t loads;          /* that the records wait for */
};

/* Updates of one arrival that this step has sent. */
struct sent {
    struct arrival arrival;
    uint64_t count;
};

enum { SENT_MAX = 64 };

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

/* Lists. */
void list_init(struct link *head);
bool list_empty(const struct link *head);
bool list_linked(const struct link *link);
void list_push(struct link *head, struct link *link); /* at the end; not if it is in one */
void list_remove(struct link *link);                  /* nothing, if it is in none */

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define LIST_FOR_EACH(at, head) for (struct link *at = (head)->next; at != (head); at = at->next)

/* effects.c */
void hub_fail(struct hub *hub, enum hub_status status);
struct hub_effect *effect_add(struct hub *hub, enum hub_effect_kind kind);
void effect_bytes(struct hub *hub, struct hub_effect *effect, struct bytes bytes);
/* The effect's bytes are what is written to the arena between these two. */
struct writer effect_begin(struct hub *hub, size_t *start);
void effect_end(struct hub *hub, struct writer *writer, size_t start, struct hub_effect *effect);
void effects_clear(struct hub *hub);
void effects_finish(struct hub *hub, struct hub_effects *effects);

/* hub.c */
void counters_clear(struct hub_counters *counters);

/* note.c */
/* A bound was met, by that connection (NULL: none). */
void limit_hit(struct hub *hub, const struct connection *connection, enum hub_limit limit);
void note_greeted(struct hub *hub, const struct connection *connection);
/* Only for debugging. */
void note_error(struct hub *hub, const struct connection *connection, enum hub_code code);
void note_rejected(struct hub *hub, uint64_t connection, struct bytes document, enum hub_code code);
/* What log and errors call the connection, written to `text`. Empty: nothing. */
struct bytes connection_correlation(const struct hub *hub, const struct connection *connection,
                                    char text[HUB_CORRELATION_BYTES]);

/* The same for an ERROR or a REJECT: nothing, if it is the hub's own and WELCOME has told it. */
struct bytes correlation_told(const struct hub *hub, const struct connection *connection,
                              char text[HUB_CORRELATION_BYTES]);

/* sent.c: how long updates took */
/* A batch is durable. */
void batch_arrived(struct hub *hub, const struct batch *batch);
/* After the batch was merged: what has woken nobody is forgotten. */
void batch_forgotten(const struct batch *batch);
/* The stream is woken for what has come to its document. */
void stream_arrive(struct stream *stream);
/* The stream was sent all that there is; `news`: an UPDATE was part of it. */
void stream_sent(struct hub *hub, struct stream *stream, bool news);

/* principal.c */
table_match principal_matches;
void principal_init(struct connection *connection);
/* The connection is the principal's that its token names. False: that has as many as it may. */
bool principal_join(struct hub *hub, struct connection *connection);
void principal_leave(struct hub *hub, struct connection *connection);
/* Takes from all buckets, and pauses the connection or resumes it. */
void rates_spend(struct hub *hub, struct connection *connection, size_t packets, size_t bytes);

/* connection.c */
void connection_connected(struct hub *hub, uint64_t id, bool inside);
void connection_received(struct hub *hub, uint64_t id, struct bytes message);
void connection_blocked(struct hub *hub, uint64_t id);
void connection_writable(struct hub *hub, uint64_t id);
void connection_gone(struct hub *hub, uint64_t id);
void connection_destroy(struct hub *hub, struct connection *connection);
void connection_close(struct hub *hub, struct connection *connection, uint16_t code,
                      const char *text);
table_match connection_matches;
struct connection *connection_find(const struct hub *hub, uint64_t id);
/* A pair of a map; nothing if it is empty. */
void write_correlation(struct writer *writer, struct bytes correlation);
void connection_answer(struct hub *hub, struct connection *connection, const struct packet *packet);
/* What an ERROR counts against the rate, beside the packet that it answers. */
void connection_charge(struct connection *connection, enum hub_code code);
/* ERROR; `retry_ms` 0: no such detail. */
void connection_error(struct hub *hub, struct connection *connection, int64_t id,
                      enum hub_code code, uint64_t retry_ms);
/* The same with another sentence than the code's own. */
void connection_refuse(struct hub *hub, struct connection *connection, int64_t id,
                       enum hub_code code, const char *text, uint64_t retry_ms);
void connection_event(struct hub *hub, struct connection *connection, const char *name,
                      struct bytes data);
/* ERROR, then the end, with the code's name as the reason. */
void connection_expel(struct hub *hub, struct connection *connection, enum hub_code code,
                      uint16_t close_code);
/* The first packets of a message; answers how many bytes they have. */
size_t connection_slice(struct hub *hub, struct connection *connection, struct bytes message);
void connection_pause(struct hub *hub, struct connection *connection, enum pause_reason reason);
void connection_resume(struct hub *hub, struct connection *connection, enum pause_reason reason);
void connections_sweep(struct hub *hub);
/* Looks at all connections at that time, or soon after it. */
void connections_sweep_by(struct hub *hub, uint64_t at_ms);
void connections_drain(struct hub *hub);

/* Frees what waits in its answers. */
void answers_drop(struct hub *hub, struct connection *connection);

/* turn.c: whose turn it is to be sent something */
void connection_touch(struct hub *hub, struct connection *connection);
/* Nothing is to be sent to it. */
void connection_untouch(struct hub *hub, struct connection *connection);
/* Behind all others. */
void connection_touch_later(struct hub *hub, struct connection *connection);
/* One message: what the connection's client lacks, as far as it fits. */
void connection_flush(struct hub *hub, struct connection *connection);
/* Sends to some, unless the last step has left some and a TICK is to come. */
void turn_take(struct hub *hub, enum hub_event_kind event);

/* call.c: HELLO and CALL */
void call_hello(struct hub *hub, struct connection *connection, const struct packet *packet);
void call_welcome(struct hub *hub, struct connection *connection);
void call_method(struct hub *hub, struct connection *connection, const struct packet *packet);
void write_fields(struct writer *writer, const struct schema *schema);

/* operator.c, and the files called so: an operator's calls */
/* Keeps what the client says of itself. */
void operator_greeted(struct connection *connection, const struct packet_hello *hello);
/* False: there is no such method. */
bool operator_call(struct hub *hub, struct connection *connection, const struct packet *packet);
/* False: the request is another's. */
bool operator_loaded(struct hub *hub, uint64_t request, struct bytes rows);
bool operator_load_failed(struct hub *hub, uint64_t request);
/* Answers what EFFECT_ASK has asked. */
void operator_answered(struct hub *hub, const struct hub_event *event);
void operator_requests_finish(struct hub *hub);

/* values.c: CALL `values` and `whoami`; false: there is no such method. */
bool values_call(struct hub *hub, struct connection *connection, const struct packet *packet);

/* download.c */
/* False: the request is another's. */
bool download_loaded(struct hub *hub, uint64_t request, struct bytes rows);
bool download_load_failed(struct hub *hub, uint64_t request);
/* False: the transfer is a stream's. */
bool download_credit(struct hub *hub, uint64_t connection, int64_t transfer, uint64_t bytes);
void downloads_drop(struct hub *hub, uint64_t connection);
/* Frees those that have ended. */
void downloads_sweep(struct hub *hub);
void downloads_finish(struct hub *hub);

/* Notes a refused update. */
void operator_refused(struct hub *hub, const struct document *document,
                      const struct ledger_row *row, uint64_t at_ms);

/* held.c */
void held_init(const struct hub *hub, struct held *held);
/* Keeps what has come, at least a byte, until its turn, or ends the connection if there is no room.
 */
void held_add(struct hub *hub, struct connection *connection, struct bytes message);
bool held_any(const struct connection *connection);
/* Takes a slice of it, if there is any. */
void held_take(struct hub *hub, struct connection *connection);
/* The slices of one turn. */
void held_pump(struct hub *hub);
void held_drop(struct hub *hub, struct connection *connection);

/* token.c */
void connection_token_init(struct connection_token *token);
void connection_token_finish(struct connection_token *token);
void token_hello(struct hub *hub, struct connection *connection, struct bytes text);
/* What the connection may do with the document. */
unsigned token_rights(const struct hub *hub, const struct connection *connection,
                      struct bytes name);
void token_auth(struct hub *hub, struct connection *connection, const struct packet *packet);
void token_verified(struct hub *hub, const struct hub_event *event);
/* Asks for a fresh token, or ends the connection, if it is time; answers when it is next. */
uint64_t token_look_after(struct hub *hub, struct connection *connection);

/* Whether the replica is its principal's, or nobody's. */
bool token_owns(const struct hub *hub, const struct connection *connection,
                const struct ledger_row *row);

/* Clients compare it to notice that the schemas changed. False: no memory. */
bool hub_hash_schemas(const struct schema_set *schemas, uint64_t *hash);

/* reconfigure.c */
void hub_settle(struct hub *hub);
void hub_reconfigure(struct hub *hub, const struct hub_config *config);
bool schema_is_offered(const struct connection *connection, const struct schema *schema);

/* stream.c */
/* The document that OPEN names, made if it is not in memory, for a connection that may have it
 * open; NULL: answered. */
struct document *stream_document(struct hub *hub, struct connection *connection,
                                 const struct packet *packet);
void stream_open(struct hub *hub, struct connection *connection, const struct packet *packet);
void stream_close(struct hub *hub, struct stream *stream);
struct stream *stream_find(const struct connection *connection, int64_t id);
struct stream_replica *stream_replica_find(const struct stream *stream,
                                           const struct packet_replica *replica);
/* What the connection's token says by now: ends streams that it no longer lets read. */
void streams_restrict(struct hub *hub, struct connection *connection);
/* Ends the stream with CLOSE. */
void stream_end(struct hub *hub, struct stream *stream, enum hub_code code);
void stream_loaded(struct hub *hub, struct stream *stream);
void stream_touch(struct hub *hub, struct stream *stream);
void stream_touch_later(struct hub *hub, struct stream *stream);
void stream_credit(struct hub *hub, struct connection *connection, int64_t transfer,
                   uint64_t bytes);

/* publish.c: writes what the stream's client lacks; true: nothing is left for now. */
bool stream_publish(struct hub *hub, struct stream *stream, struct writer *writer);
void body_release(struct body *body);
void stream_drop_transfer(struct stream *stream);

/* presence.c */
void presence_received(struct hub *hub, struct connection *connection, const struct packet *packet);
void presence_stream_closed(struct hub *hub, struct stream *stream);
void presences_finish(struct hub *hub, struct document *document);
/* Writes what the stream's client does not know yet; true: nothing is left for now. */
bool presence_publish(struct stream *stream, struct writer *writer);

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
 * had.
 */
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

/* batch.c */
enum {
    RECORD_RETIRE = 128,
    RECORD_EXPIRE,
    RECORD_IMPORT,
    RECORD_ERASE
}; /* beyond the packets' kinds */

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

/* update.c: DELTA and STATE on their way in */
void update_received(struct hub *hub, struct connection *connection, const struct packet *packet,
                     struct bytes raw);

/* merge.c */
void merge_record(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms);
void merge_batch(struct hub *hub, uint64_t position, struct bytes bytes);

/* replay.c */
void replay_add(struct hub *hub, uint64_t position, struct bytes bytes);
void replay_pump(struct hub *hub);
void replay_finish(struct hub *hub);

/* retire.c */
void retire_pump(struct hub *hub);
/* Begins a walk at once, for who calls. False: another's is under way. */
bool retire_begin(struct hub *hub, const struct retire_call *asked);
uint64_t retire_wake_ms(const struct hub *hub); /* UINT64_MAX: nothing is due by time alone */
/* False: the request is another's. */
bool retire_loaded(struct hub *hub, uint64_t request, struct bytes rows);
bool retire_load_failed(struct hub *hub, uint64_t request);
/* The record's time, and the number of replicas that the reader is then at. */
size_t retire_read(const struct record *record, struct reader *reader, uint64_t *before_ms);
void retire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position);
/* Whether the ledger has forgotten the replica, or may have. */
bool replica_is_retired(const struct document *document, const struct ledger_row *row);

/* erase.c */
void erase_merge(struct hub *hub, struct document *document, const struct record *record,
                 uint64_t position, uint64_t at_ms);

/* rewrite.c */
void rewrite_document(struct hub *hub, struct bytes name);

/* import.c */
void import_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position, uint64_t at_ms);

/* job.c: operators' calls that work on a document */
void jobs_pump(struct hub *hub);
/* Something of the document could not be loaded, for who counts his loads there. */
void jobs_unloaded(struct hub *hub, const struct document *document, const size_t *loads);
/* Its record is merged: `result` is the value of the answer, raw. */
void jobs_merged(struct hub *hub, const struct document *document, struct bytes result);
/* What was erased is gone from the file, or may not be. */
void jobs_scrubbed(struct hub *hub, uint64_t request, bool done);
/* The journal has not taken it. */
void jobs_refused(struct hub *hub, const struct document *document);
void jobs_finish(struct hub *hub);

/* expire.c */
void expire_pump(struct hub *hub);
/* Something in the document may have begun, or ended. */
void expire_watch(struct hub *hub, struct document *document);
/* The journal has not taken the document's record. */
void expire_refused(struct hub *hub, struct document *document);
void expire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position);

/* store.c */
void store_soon(struct hub *hub);
void store_pump(struct hub *hub);
void store_done(struct hub *hub);
void store_failed(struct hub *hub);
void store_mark(struct hub *hub, struct document *document, uint64_t position);

/* outside.c: documents as JSON, for others than clients */
void outside_asked(struct hub *hub, const struct hub_event *event);
/* A batch has changed the document: EFFECT_CHANGED, once for each batch. */
void document_changed(struct hub *hub, struct document *document, uint64_t position);

/* waiter.c: a part of what waits for a document's rows */
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

/* load.c */
/* Notes a request, with a number of its own; NULL: no memory. */
struct load *load_ask(struct hub *hub, struct document *document, bool rows, size_t *loads);
void load_done(struct hub *hub, uint64_t request, struct bytes rows);
void load_failed(struct hub *hub, uint64_t request);
table_match load_matches;
void loads_finish(struct hub *hub);

#endif
