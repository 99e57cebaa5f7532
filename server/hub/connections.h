/*
 * Connections: a client each, its packets in and its messages out. connection.c is their life;
 * held.c keeps what has come and is not taken yet, turn.c says who is sent something next; token.c
 * is what they may do; call.c and values.c answer their calls.
 */
#ifndef HUB_CONNECTIONS_H
#define HUB_CONNECTIONS_H

#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/codes.h"
#include "server/hub/hub.h"
#include "server/hub/list.h"
#include "server/hub/principal.h"
#include "server/hub/table.h"

struct ledger_row;

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
    /* Packets that no state can tell again: WELCOME, RESULT, ERROR, CLOSE, PONG. */
    struct buffer answers;
};

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

/* call.c: HELLO and CALL */
void call_hello(struct hub *hub, struct connection *connection, const struct packet *packet);
void call_welcome(struct hub *hub, struct connection *connection);
void call_method(struct hub *hub, struct connection *connection, const struct packet *packet);
void write_fields(struct writer *writer, const struct schema *schema);

/* values.c: CALL `values` and `whoami`; false: there is no such method. */
bool values_call(struct hub *hub, struct connection *connection, const struct packet *packet);

#endif
