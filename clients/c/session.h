/*
 * Session: one document as a client holds it. Pure: packets and edits in, packets and news out; no
 * I/O, clock or randomness.
 *
 * `confirmed` is the hub's state at the cursor, the outboxes hold what it does not include yet, and
 * the view is the outboxes applied to confirmed by the hub's own rules (docs/protocol.md, section
 * 2): exact while edits wait.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "clients/c/outbox.h"

#define SESSION_STATUS_LIST(X)                                                                     \
    X(SESSION_OK, "no error")                                                                      \
    X(SESSION_NO_MEMORY, "out of memory")                                                          \
    X(SESSION_PROTOCOL, "the hub sent a packet that cannot be true")                               \
    X(SESSION_OTHER_HUB, "the hub has other fields than the one that this store was filled from: " \
                         "name that hub, or another --store; what waits is kept")                  \
    X(SESSION_NO_SCHEMA, "the document's fields are not known yet: sync once with the hub")        \
    X(SESSION_NO_FIELD, "the document has no such field")                                          \
    X(SESSION_BAD_EDIT, "the field does not know this edit, or not with such a value")             \
    X(SESSION_OUT_OF_BOUNDS, "OUT_OF_BOUNDS: the counter would leave its bounds")

enum session_status {
#define X(name, text) name,
    SESSION_STATUS_LIST(X)
#undef X
};

const char *session_status_text(enum session_status status);

enum { SESSION_TEXT_BYTES = 256 };

/* What a packet changed. */
struct session_news {
    bool changed;
    bool stuck;      /* session_move is due */
    size_t rejected; /* updates: code, text, seq of the last */
    bool closed;     /* the hub ended the stream: code, text */
    bool error;      /* code, text, retry_ms */
    uint64_t seq;
    uint64_t retry_ms; /* 0: not told */
    char code[SESSION_TEXT_BYTES];
    char text[SESSION_TEXT_BYTES];
};

struct session {
    char name[LIMIT_DOCUMENT_NAME_BYTES + 1];
    struct schema schema; /* `fields` owned */
    bool declared;
    struct crdt_field **confirmed; /* one for each field */
    struct journal_id cursor_journal;
    uint64_t cursor;
    bool has_cursor;
    struct outbox *outboxes; /* oldest session first, our own last */
    size_t length;
    struct replica_id replica; /* our own, before there is an outbox */
    uint32_t local_indexes;
    uint64_t now_ms;     /* Unix milliseconds, as the caller says */
    int64_t clock_ahead; /* milliseconds by which the hub's clock is ahead of the caller's */
    size_t lease_length; /* of the key of what this device reserves */
    uint8_t lease_key[LIMIT_LEASE_KEY_BYTES];
    /* The stream. */
    struct journal_id journal;
    int64_t stream; /* 0: none */
    bool arrived;
    struct replica_id *named;
    size_t named_length;
    struct buffer transfer;
    struct packet_content transferring;
    bool transfer_update;
    uint64_t granted;
    uint64_t credit; /* to be granted with the next send */
};

/* `replica` is freshly minted. */
void session_init(struct session *session, const char *name, const struct replica_id *replica);
void session_finish(struct session *session);

/* The schema, as OPENED's raw list of fields, from an earlier session. */
CRDT_CHECKED enum session_status session_declare(struct session *session, struct bytes fields);
/* The same, as `session_write_fields` has written it. */
CRDT_CHECKED enum session_status session_remember(struct session *session, struct bytes fields);
/* The declared fields, which are the caller's then; the session has had no edits, and ends next. */
struct schema session_take_schema(struct session *session);

/* What time it is: before edits and received packets. */
void session_set_time(struct session *session, uint64_t now_ms);

/* An edit: `verb` and values as the field's type takes them (clients/c/edits.h). On failure nothing
 * has changed; but after SESSION_NO_MEMORY, here and below, the session is unfit: it ends, and
 * begins again from what was saved. */
struct edit;
CRDT_CHECKED enum session_status session_edit(struct session *session, const char *field,
                                              const struct edit *edit);

/* The view of a field by its place in the schema, to be destroyed; NULL: no memory. */
struct crdt_field *session_view(const struct session *session, size_t index);

/* The document as one line of JSON; `field` NULL: all of them. */
CRDT_CHECKED enum session_status session_json(const struct session *session, const char *field,
                                              struct writer *writer);

uint64_t session_pending(const struct session *session);

/* Begins a stream on a connection whose WELCOME named `journal`. */
void session_open(struct session *session, int64_t stream, const struct journal_id *journal,
                  struct writer *writer);
/*
 * What is held is more than the hub can take under the replicas that made it: it goes on under a
 * fresh one, and what cannot be told apart is rejected. The stream is closed; the session is to be
 * saved before another is opened, or both could count. SESSION_NO_MEMORY: what was saved last
 * holds.
 */
CRDT_CHECKED enum session_status session_move(struct session *session,
                                              const struct replica_id *replica,
                                              struct writer *writer, struct session_news *news);
/* The connection is gone. */
void session_disconnect(struct session *session);
/* Everything not acknowledged is to be sent again. */
void session_resend(struct session *session);

/* Writes what can be sent now, as far as a message holds it. True: there is more for another one.
 */
CRDT_CHECKED bool session_send(struct session *session, struct writer *writer);

CRDT_CHECKED enum session_status
session_receive(struct session *session, const struct packet *packet, struct session_news *news);

/* Everything worth keeping, and its way back into a fresh session. What is saved may be sent by who
 * has a copy of it, so later edits begin a delta of their own. */
void session_save(struct session *session, struct writer *writer);
CRDT_CHECKED enum session_status session_load(struct session *session, struct bytes saved);

/* The schema as OPENED's list; a field that stands aside has `true` behind it. */
void session_write_fields(const struct session *session, struct writer *writer);

#endif
