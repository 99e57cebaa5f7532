/*
 * An operator's calls (docs/protocol.md, Operator calls): what the files operator*.c share, and at
 * the end what they do for the rest of the hub. operator.c reads the calls and answers them;
 * operator_connections.c, operator_documents.c, operator_document.c and operator_rejected.c hold
 * the methods; operator_request.c waits for the database where one must.
 */
#ifndef HUB_OPERATOR_H
#define HUB_OPERATOR_H

#include "protocol/buffer.h"
#include "protocol/limits.h"
#include "protocol/packet.h"
#include "protocol/rows.h"
#include "server/hub/hub.h"

struct connection;
struct document;
struct ledger_row;

enum operator_type { OPERATOR_NUMBER, OPERATOR_TEXT, OPERATOR_BYTES };

/* What a method takes; a parameter that is nil is not given. */
struct operator_parameter {
    const char *name;
    enum operator_type type;
    bool required;
    uint64_t min; /* of a number, or of a text's length */
    uint64_t max;
    const char *expected; /* a sentence for who sends anything else */
};

enum { OPERATOR_PARAMETERS = 3, OPERATOR_LISTED = 100 };

struct operator_value {
    bool given;
    uint64_t number;
    struct bytes text; /* or bytes; borrowed from the packet */
};

/* A call on its way; `values` in the order of the method's parameters. */
struct operator_call {
    struct hub *hub;
    struct connection *connection;
    int64_t id;
    const char *method;
    struct bytes parameters; /* as they came */
    struct operator_value values[OPERATOR_PARAMETERS];
};

struct operator_method {
    const char *name;
    struct operator_parameter parameters[OPERATOR_PARAMETERS];
    size_t parameter_count;
    void (*run)(const struct operator_call *call);
};

/* Whether the connection may make such calls. */
bool connection_is_operator(const struct hub *hub, const struct connection *connection);

/* RESULT is what is written to the hub's scratch between these two. */
struct writer operator_begin(struct hub *hub);
void operator_answer(struct hub *hub, struct connection *connection, int64_t id,
                     const struct writer *writer);
void operator_refuse(struct hub *hub, struct connection *connection, int64_t id, enum hub_code code,
                     const char *text);

/* One pair of a map. Absent texts are nil. */
void write_pair_uint(struct writer *writer, const char *key, uint64_t value);
void write_pair_bool(struct writer *writer, const char *key, bool value);
void write_pair_position(struct writer *writer, const char *key, uint64_t position);
void write_pair_text(struct writer *writer, const char *key, struct bytes text);
/* 0: nil. */
void write_pair_id(struct writer *writer, const char *key, uint64_t id);

/* The number given, or what stands for it. */
uint64_t operator_number(const struct operator_value *value, uint64_t absent);

/* The methods. */
void operator_stats(const struct operator_call *call);
void operator_connections(const struct operator_call *call);
void operator_connection(const struct operator_call *call);
void operator_documents(const struct operator_call *call);
void operator_document(const struct operator_call *call);
void operator_rejected(const struct operator_call *call);
void operator_backup(const struct operator_call *call);
void operator_export(const struct operator_call *call);
void operator_retire(const struct operator_call *call);
void operator_erase(const struct operator_call *call);
void operator_import(const struct operator_call *call);
/* Of any that is not the core's to answer: EFFECT_ASK. */
void operator_ask(const struct operator_call *call);

/*
 * A call that waits for rows from the database. What memory knows is gathered when the rows are
 * asked for, because what leaves it afterwards may be missing in the rows; then the rows come, and
 * both are one answer.
 */
struct operator_request {
    struct operator_request *next;
    uint64_t request;
    bool asked;          /* somebody outside the core, not the database */
    uint64_t connection; /* it may be gone by then */
    int64_t id;
    struct document *document;               /* pinned; NULL: none */
    struct buffer kept;                      /* rows from memory */
    uint8_t name[LIMIT_DOCUMENT_NAME_BYTES]; /* that is asked for */
    size_t name_length;
    size_t limit; /* of a list */
    /* Writes the answer to `writer`. False: the rows cannot be read. */
    bool (*answer)(struct hub *hub, const struct operator_request *request, struct bytes rows,
                   struct writer *writer);
};

/* NULL: refused, too many wait, or there is no memory. */
struct operator_request *operator_request_begin(const struct operator_call *call);
/* Asks for the rows. */
void operator_request_ask(struct hub *hub, struct operator_request *request,
                          const struct row_request *rows);

/* For the rest of the hub. */

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
/* Notes a refused update. */
void operator_refused(struct hub *hub, const struct document *document,
                      const struct ledger_row *row, uint64_t at_ms);

#endif
